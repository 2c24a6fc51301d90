"""The finance pages' queries at ten million charges: each at most 50 ms at its 99th percentile, on PostgreSQL.

Sessions and charges are those of `rerate`'s network; transfers and entries of every fee are written beside them, and
payments of every owner and month. The sums of days are made by the product's own step, which is timed as well. Then
each query of a page is asked again and again for other sellers' days, sites and owners, while the tail that is not
summed yet is as long as two minutes of such a network make it.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

from api.pages.finance.filters import choices
from api.pages.queries import story, today
from billing.books import Wanted as WantedEntries
from billing.books import transfers_after
from billing.ledger import Account
from billing.sums import charges, entries
from billing.sums.days import day_of, days_before
from billing.sums.filters import Place, State, Wanted
from billing.sums.making import sum_more
from sessions.database import connect, one_moment, writing
from sessions.store.queries import SessionKey
from tests.benchmarks import rerate
from tests.benchmarks.rerate import BEGINS_AT, DRAWN, NUMBERS, SECONDS_APART, SITES, a_database, say

CHARGES = 10_000_000
ASKED = 60  # times each query is asked
LIMIT_S = 0.05

TRANSFER = "'transfer of session ' || n"
FEES = f"""
    SELECT *, (complete_s - 300) / 60 * 40 AS fee, {TRANSFER} AS transfer, full_at + complete_s AS then_at
    FROM ({DRAWN}) AS d WHERE complete_s >= 360
"""
INTO_ENTRIES = f"""
    INSERT INTO entries (site_id, transfer_id, line, account, owner_id, seller_id, currency, amount_minor)
    SELECT site_id, transfer, 1, 'receivable', 'owner' || (n % 100000), 'seller', 'USD', fee FROM ({FEES}) AS f
    UNION ALL SELECT site_id, transfer, 2, 'revenue', NULL, 'seller', 'USD', -fee FROM ({FEES}) AS f
"""
INTO_TRANSFERS = f"""
    INSERT INTO transfers (site_id, id, session_id, n, seller_id, currency, reason, recorded_at)
    SELECT site_id, transfer, station_id || '/' || n, 1, 'seller', 'USD', 'station events', then_at FROM ({FEES}) AS f
"""


def main(arguments: Sequence[str] = ()) -> None:
    """Fill, sum, ask; print p50 and p99 of each query beside the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charges", type=int, default=CHARGES)
    parser.add_argument("--engine", choices=["postgresql", "sqlite"], default="postgresql")
    given = parser.parse_args(arguments)
    with a_database(given.engine) as url:
        engine = connect(url)
        started = time.perf_counter()
        fill(engine, given.charges)
        say(f"pages, {engine.name}: {given.charges:,} charges written in {time.perf_counter() - started:.0f} s")
        now = BEGINS_AT + given.charges * SECONDS_APART + 2 * 3600
        started, turns = time.perf_counter(), 0
        more = True
        while more:
            with writing(engine) as connection:
                more = sum_more(connection, now)
            turns += 1
        say(f"pages, {engine.name}: summed by day in {time.perf_counter() - started:.0f} s, {turns} turns")
        analyse(engine)
        for name, ask in queries(given.charges, now).items():
            measure(engine, name, ask)
        engine.dispose()


def fill(engine: Engine, count: int) -> None:
    rerate.fill(engine, count)
    for first in range(1, count + 1, rerate.ROWS_A_TRANSACTION):
        span = {"first": first, "last": min(first + rerate.ROWS_A_TRANSACTION - 1, count)}
        with writing(engine) as connection:
            if engine.name == "postgresql":  # the guards are not what is measured
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in (INTO_ENTRIES, INTO_TRANSFERS):
                connection.execute(text(statement.replace("NUMBERS", NUMBERS[engine.name])), span)


def analyse(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if engine.name == "postgresql" else "ANALYZE"))


Ask = Callable[[Connection, random.Random], object]


