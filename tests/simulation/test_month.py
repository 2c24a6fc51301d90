"""A month of failures, refunds and disputes, in which no webhook ever arrives: at its end every book agrees.

Everyday with a few owners; `make soak` with ten thousand.
"""

import os
from pathlib import Path

from sqlalchemy import select

from billing.ledger import owner_balances, trial_balance
from billing.statements import statements
from billing.store.payments import disputes, payments, refunds
from billing.verify import Difference, verify
from tests.simulation.month import DAYS, Month, month

SOAK = os.environ.get("IDLEFEE_TESTS") == "soak"
OWNERS = int(os.environ.get("IDLEFEE_OWNERS", "10000")) if SOAK else 12
LIVED = DAYS if SOAK else 5
SEED = 4


def test_a_month_closes_to_the_cent(tmp_path: Path) -> None:
    with month(f"sqlite:///{tmp_path / 'month.db'}", OWNERS, SEED) as here:
        here.begin()
        for number in range(LIVED):
            here.day(number)
        here.compare()

        assert here.left() == []
        assert_books_agree(here)
        assert_nothing_there_is_unknown_here(here)
        assert_statements_close(here)
        found: list[Difference] = []
        verify(here.app.engine, here.clock.now(), found.append)
        assert found == []


def assert_books_agree(here: Month) -> None:
    with here.app.reading() as connection:
        rows = trial_balance(connection)
        owed = [owner_balances(connection, f"o{number}").get(("acme", "USD"), 0) for number in range(here.owners)]
    books = {row.account.value: row.balance_minor for row in rows}
    assert sum(books.values()) == 0
    assert books["processor"] == here.balance_there_minor()
    assert books["receivable"] == sum(owed)
    assert books.get("suspense", 0) == 0


def assert_statements_close(here: Month) -> None:
    """Each month begins where the one before ended, and the last ends where the ledger stands."""
    with here.app.reading() as connection:
        for number in range(here.owners):
            owed = owner_balances(connection, f"o{number}").get(("acme", "USD"), 0)
            papers = statements(connection, f"o{number}", here.clock.now())
            closing = papers[0].closing_minor if papers else 0
            assert closing == owed, f"o{number}"


def assert_nothing_there_is_unknown_here(here: Month) -> None:
    """Every object of the processor has its row, at the same amount."""
    with here.app.reading() as connection:
        known = {
            row.processor_ref: row.captured_minor
            for row in connection.execute(select(payments).where(payments.c.processor_ref.is_not(None)))
        }
        given = {row.processor_ref: row.amount_minor for row in connection.execute(select(refunds))}
        taken = {row.id: row.amount_minor for row in connection.execute(select(disputes))}
    with here.sandbox.state.lock:
        there = {one["id"]: one["amount_received"] for one in here.sandbox.state.every("payment_intent")}
        back = {one["id"]: one["amount"] for one in here.sandbox.state.every("refund")}
        disputed = {one["id"]: one["amount"] for one in here.sandbox.state.every("dispute")}
    assert known == there
    assert {ref: given.get(ref) for ref in back} == back
    assert taken == disputed
    assert len(there) > here.owners // 3
    assert back
    assert disputed
