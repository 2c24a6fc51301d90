"""`rerate` over ten million sessions, one in ten idle beyond its grace: at most 60 s and 1 GiB on two cores.

The sessions and their charges are written straight into the tables, by the database's own statements: how they came
there is not what is measured, and the intake would need an hour. They are as wide as real ones, lie in the order of
time as real ones do, and belong to two hundred sites.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, text

from billing.assignments import assign, install_presets
from billing.rating import Context, rate, report_to_json
from billing.rerate import Comparison, Question, compare
from billing.tariffs import preset
from sessions.database import connect, migrate, writing
from sessions.machine import Car, Span, Timeline
from sessions.sites import add_seller, add_site
from sessions.statements import kept_json
from tests.databases import postgres_server, sqlite_url

SESSIONS = 10_000_000
SITES = 200
STATIONS = 4_000
BEGINS_AT = 1_700_000_000
SECONDS_APART = 3  # from one plug-in of the network to the next
ROWS_A_TRANSACTION = 500_000

LIMIT_S, LIMIT_MIB = 60, 1024

# Complete for 25 s to 4:10; every tenth for 5:25 to an hour and a half. `n` is the session's number.
COMPLETE_S = "CASE WHEN n % 10 = 0 THEN 325 + n * 7919 % 5000 ELSE 25 + n * 31 % 225 END"
CHARGING_S = "1200 + n * 104729 % 5400"

NUMBERS = {
    "postgresql": "SELECT n FROM generate_series(CAST(:first AS bigint), :last) AS g(n)",
    "sqlite": "WITH RECURSIVE g(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM g WHERE n < :last) SELECT n FROM g",
}
DRAWN = f"""
    SELECT n, 'site' || (n % {SITES}) AS site_id, 'st' || (n % {STATIONS}) AS station_id,
        {BEGINS_AT} + n * {SECONDS_APART} AS at, {BEGINS_AT} + n * {SECONDS_APART} + {CHARGING_S} AS full_at,
        {COMPLETE_S} AS complete_s
    FROM (NUMBERS) AS numbers
"""
INTO_SESSIONS = f"""
    INSERT INTO sessions (site_id, id, station_id, stall, token_id, plugged_in_at, completed_at, unplugged_at, until,
        closed, complete_s, offset_s, timeline, folded_at)
    SELECT site_id, station_id || '/' || n, station_id, '1', 'token' || (n % 100000), at, full_at, full_at + complete_s,
        full_at + complete_s, true, complete_s, 1,
        '{{"car":[[' || at || ',' || (at + 10) || ',"connected"],[' || (at + 10) || ',' || full_at ||
        ',"charging"],[' || full_at || ',' || (full_at + complete_s) || ',"complete"]],"excused":[]}}',
        full_at + complete_s + 1
    FROM ({DRAWN}) AS drawn
"""
INTO_CHARGES = f"""
    INSERT INTO charges (site_id, session_id, owner_id, seller_id, tariff, tariff_version, rules_version, currency,
        computed_minor, allowed_minor, fee_minor, tax_minor, settlements, settled_at, assessed_at, changed_at, report)
    SELECT site_id, station_id || '/' || n, 'owner' || (n % 100000), 'seller', 'standard', 1, 1, 'USD', fee, fee, fee,
        0, CASE WHEN fee > 0 THEN 1 ELSE 0 END, full_at, full_at, full_at, :report
    FROM (SELECT *, CASE WHEN complete_s > 300 THEN (complete_s - 300) / 60 * 40 ELSE 0 END AS fee FROM ({DRAWN}) AS d)
        AS drawn
"""


def main(arguments: Sequence[str] = ()) -> None:
    """Measure on both engines and print the figures beside their limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--engine", choices=["postgresql", "sqlite"], action="append")
    given = parser.parse_args(arguments)
    for name in given.engine or ["postgresql", "sqlite"]:
        with a_database(name) as url:
            measure(url, given.sessions)


@contextmanager
def a_database(name: str) -> Iterator[str]:
    """A migrated, empty database on the engine of this name."""
    if name == "postgresql":
        with postgres_server(durable=True, settings={"max_wal_size": "16GB"}) as url:
            migrate(url)
            yield url
    else:
        with tempfile.TemporaryDirectory() as folder:
            url = sqlite_url(Path(folder) / "network.db")
            migrate(url)
            yield url