def queries(count: int, now: int) -> dict[str, Ask]:
    """By name, what each page asks."""
    last = day_of(now, ZoneInfo("UTC"))
    span_days = max(1, count * SECONDS_APART // 86_400)

    def some_days(drawn: random.Random, most: int) -> dict[str, Any]:
        end = days_before(last, drawn.randrange(span_days))
        return {"first_day": days_before(end, drawn.randrange(most)), "last_day": end}

    def some_site(drawn: random.Random) -> str:
        return f"site{drawn.randrange(SITES)}"

    def place(drawn: random.Random) -> Place:
        return Place(BEGINS_AT + drawn.randrange(count * SECONDS_APART), some_site(drawn), "st1/1")

    def rows(connection: Connection, wanted: Wanted, after: Place | None = None) -> object:
        return charges.rows_after(connection, wanted, after, 51)

    def posted_days(connection: Connection, _: random.Random) -> object:
        accounts = (Account.REVENUE, Account.TAX, Account.PROCESSOR)
        return entries.moved_by_day(connection, accounts, days_before(last, 30), last)

    def one_story(connection: Connection, drawn: random.Random) -> object:
        n = drawn.randrange(1, count) // 10 * 10 or 10
        key = SessionKey(f"site{n % SITES}", f"st{n % rerate.STATIONS}/{n}")
        found = transfers_after(connection, WantedEntries(site_id=key.site_id, session_id=key.id), None, 50)
        return found, story.lines_of_session(connection, {f"owner{n % 100_000}"}, key)

    return {
        "today: trial balance": lambda connection, _: entries.trial_balance(connection),
        "today: 30 days": posted_days,
        "today: cars, failing": lambda connection, _: (today.standing_full(connection, 200), today.failing(connection)),
        "choices of the filter": lambda connection, _: choices(connection),
        "charges: newest": lambda connection, _: rows(connection, Wanted()),
        "charges: a later page": lambda connection, drawn: rows(connection, Wanted(), place(drawn)),
        "charges: of a site": lambda connection, drawn: rows(connection, Wanted(site_id=some_site(drawn))),
        "charges: a site's later page": lambda connection, drawn: rows(
            connection, Wanted(site_id=some_site(drawn)), place(drawn)
        ),
        "charges: of an owner": lambda connection, drawn: rows(
            connection, Wanted(owner_id=f"owner{drawn.randrange(100_000)}")
        ),
        "charges: posted, of some days": lambda connection, drawn: rows(
            connection, Wanted(state=State.POSTED, **some_days(drawn, 60))
        ),
        "charges: in review (none)": lambda connection, _: rows(connection, Wanted(state=State.IN_REVIEW)),
        "charges: of an amount": lambda connection, drawn: rows(
            connection,
            Wanted(currency="USD", least_minor=drawn.randrange(40, 3000), **a_month(drawn, last, span_days)),
        ),
        "sums: everything": lambda connection, _: charges.totals(connection, Wanted()),
        "sums: a site": lambda connection, drawn: charges.totals(connection, Wanted(site_id=some_site(drawn))),
        "sums: an owner": lambda connection, drawn: charges.totals(
            connection, Wanted(owner_id=f"owner{drawn.randrange(100_000)}")
        ),
        "sums: posted, of some days": lambda connection, drawn: charges.totals(
            connection, Wanted(state=State.POSTED, **some_days(drawn, 365))
        ),
        "sums: an amount within a month": lambda connection, drawn: charges.totals(
            connection,
            Wanted(currency="USD", least_minor=drawn.randrange(40, 3000), **a_month(drawn, last, span_days)),
        ),
        "story: entries and invoices": one_story,
    }


def a_month(drawn: random.Random, last: str, span_days: int) -> dict[str, Any]:
    end = days_before(last, drawn.randrange(span_days))
    return {"first_day": days_before(end, 30), "last_day": end}


def measure(engine: Engine, name: str, ask: Ask) -> None:
    drawn, took = random.Random(1), []
    for _ in range(ASKED):
        with one_moment(engine) as connection:
            started = time.perf_counter()
            ask(connection, drawn)
            took.append(time.perf_counter() - started)
    took.sort()
    p50, p99 = took[len(took) // 2], took[-1]
    late = "" if p99 <= LIMIT_S else f"  over {LIMIT_S * 1000:.0f} ms"
    say(f"pages, {engine.name}: {name:32} p50 {p50 * 1000:6.1f} ms, p99 {p99 * 1000:6.1f} ms{late}")


if __name__ == "__main__":
    main(sys.argv[1:])
