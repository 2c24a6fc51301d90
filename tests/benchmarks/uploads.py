"""Uploads over HTTP, durable, folded and settled, against the bare driver and the empty server."""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from sessions.database import connect, migrate
from tests.benchmarks.ceilings import Rows, bare_psycopg, bare_sqlite, rows_of
from tests.benchmarks.load import post_all, single_events, uploads_of_500
from tests.benchmarks.servers import prepare, serving
from tests.databases import PostgresDatabases, postgres_server

STATIONS = 64
UPLOADS = 120
CONNECTIONS = 64
SINGLES_EACH = 150
STORED = 5_000_000


def main() -> None:
    with postgres_server(durable=True) as server:
        databases = PostgresDatabases(server)
        _batches("PostgreSQL", 0.5, lambda rows: _psycopg_ceiling(databases, rows), databases)
        _batches("SQLite", 0.15, _sqlite_ceiling, None)
        _singles(databases)


def _batches(name: str, at_least: float, ceiling: Callable[[Rows], float], databases: PostgresDatabases | None) -> None:
    """Uploads of 500 events, four connections at a time."""
    ratios, rates = [], []
    for _ in range(3):
        if databases is not None:
            with databases.empty() as url:
                took, rows = _run_batches(url)
        else:
            with tempfile.TemporaryDirectory() as folder:
                took, rows = _run_batches(f"sqlite:///{folder}/bench.db")
        best = ceiling(rows)
        rates.append(UPLOADS * 500 / took)
        ratios.append(best / took)
    _print(f"uploads of 500, {name}", statistics.median(rates), statistics.median(ratios), at_least, ratios)


def _run_batches(url: str) -> tuple[float, Rows]:
    key = prepare(url, STATIONS)
    bodies = uploads_of_500(STATIONS, UPLOADS, "b")
    with serving("idlefee", url, key) as target:
        post_all(target, [uploads_of_500(STATIONS, 4, "warm")])
        took = post_all(target, [bodies[at::4] for at in range(4)])
    engine = connect(url)
    rows = rows_of(engine)
    engine.dispose()
    return took, rows


def _psycopg_ceiling(databases: PostgresDatabases, rows: Rows) -> float:
    with databases.empty() as url:
        _migrated_with_registry(url)
        return bare_psycopg(url, rows, UPLOADS)


def _sqlite_ceiling(rows: Rows) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ceiling.db"
        _migrated_with_registry(f"sqlite:///{path}")
        return bare_sqlite(str(path), rows, UPLOADS)


def _migrated_with_registry(url: str) -> None:
    """An empty database in which the rows' sites and stations exist, their tokens not yet."""
    migrate(url)
    prepare(url, STATIONS)
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM tokens"))
    engine.dispose()


def _singles(databases: PostgresDatabases) -> None:
    """One event an upload over 64 connections, with an empty database and with five million events stored."""
    empty_rates, full_rates, fastapi_rates, asgi_rates = [], [], [], []
    with databases.empty() as empty_url, databases.empty() as full_url:
        empty_key, full_key = prepare(empty_url, STATIONS), prepare(full_url, STATIONS)
        _fill(full_url)
        for run in range(3):
            empty_rates.append(_single_rate("idlefee", run, empty_url, empty_key))
            full_rates.append(_single_rate("idlefee", run, full_url, full_key))
            fastapi_rates.append(_single_rate("fastapi", run))
            asgi_rates.append(_single_rate("asgi", run))
    rate, fastapi, asgi = (statistics.median(rates) for rates in (empty_rates, fastapi_rates, asgi_rates))
    print(f"  empty FastAPI POST {fastapi:,.0f}/s, empty ASGI POST {asgi:,.0f}/s; of the second {rate / asgi:.2f}")
    ratios = [mine / best for mine, best in zip(empty_rates, fastapi_rates, strict=True)]
    _print("single events, PostgreSQL", rate, statistics.median(ratios), 0.5, ratios)
    ratios = [full / empty for full, empty in zip(full_rates, empty_rates, strict=True)]
    _print("  with 5 million stored", statistics.median(full_rates), statistics.median(ratios), 0.9, ratios)


def _single_rate(what: str, run: int, url: str = "", key: str = "") -> float:
    with serving(what, url, key) as target:
        post_all(target, [single_events(at, 12, f"w{run}-", 2 * run) for at in range(CONNECTIONS)])
        queues = [single_events(at, SINGLES_EACH, f"r{run}-", 2 * run + 1) for at in range(CONNECTIONS)]
        return CONNECTIONS * SINGLES_EACH / post_all(target, queues)


def _fill(url: str) -> None:
    """Five million events of finished sessions, written by the database itself."""
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text(_FILL_EVENTS), {"sessions": STORED // 5})
        connection.execute(text(_FILL_SESSIONS), {"sessions": STORED // 5})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


_FILL_EVENTS = f"""
INSERT INTO events (site_id, station_id, id, digest, stall, session_id, type, at, received_at, author)
SELECT 'site' || (s % {STATIONS} % 5), 'st' || s % {STATIONS}, 'old' || s || '-' || k.n,
       md5('old' || s || '-' || k.n), (s / {STATIONS} % 8 + 1)::text, 'st' || s % {STATIONS} || '/old' || s,
       k.type, 1600000000 + s / 512 * 3000 + k.after, 1600000000 + s / 512 * 3000 + k.after, 'fill'
FROM generate_series(0, :sessions - 1) AS s,
     (VALUES (0, 'plugged_in', 0), (1, 'charging_started', 10), (2, 'meter', 600),
             (3, 'charge_complete', 1800), (4, 'unplugged', 2000)) AS k(n, type, after)
"""
_FILL_SESSIONS = f"""
INSERT INTO sessions (site_id, id, station_id, stall, plugged_in_at, completed_at, unplugged_at, until, closed,
                      complete_s, offset_s, folded_at)
SELECT 'site' || (s % {STATIONS} % 5), 'st' || s % {STATIONS} || '/old' || s, 'st' || s % {STATIONS},
       (s / {STATIONS} % 8 + 1)::text, 1600000000 + s / 512 * 3000, 1600000000 + s / 512 * 3000 + 1800,
       1600000000 + s / 512 * 3000 + 2000, 1600000000 + s / 512 * 3000 + 2000, true, 200, 0, 1700000000
FROM generate_series(0, :sessions - 1) AS s
"""


def _print(what: str, rate: float, ratio: float, at_least: float, ratios: list[float]) -> None:
    verdict = "ok" if ratio >= at_least else "BELOW"
    runs = ", ".join(f"{one:.2f}" for one in ratios)
    print(
        f"{what:32} {rate:>9,.0f} events/s  ratio {ratio:.2f} (at least {at_least}) {verdict}  runs {runs}", flush=True
    )


if __name__ == "__main__":
    main()
