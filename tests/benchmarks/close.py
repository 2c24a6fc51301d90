"""Closing a month of a network: 100,000 owners and 2 million charges, at most 5 minutes and 1 GiB on PostgreSQL.

The rows are written straight into the tables, by the database's own statements: how they came there is not what is
measured. Every charge is posted with its tax, every twentieth was corrected within the month, every owner has paid, and
the guards of the database are on again while the month is closed. The trigger that keeps closed months closed is
measured alone, too: what it adds to posting a transfer.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

from sqlalchemy import Engine, text

from billing.periods.closing import close, due
from billing.statements import Month
from sessions.database import connect, reading, writing
from sessions.sites import add_seller, add_site
from tests.benchmarks.rerate import a_database, cpu_s, say, watched_memory

OWNERS, CHARGES = 100_000, 2_000_000
SITES = 200
BEGINS_AT = 1_798_761_600  # 2027-01-01 UTC
SECONDS = 31 * 86_400
ROWS_A_TRANSACTION = 500_000
LIMIT_S, LIMIT_MIB = 300, 1024

_NUMBERS = "generate_series(CAST(:first AS bigint), :last) AS g(n)"
_AT = f"{BEGINS_AT} + n % {SECONDS}"
_SESSION = f"'site' || n % {SITES}, md5('s' || n || '/1')"
_LINES = "(VALUES (1, 'receivable', 440), (2, 'revenue', -400), (3, 'tax', -40)) AS l(line, account, amount)"

FILL = (
    f"""INSERT INTO charges (site_id, session_id, owner_id, seller_id, tariff, tariff_version, rules_version, currency,
        computed_minor, allowed_minor, fee_minor, tax_minor, settlements, settled_at, assessed_at, report)
    SELECT 'site' || n % {SITES}, 's' || n, 'owner' || n % {OWNERS}, 'seller', 'standard', 1 + n % 3, 1, 'USD', 440,
        440, 440, 40, 1, {_AT}, {_AT}, '{{}}' FROM {_NUMBERS}""",
    f"""INSERT INTO entries (site_id, transfer_id, line, account, owner_id, seller_id, currency, tax_code, amount_minor)
    SELECT {_SESSION}, line, account, CASE WHEN line = 1 THEN 'owner' || n % {OWNERS} END, 'seller', 'USD',
        CASE WHEN line > 1 THEN 'US' END, amount
    FROM {_NUMBERS}, {_LINES}""",
    f"""INSERT INTO transfers (site_id, id, session_id, n, seller_id, currency, reason, recorded_at)
    SELECT {_SESSION}, 's' || n, 1, 'seller', 'USD', 'ended', {_AT} FROM {_NUMBERS}""",
    f"""INSERT INTO entries (site_id, transfer_id, line, account, owner_id, seller_id, currency, tax_code, amount_minor)
    SELECT 'site' || n % {SITES}, md5('s' || n || '/2'), line, account,
        CASE WHEN line = 1 THEN 'owner' || n % {OWNERS} END, 'seller', 'USD', CASE WHEN line > 1 THEN 'US' END, -amount
    FROM {_NUMBERS}, {_LINES}
    WHERE n % 20 = 0""",
    f"""INSERT INTO transfers (site_id, id, session_id, n, corrects, seller_id, currency, reason, recorded_at)
    SELECT 'site' || n % {SITES}, md5('s' || n || '/2'), 's' || n, 2, md5('s' || n || '/1'), 'seller', 'USD', 'waived',
        {_AT} FROM {_NUMBERS} WHERE n % 20 = 0""",
)
PAID = (
    """INSERT INTO account_entries (party_id, transfer_id, line, account, owner_id, seller_id, currency, amount_minor)
    SELECT 'owner' || n, md5('p' || n), line, account, CASE WHEN line = 1 THEN 'owner' || n END, 'seller', 'USD', amount
    FROM generate_series(0, :owners - 1) AS g(n), (VALUES (1, 'receivable', -500), (2, 'processor', 470),
        (3, 'processor_fees', 30)) AS l(line, account, amount)""",
    f"""INSERT INTO account_transfers (party_id, id, subject, n, seller_id, currency, reason, recorded_at)
    SELECT 'owner' || n, md5('p' || n), 'payment p' || n, 1, 'seller', 'USD', 'paid by card', {BEGINS_AT} + n
    FROM generate_series(0, :owners - 1) AS g(n)""",
)
GUARDED = ("transfers", "entries", "account_transfers", "account_entries")


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print the figures beside their limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=CHARGES)
    given = parser.parse_args(arguments)
    with a_database("postgresql") as url:
        engine = connect(url)
        started = time.perf_counter()
        fill(engine, given.charges)
        say(f"close: {given.charges:,} charges of {OWNERS:,} owners written in {time.perf_counter() - started:.0f} s")
        measure(engine, given.charges)
        the_trigger(engine)
        engine.dispose()


def fill(engine: Engine, charges: int) -> None:
    with writing(engine) as connection:
        add_seller(connection, "seller", "Seller", "UTC", BEGINS_AT)
        for number in range(SITES):
            add_site(connection, f"site{number}", "seller", f"Site {number}", "Europe/Berlin", BEGINS_AT)
    switch(engine, "DISABLE")
    for first in range(1, charges + 1, ROWS_A_TRANSACTION):
        span = {"first": first, "last": min(first + ROWS_A_TRANSACTION - 1, charges)}
        with writing(engine) as connection:
            for statement in FILL:
                connection.execute(text(statement), span)
    with writing(engine) as connection:
        for statement in PAID:
            connection.execute(text(statement), {"owners": OWNERS})
    switch(engine, "ENABLE")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def switch(engine: Engine, how: str) -> None:
    """The guards check each row by itself: hours for these, and not what is measured."""
    with writing(engine) as connection:
        for table in GUARDED:
            connection.execute(text(f"ALTER TABLE {table} {how} TRIGGER ALL"))


def measure(engine: Engine, charges: int) -> None:
    now = BEGINS_AT + SECONDS + 3_600
    with reading(engine) as connection:
        assert due(connection, "seller", now).month == Month(2027, 1)
    steps: list[float] = []
    with watched_memory() as samples_mib:
        started, spent_s = time.perf_counter(), cpu_s()
        close(
            engine,
            "seller",
            author="benchmark",
            reason="measured",
            now=now,
            progress=lambda _done, _total: steps.append(time.perf_counter()),
        )
        seconds, spent_s = time.perf_counter() - started, cpu_s() - spent_s
    with reading(engine) as connection:
        rows, closing = connection.execute(text("SELECT count(*), sum(closing_minor) FROM period_statements")).one()
        owed = connection.execute(
            text("SELECT sum(amount_minor) FROM (SELECT amount_minor FROM entries WHERE account = 'receivable' "
                 "UNION ALL SELECT amount_minor FROM account_entries WHERE account = 'receivable') AS r")
        ).scalar_one()  # fmt: skip
    assert (rows, closing) == (OWNERS, owed), (rows, closing, owed)
    assert owed == (charges - charges // 20) * 440 - OWNERS * 500
    apart = ", ".join(f"{after - before:.1f}" for before, after in zip([started, *steps], steps, strict=False))
    say(
        f"close: {charges:,} charges and {OWNERS:,} owners in {seconds:.1f} s (limit {LIMIT_S} s), {spent_s:.1f} s of "
        f"CPU; {max(samples_mib):,.0f} MiB at most (limit {LIMIT_MIB}; all processes, the database server's included); "
        f"steps: {apart} s"
    )


def the_trigger(engine: Engine, transfers: int = 20_000) -> None:
    """Transfers posted a second with the trigger and without it, five times each in turn."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    at = BEGINS_AT + SECONDS + 7_200
    for run in range(10):
        on = run % 2 == 0
        with engine.connect() as connection, connection.begin() as transaction:
            how = "ENABLE" if on else "DISABLE"
            connection.execute(text(f"ALTER TABLE transfers {how} TRIGGER transfers_open_month"))
            connection.execute(
                text(
                    "INSERT INTO entries (site_id, transfer_id, line, account, seller_id, currency, amount_minor) "
                    "SELECT 'site1', md5('t' || n), l, 'revenue', 'seller', 'USD', 3 - 2 * l "
                    "FROM generate_series(1, :n) AS g(n), generate_series(1, 2) AS h(l)"
                ),
                {"n": transfers},
            )
            started = time.perf_counter()
            connection.execute(
                text(
                    "INSERT INTO transfers (site_id, id, session_id, n, seller_id, currency, reason, recorded_at) "
                    f"SELECT 'site1', md5('t' || n), 't' || n, 1, 'seller', 'USD', 'x', {at} "
                    "FROM generate_series(1, :n) AS g(n)"
                ),
                {"n": transfers},
            )
            taken[on].append(time.perf_counter() - started)
            transaction.rollback()
    on_us, off_us = (statistics.median(taken[on]) / transfers * 1e6 for on in (True, False))
    say(f"close: a transfer takes {on_us:.1f} µs with the trigger of closed months, {off_us:.1f} µs without it")