def measure(url: str, sessions: int) -> None:
    engine = connect(url)
    started = time.perf_counter()
    fill(engine, sessions)
    say(f"rerate, {engine.name}: {sessions:,} sessions written in {time.perf_counter() - started:.0f} s")
    question = Question(preset("waive_completed"))
    runs = []
    for _ in range(3):
        with watched_memory() as samples_mib:
            started, spent_s = time.perf_counter(), cpu_s()
            answer = compare(engine, question)
            runs.append((time.perf_counter() - started, cpu_s() - spent_s, max(samples_mib)))
        check(answer, sessions)
    seconds, spent_s, mib = sorted(runs)[1]
    say(
        f"rerate, {engine.name}: {sessions:,} sessions in {seconds:.1f} s (limit {LIMIT_S} s), "
        f"{sessions / seconds:,.0f} a second, {spent_s:.1f} s of CPU; {mib:,.0f} MiB at most (limit {LIMIT_MIB}; all "
        f"processes, the database server's included); runs: {', '.join(f'{run:.1f} s' for run, _, _ in runs)}"
    )
    engine.dispose()


def say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def check(answer: Comparison, sessions: int) -> None:
    """A figure for a wrong answer would be worth nothing: ask the sums of the numbers again, without the product."""
    old_minor = new_minor = 0
    for n in range(10, sessions + 1, 10):
        complete_s = 325 + n * 7919 % 5000
        old_minor += (complete_s - 300) // 60 * 40
        new_minor += complete_s // 60 * 40
    total = answer.total
    assert (total.sessions, total.old_minor["USD"], total.new_minor) == (sessions, old_minor, new_minor), total


def fill(engine: Engine, sessions: int) -> None:
    with writing(engine) as connection:
        install_presets(connection, BEGINS_AT)
        add_seller(connection, "seller", "Seller", "UTC", BEGINS_AT)
        for number in range(SITES):
            add_site(connection, f"site{number}", "seller", f"Site {number}", "Europe/Berlin", BEGINS_AT)
            assign(connection, f"site{number}", preset("standard"), author="benchmark", reason="first", now=BEGINS_AT)
    numbers, report = NUMBERS[engine.name], a_report()
    for first in range(1, sessions + 1, ROWS_A_TRANSACTION):
        span = {"first": first, "last": min(first + ROWS_A_TRANSACTION - 1, sessions)}
        with writing(engine) as connection:
            if engine.name == "sqlite":  # a larger cache while the rows are written; it goes with the connection
                connection.execute(text("PRAGMA cache_size = -1000000"))
            connection.execute(text(INTO_SESSIONS.replace("NUMBERS", numbers)), span)
            connection.execute(text(INTO_CHARGES.replace("NUMBERS", numbers)), {**span, "report": report})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What a server that has run for a while has done by itself.
        connection.execute(text("VACUUM ANALYZE" if engine.name == "postgresql" else "ANALYZE"))
    engine.dispose()


def a_report() -> str:
    """A fee report as it is kept with a charge: so wide are the rows."""
    car = (Span(0, 10, Car.CONNECTED), Span(10, 1_800, Car.CHARGING), Span(1_800, 2_700, Car.COMPLETE))
    timeline = Timeline(0, 2_700, 2_700, "1", None, car, (), (), (), 1, None)
    report = rate(timeline, preset("standard"), Context(zone=ZoneInfo("UTC")))
    return kept_json(report_to_json(report))


# -- what it took -------------------------------------------------------------------------------------------------


@contextmanager
def watched_memory(every_s: float = 0.25) -> Iterator[list[float]]:
    """MiB of this process and all it has started, sampled while the block runs; shared pages are counted once."""
    samples = [0.0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            samples.append(sum(map(_pss_kib, _family(os.getpid()))) / 1024)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def cpu_s() -> float:
    """What this process, those it waited for and those that still run have computed: busy neighbours do not count."""
    here = os.times()
    return (
        here.user + here.system + here.children_user + here.children_system + sum(map(_cpu_s, _family(os.getpid())[1:]))
    )


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [each for child in task.read_text().split() for each in _family(int(child))]
        except OSError:
            continue
    return found


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    main(sys.argv[1:])
