"""The finance pages' queries walk indexes, on both databases: `EXPLAIN` says so of every statement they send, with as
many rows as make an index worth while.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from api.pages.queries import books, queues, story, today
from billing.books import Wanted as WantedEntries
from billing.books import transfers_after
from billing.ledger import Account
from billing.listing import Place as SessionPlace
from billing.listing import Wanted as SessionsWanted
from billing.listing import Where, sessions_after
from billing.payments import by_hand
from billing.payments.cases import arrears_after
from billing.reconcile.bank import listing
from billing.sums import charges, entries
from billing.sums.filters import Place, State, Wanted
from billing.sums.making import sum_more
from sessions.database import connect, one_moment, writing
from sessions.store.queries import SessionKey
from tests.benchmarks import pages, rerate

COUNT = 20_000
NOW = rerate.BEGINS_AT + COUNT * rerate.SECONDS_APART + 4 * 3600
LARGE = ("charges", "entries", "transfers", "sessions", "payments", "refunds", "invoice_lines", "account_entries")
KEY = SessionKey("site10", "st10/10")

Ask = Callable[[Connection], object]
ASKED: dict[str, Ask] = {
    "newest": lambda c: charges.rows_after(c, Wanted(), None, 51),
    "later": lambda c: charges.rows_after(c, Wanted(), Place(NOW - 9000, "site3", "x"), 51),
    "oldest": lambda c: charges.rows_after(c, Wanted(), None, 51, oldest_first=True),
    "of a site": lambda c: charges.rows_after(c, Wanted(site_id="site7"), None, 51),
    "of an owner": lambda c: charges.rows_after(c, Wanted(owner_id="owner77"), None, 51),
    "of a state": lambda c: charges.rows_after(c, Wanted(state=State.IN_REVIEW), None, 51),
    "of an amount": lambda c: charges.rows_after(
        c, Wanted(currency="USD", least_minor=2000, first_day="2023-11-14", last_day="2023-11-14"), None, 51
    ),
    "sums of everything": lambda c: charges.totals(c, Wanted()),
    "sums of a site": lambda c: charges.totals(c, Wanted(site_id="site7")),
    "sums of an owner": lambda c: charges.totals(c, Wanted(owner_id="owner77")),
    "trial balance": entries.trial_balance,
    "piles": lambda c: books.piles(c, NOW - 30 * 86_400),
    "not billable": lambda c: sessions_after(c, SessionsWanted(where=Where.NOT_BILLABLE), None, 51),
    "bank": lambda c: (listing.lines_after(c), listing.suspended(c), by_hand.recorded(c, 25)),
    "thirty days": lambda c: entries.moved_by_day(c, [Account.REVENUE], "2023-11-01", "2023-11-30"),
    "cars": lambda c: today.standing_full(c, 200),
    "failing": today.failing,
    "what waits": lambda c: (queues.everything(c, NOW), queues.refunds_that_failed(c, NOW)),
    "to approve": lambda c: (queues.refunds_to_decide(c), queues.credits_to_decide(c), arrears_after(c, None, 50)),
    "all sessions": lambda c: sessions_after(c, SessionsWanted(), None, 51),
    "later sessions": lambda c: sessions_after(c, SessionsWanted(), SessionPlace(NOW - 9000, "site3", "x"), 51),
    "a story": lambda c: (
        transfers_after(c, WantedEntries(site_id=KEY.site_id, session_id=KEY.id), None, 50),
        story.lines_of_session(c, {"owner10"}, KEY),
        story.payments_of_invoices(c, {("owner10", "x")}),
        story.refunds_of(c, {("owner10", "x")}),
    ),
}


@pytest.fixture
def filled(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    pages.fill(engine, COUNT)
    more = True
    while more:
        with writing(engine) as connection:
            more = sum_more(connection, NOW)
    pages.analyse(engine)
    yield engine
    engine.dispose()


def test_every_query_walks_an_index(filled: Engine) -> None:
    sent: list[tuple[str, Any]] = []

    @event.listens_for(filled, "before_cursor_execute")
    def _keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    found = []
    for name, ask in ASKED.items():
        sent.clear()
        with one_moment(filled) as connection:
            ask(connection)
            asked = list(sent)
            found += [
                (name, table, statement) for statement, given in asked for table in walked(connection, statement, given)
            ]
    assert not found


def walked(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """The large tables of which a statement would read every row."""
    sqlite = connection.dialect.name == "sqlite"
    plan = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}", parameters)
    steps = [row[-1] for row in plan]
    scan = r"^SCAN (\w+)(?! USING)" if sqlite else r"Seq Scan on (\w+)"
    names = [match[1] for step in steps if (match := re.search(scan, step))]
    rows = {
        name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names if name in LARGE
    }
    return [name for name, count in rows.items() if count > 1000]
