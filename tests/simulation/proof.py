"""What must hold when the month is over, for every owner, every object at the processor and every currency."""

import json
from collections import Counter, defaultdict
from time import monotonic
from typing import Any

import stripe
from sqlalchemy import Column, Connection, Select, func, select

from billing.invoices.standing import INVOICE
from billing.ledger import owner_balances, trial_balance
from billing.payments import rows
from billing.payments.amounts import from_stripe
from billing.payments.refunds import Code
from billing.reconcile.differences import differences_after
from billing.statements import statements
from billing.store.invoices import invoices
from billing.store.payments import disputes, payments, processor_events, refunds
from billing.store.tables import jobs
from billing.verify import Difference, verify
from tests.simulation.month import Month

MARK, INVOICE_MARK = "idlefee_payment", "idlefee_invoice"


def prove(here: Month, unexplained: set[tuple[str, str]]) -> None:
    """Everything that the issue asks for."""
    with here.app.reading() as connection:
        left = differences_after(connection, most=500)
        assert {(one.code.value, one.subject) for one in left} == unexplained, left
        assert connection.execute(select(jobs.c.key).where(jobs.c.dead.is_(True))).scalars().all() == []
        _books_agree(here, connection)
        _objects_agree(here, connection)
        _paid_once(here, connection)
        _statements_close(here, connection)
    found: list[Difference] = []
    verify(here.app.engine, here.clock.now(), found.append)
    assert found == []


def _books_agree(here: Month, connection: Connection) -> None:
    """Each currency sums to zero, and what the processor holds is what the books say it holds."""
    sums, held = Counter[str](), Counter[str]()
    for row in trial_balance(connection):
        sums[row.currency] += row.balance_minor
        if row.account.value == "processor":
            held[row.currency] += row.balance_minor
    assert not any(sums.values()), sums
    client = stripe.StripeClient(here.sandbox.key, base_addresses={"api": here.sandbox.url})
    balance = client.v1.balance.retrieve()
    there = Counter[str]()
    for one in (*balance.available, *balance.pending):
        there[one["currency"].upper()] += from_stripe(int(one["amount"]), one["currency"].upper())
    assert held == there


def _objects_agree(here: Month, connection: Connection) -> None:
    """Every payment, refund and dispute there is one here at the same amount, and none is here that is not there."""
    by_card = select(payments).where(payments.c.processor_ref.is_not(None))
    known = {row.processor_ref: row.captured_minor for row in connection.execute(by_card)}
    given = {
        row.processor_ref: row.amount_minor
        for row in connection.execute(select(refunds).where(refunds.c.processor_ref.is_not(None)))
    }
    taken = {row.id: row.amount_minor for row in connection.execute(select(disputes))}
    assert known == {one["id"]: _minor(one, "amount_received") for one in _there(here, "payment_intent") if _ours(one)}
    assert given == {one["id"]: _minor(one, "amount") for one in _there(here, "refund")}
    assert taken == {one["id"]: _minor(one, "amount") for one in _there(here, "dispute")}
    assert given, "nothing was given back"
    assert taken, "nothing was disputed"


def _paid_once(here: Month, connection: Connection) -> None:
    """One PaymentIntent took the money of an invoice, one charge of it succeeded, and nobody gave more than was due.
    What somebody gave back at the processor may have been asked for again.
    """
    took = Counter(
        one["metadata"][INVOICE_MARK] for one in _there(here, "payment_intent") if _ours(one) and one["amount_received"]
    )
    again = Counter[str]()
    for (invoice_id,) in connection.execute(_back_elsewhere(payments.c.invoice_id)):
        again[invoice_id] += 1
    assert all(number <= 1 + again[invoice_id] for invoice_id, number in took.items()), took
    charged = Counter(one["payment_intent"] for one in _there(here, "charge") if one["status"] == "succeeded")
    assert set(charged.values()) <= {1}
    paid = (
        select(payments.c.owner_id, payments.c.invoice_id, func.sum(payments.c.captured_minor).label("paid"))
        .where(payments.c.invoice_id.is_not(None), payments.c.state == rows.SUCCEEDED)
        .group_by(payments.c.owner_id, payments.c.invoice_id)
        .subquery()
    )
    due = select(invoices.c.id, invoices.c.due_minor, paid.c.paid).join(
        paid, (paid.c.owner_id == invoices.c.owner_id) & (paid.c.invoice_id == invoices.c.id)
    )
    more = Counter[str]()
    for invoice_id, amount_minor in connection.execute(_back_elsewhere(payments.c.invoice_id, refunds.c.amount_minor)):
        more[invoice_id] += amount_minor
    assert [row for row in connection.execute(due) if row.paid > row.due_minor + more[row.id]] == []


def _back_elsewhere(*columns: Column[Any]) -> Select[Any]:
    """The refunds that were made at the processor, with their payments."""
    theirs = (payments.c.owner_id == refunds.c.owner_id) & (payments.c.id == refunds.c.payment_id)
    return select(*columns).join_from(refunds, payments, theirs).where(refunds.c.reason_code == Code.ELSEWHERE)


def _statements_close(here: Month, connection: Connection) -> None:
    """Each month begins where the one before ended, and the last ends where the ledger stands."""
    for one in here.drivers:
        closing: dict[tuple[str, str], int] = {}
        for paper in reversed(statements(connection, one.id, here.clock.now())):
            side = (paper.seller_id, paper.currency)
            assert paper.opening_minor == closing.get(side, 0), (one.id, paper.month)
            closing[side] = paper.closing_minor
        owed = owner_balances(connection, one.id)
        assert {side: amount for side, amount in closing.items() if amount} == {
            side: amount for side, amount in owed.items() if amount
        }, one.id


def _there(here: Month, kind: str) -> list[dict[str, Any]]:
    with here.sandbox.state.lock:
        return here.sandbox.state.every(kind)


def _ours(intent: dict[str, Any]) -> bool:
    return MARK in intent["metadata"]


def _minor(thing: dict[str, Any], field: str) -> int:
    return from_stripe(thing[field], thing["currency"].upper())


def figures(here: Month) -> str:
    """How much was lived through."""
    with here.app.reading() as connection:
        documents = _by(connection, invoices.c.kind)
        states, means = _by(connection, payments.c.state), _by(connection, payments.c.means)
        given = connection.execute(select(func.count()).select_from(refunds)).scalar_one()
        taken = connection.execute(select(func.count()).select_from(disputes)).scalar_one()
        heard = connection.execute(select(func.count()).select_from(processor_events)).scalar_one()
    asked: dict[str, int] = defaultdict(int)
    for _, status in here.sandbox.desk.log:
        asked["outbound calls"] += 1
        asked["answered with an error"] += status >= 400
    said = {
        "owners": len(here.drivers),
        **here.counted,
        "invoices": documents.get(INVOICE, 0),
        "credit notes": sum(documents.values()) - documents.get(INVOICE, 0),
        "payments": sum(states.values()),
        "payments by state": states,
        "payments by means": means,
        "refunds": given,
        "disputes": taken,
        "events kept": heard,
        **asked,
        "seconds": round(monotonic() - here.began),
    }
    return json.dumps(said, indent=1)


def _by(connection: Connection, column: Column[str]) -> dict[str, int]:
    return {name: int(count) for name, count in connection.execute(select(column, func.count()).group_by(column))}
