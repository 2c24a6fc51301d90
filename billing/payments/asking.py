"""What to ask of the processor next about an invoice, decided under the owner's lock and committed before it is asked.

One invoice has one payment, one payment one PaymentIntent: a try that failed is repeated with the same. No processor is
known here: who asks is `collecting`.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select

from billing.invoices.sides import Side
from billing.invoices.standing import DOCUMENT, Document, document_of, standing
from billing.payments import calls, rows
from billing.payments.amounts import chargeable
from billing.payments.calls import Call
from billing.payments.locks import lock_owner
from billing.payments.methods import Method, customer_of, default_method, wait_for_card
from billing.payments.rows import Payment
from billing.payments.seen import look_at_arrears
from billing.store.invoices import invoices
from billing.store.payments import payments

AUTHOR = "idlefee"


class What(StrEnum):
    """What is asked. The last two are calls with a key, and their values the purposes of those."""

    LOOK = "look"  # whether the call without an answer had its effect
    CHANGE = "change"  # the amount, before the next try
    CANCEL = "cancel"  # nothing is open any more, or it was asked of a customer who is gone
    CREATE = "pay"
    CONFIRM = "pay_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question. `look` is its number among the payment's looks; `payment` as it was written down before."""

    what: What
    payment: Payment
    look: int
    customer_ref: str
    call: Call | None = None
    description: str = ""
    amount_minor: int = 0  # what a change asks for


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice, what is to be collected for it now, and with what."""

    invoice: Document
    asked_minor: int
    method: Method | None
    customer_ref: str | None


def next_ask(connection: Connection, owner_id: str, invoice_id: str, now: int, *, looked: bool) -> Ask | None:
    """The next question; none: there is nothing to ask now. Takes the owner's lock.

    `looked`: the effect of the call without an answer was looked for in this turn, and is not there.
    """
    lock_owner(connection, owner_id)
    bill = bill_of(connection, owner_id, invoice_id)
    payment = None if bill is None else _payment(connection, bill, now)
    if bill is None or payment is None or payment.frozen_because is not None:
        return None
    known = payment.processor_ref is not None
    what = What.CONFIRM if known else What.CREATE
    call = _unanswered(connection, payment)
    if call is not None and not looked:
        return _ask(connection, What.LOOK, payment, bill, call=call)
    if payment.state not in (*rows.MAY_BE_TRIED, rows.SENT):
        return None
    if call is not None and call.remembered(now) and bill.asked_minor:
        return _ask(connection, what, payment, bill, call=call)
    if call is not None and call.remembered(now) and not known:
        return None  # nothing is open any more: whether it was created shows once its key is forgotten
    if not bill.asked_minor and not known:
        _drop(connection, payment, now)
    elif not bill.asked_minor or _asked_of_another(payment, bill):
        return _ask(connection, What.CANCEL, payment, bill)
    elif bill.method is None or bill.customer_ref is None:
        wait_for_card(connection, payment, now)
    elif known and payment.amount_minor != bill.asked_minor:
        return _ask(connection, What.CHANGE, payment, bill, amount_minor=bill.asked_minor)
    else:
        return _try(connection, what, payment, bill, bill.method, now)
    return None


def _asked_of_another(payment: Payment, bill: Bill) -> bool:
    """Whether it was asked of a customer who was deleted there since: another payment takes its place."""
    return bill.customer_ref is not None and payment.customer_ref not in (None, bill.customer_ref)


def _unanswered(connection: Connection, payment: Payment) -> Call | None:
    """The call about this payment of which nobody knows what came; there is one at most."""
    asked = (calls.unanswered(connection, what.value, subject_of(payment)) for what in (What.CREATE, What.CONFIRM))
    return next((call for call in asked if call is not None), None)


def subject_of(payment: Payment) -> str:
    """What a payment's calls are about."""
    return f"{payment.owner_id}/{payment.id}"


