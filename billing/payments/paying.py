"""Paying while the owner is there: the bank may want them to confirm a payment, which nobody else can do.

The same payment is tried once more, and where the bank wants more the owner is sent to its page and comes back. What
came of it is looked up, as always.
"""

from sqlalchemy import Connection, Engine

from billing.payments import calls, rows
from billing.payments.asking import bill_of, subject_of
from billing.payments.calls import Call
from billing.payments.locks import lock_owner
from billing.payments.looking import look_up_payment
from billing.payments.processor import Processor
from billing.payments.rows import Payment
from billing.payments.seen import converge_payment
from sessions.clock import Clock
from sessions.database import reading, writing
from sessions.sites import Unknown

PAY_HERE = "pay_here"
LOOKED_UP = "looked up"


class NothingToPay(Exception):
    """This payment waits for nobody, or for a card first; the message says which."""


def known_payment(engine: Engine, owner_id: str, payment_id: str) -> Payment:
    """Raises `Unknown`."""
    with reading(engine) as connection:
        payment = rows.payment_of(connection, owner_id, payment_id)
    if payment is None:
        raise Unknown("payment", payment_id)
    return payment


def pay_here(
    engine: Engine, clock: Clock, processor: Processor, owner_id: str, payment_id: str, return_url: str
) -> Payment:
    """Try a payment with its owner there; where it then `needs_owner`, its `action_url` is the bank's page.

    Raises `NothingToPay`, `Unknown` and what the processor does.
    """
    payment = come_back(engine, clock, processor, owner_id, payment_id)
    with writing(engine) as connection:
        lock_owner(connection, owner_id)
        payment = rows.payment_of(connection, owner_id, payment_id) or payment
        asked_minor, method_ref = _asked(connection, payment)
        look = rows.take_look(connection, payment)
    ref = payment.processor_ref or ""
    if asked_minor != payment.amount_minor:
        seen = processor.change_payment(ref, amount_minor=asked_minor, currency=payment.currency)
        with writing(engine) as connection:
            converge_payment(connection, seen, clock.now(), look=look)
    with writing(engine) as connection:
        lock_owner(connection, owner_id)
        call = _plan(connection, payment, method_ref, return_url, clock.now())
        look = rows.take_look(connection, payment)
    seen = processor.confirm_payment(ref, method_ref=method_ref, key=call.key, return_url=return_url)
    with writing(engine) as connection:
        lock_owner(connection, owner_id)
        first = calls.answered(connection, call, seen.ref, clock.now())
        converge_payment(connection, seen, clock.now(), look=look, attempt=first)
    return known_payment(engine, owner_id, payment_id)


def come_back(engine: Engine, clock: Clock, processor: Processor, owner_id: str, payment_id: str) -> Payment:
    """Look up what became of a payment, as its owner comes back from the bank's page. Raises `Unknown`."""
    payment = known_payment(engine, owner_id, payment_id)
    if payment.processor_ref is not None:
        look_up_payment(engine, clock, processor, payment.processor_ref)
    return known_payment(engine, owner_id, payment_id)


def _asked(connection: Connection, payment: Payment) -> tuple[int, str]:
    """What is open now, and with which card it is asked for."""
    if payment.state not in rows.MAY_BE_TRIED:
        raise NothingToPay(f"This payment is {payment.state.replace('_', ' ')}.")
    bill = None if payment.invoice_id is None else bill_of(connection, payment.owner_id, payment.invoice_id)
    if bill is None or not bill.asked_minor:
        raise NothingToPay("Nothing is open of its invoice any more.")
    if bill.method is None or payment.processor_ref is None:
        raise NothingToPay("Add a card first: it is charged at once then.")
    return bill.asked_minor, bill.method.id


def _plan(connection: Connection, payment: Payment, method_ref: str, return_url: str, now: int) -> Call:
    """A new key for each time the owner asks: the payment itself can be paid once only, and was just looked up."""
    about = subject_of(payment)
    if (before := calls.unanswered(connection, PAY_HERE, about)) is not None:
        calls.answered(connection, before, LOOKED_UP, now)
    asked = {"method": method_ref, "return_url": return_url}
    return calls.plan(connection, purpose=PAY_HERE, subject=about, owner_id=payment.owner_id, asked=asked, now=now)