def bill_of(connection: Connection, owner_id: str, invoice_id: str) -> Bill | None:
    theirs = (invoices.c.owner_id == owner_id, invoices.c.id == invoice_id)
    row = connection.execute(select(*DOCUMENT).where(*theirs)).mappings().first()
    if row is None:
        return None
    invoice = document_of(row)
    stands = standing(connection, Side(owner_id, invoice.seller_id, invoice.currency))
    return Bill(
        invoice,
        chargeable(stands.asked_minor(invoice), invoice.currency).now_minor,
        default_method(connection, owner_id, invoice.seller_id),
        customer_of(connection, owner_id, invoice.seller_id),
    )


def _payment(connection: Connection, bill: Bill, now: int) -> Payment | None:
    """The invoice's payment, planned if there is none; none if there is nothing to ask for.

    What was paid and is owed again after all (it went back at the processor, a credit was taken back) is another
    payment: one that is over is never asked for again.
    """
    of_invoice = rows.payments_for(connection, bill.invoice.owner_id, bill.invoice.id)
    cards = [one for one in of_invoice if one.means == rows.CARD]
    live = next((one for one in cards if one.state not in rows.OVER or one.frozen_because is not None), None)
    if live is not None:
        return live
    if bill.asked_minor:
        return _plan(connection, bill, len(cards) + 1, now)
    return next((one for one in cards if one.state == rows.SUCCEEDED), None)


def _plan(connection: Connection, bill: Bill, n: int, now: int) -> Payment:
    """Write down that this is going to be asked for: the invoice's `n`th payment."""
    invoice = bill.invoice
    named = "\0".join((invoice.owner_id, invoice.id, str(n)))
    payment_id = "pay_" + hashlib.blake2b(named.encode(), digest_size=12).hexdigest()
    values = {
        "owner_id": invoice.owner_id,
        "id": payment_id,
        "seller_id": invoice.seller_id,
        "currency": invoice.currency,
        "invoice_id": invoice.id,
        "means": rows.CARD,
        "amount_minor": bill.asked_minor,
        "state": rows.PLANNED,
        "author": AUTHOR,
        "created_at": now,
        "changed_at": now,
    }
    connection.execute(insert(payments).values(**values))
    return _again(connection, invoice.owner_id, payment_id)


def _try(connection: Connection, what: What, payment: Payment, bill: Bill, method: Method, now: int) -> Ask:
    """Ask the bank: with the card that is the default now, for what is open now."""
    asked = {"amount": bill.asked_minor, "method": method.id, "customer": bill.customer_ref}
    call = calls.plan(
        connection, purpose=what.value, subject=subject_of(payment), owner_id=payment.owner_id, asked=asked, now=now
    )
    values: dict[str, Any] = {"amount_minor": bill.asked_minor, "method_id": method.id, "state": rows.SENT}
    rows.change(connection, payment, now, **values, next_attempt_at=None)
    return _ask(connection, what, _again(connection, payment.owner_id, payment.id), bill, call=call)


def _ask(
    connection: Connection,
    what: What,
    payment: Payment,
    bill: Bill,
    *,
    call: Call | None = None,
    amount_minor: int = 0,
) -> Ask:
    return Ask(
        what=what,
        payment=payment,
        look=rows.take_look(connection, payment),
        customer_ref=bill.customer_ref or "",
        call=call,
        description=bill.invoice.name,
        amount_minor=amount_minor,
    )


def _drop(connection: Connection, payment: Payment, now: int) -> None:
    """Nothing is open any more, and the processor never heard of it."""
    rows.change(connection, payment, now, state=rows.CANCELLED, failure_code=None, failure_text=None)
    look_at_arrears(connection, payment, now)


def _again(connection: Connection, owner_id: str, payment_id: str) -> Payment:
    payment = rows.payment_of(connection, owner_id, payment_id)
    if payment is None:
        raise LookupError(payment_id)
    return payment
