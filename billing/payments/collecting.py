"""Collecting an invoice: the step that asks the processor and writes down what came of it.

It does the one next thing (`asking`) until there is none, may be killed anywhere and run again: the payment's row and
the key of a call are committed before the call, and a call of which nobody knows what came is looked for before it is
repeated. When to try again is `dunning`'s; what an answer means is `seen`'s.
"""

from collections.abc import Callable

from sqlalchemy import Connection, insert, select

from billing.invoices.sides import Side
from billing.invoices.standing import standing
from billing.jobs import Hopeless, Job, Lease, schedule
from billing.payments import calls, rows
from billing.payments.asking import Ask, What, next_ask
from billing.payments.locks import lock_owner
from billing.payments.methods import forget_customer
from billing.payments.patience import patient
from billing.payments.processor import PaymentSeen, Processor, Refused, Status
from billing.payments.rows import Payment
from billing.payments.seen import OWNER, PAYMENT, converge_payment, look_at_arrears
from billing.store.payments import payment_attempts, payments
from sessions.database import writing

COLLECT = "collect"
INVOICE = "idlefee_invoice"
MOST_QUESTIONS = 5  # of one turn: look, change, ask
CLOCKS_DIFFER_S = 3600
UNTRIED = (Status.REQUIRES_PAYMENT_METHOD, Status.REQUIRES_CONFIRMATION)
MOVED_MEANWHILE = "payment_intent_unexpected_state"
# What is refused for the sake of this card or amount fails as if declined; anything else is a fault of ours.
MISSING = "resource_missing"
AS_IF_DECLINED = frozenset({MISSING, "amount_too_small", "amount_too_large"})


def collect_job(owner_id: str, invoice_id: str, due_at: int) -> Job:
    """The step that asks for an invoice's money; it waits once, however many ask for it."""
    body = {"owner_id": owner_id, "invoice_id": invoice_id}
    return Job(f"{COLLECT}:{owner_id}:{invoice_id}", COLLECT, due_at, body)


def collect_what_stands_again(connection: Connection, side: Side, now: int) -> None:
    """A payment or a credit was taken back: whatever is owed again is asked for again. What a payment by card is under
    way for follows its own course.
    """
    stands = standing(connection, side)
    under_way = select(payments.c.invoice_id).where(
        payments.c.owner_id == side.owner_id, payments.c.means == rows.CARD, payments.c.state.not_in(rows.OVER)
    )
    asked_for = set(connection.execute(under_way).scalars())
    open_ = [one.id for one in stands.documents if stands.asked_minor(one) and one.id not in asked_for]
    schedule(connection, [collect_job(side.owner_id, invoice_id, now) for invoice_id in open_], now)


def collect_again(connection: Connection, payment: Payment, now: int) -> None:
    """Try a payment that did not come once more, with the card that is the default then."""
    if payment.invoice_id is not None:
        schedule(connection, [collect_job(payment.owner_id, payment.invoice_id, now)], now)


class Collecting:
    """The step. Without a processor invoices stay open until they are paid by hand or bank."""

    def __init__(self, processor: Processor | None) -> None:
        self._processor = processor

    def collect(self, lease: Lease) -> None:
        """Ask for one invoice's money. Raises `Hopeless` for what a person has to look at."""
        (job,) = lease.jobs
        with patient(lease):
            self._collect(lease, job.body["owner_id"], job.body["invoice_id"])

    def _collect(self, lease: Lease, owner_id: str, invoice_id: str) -> None:
        looked = False
        for _ in range(MOST_QUESTIONS if self._processor is not None else 0):
            with writing(lease.engine) as connection:
                ask = next_ask(connection, owner_id, invoice_id, lease.clock.now(), looked=looked)
            if ask is None:
                break
            try:
                seen = self._answer(ask)
            except Refused as refused:
                if self._customer_is_gone(ask, refused):
                    _wait_for_customer(lease, ask)
                else:
                    _refused(lease, ask, refused)
                return
            looked = looked or ask.what is What.LOOK
            if seen is None:
                continue
            if ask.what in (What.CHANGE, What.CANCEL):
                with writing(lease.engine) as connection:
                    converge_payment(connection, seen, lease.clock.now(), look=ask.look)
                continue
            _record(lease, ask, seen)
            return
        with lease.transaction():
            pass  # there is nothing to ask: the step ends

    def _customer_is_gone(self, ask: Ask, refused: Refused) -> bool:
        """Whether it was refused because somebody deleted the customer on the processor's own pages."""
        if self._processor is None or refused.code != MISSING or not ask.customer_ref or ask.what is What.LOOK:
            return False
        return not self._processor.has_customer(ask.customer_ref)

    def _answer(self, ask: Ask) -> PaymentSeen | None:
        """What the processor says; none: the call that was looked for had no effect."""
        processor, ref = self._processor, ask.payment.processor_ref
        if processor is None:
            raise TypeError("nobody is asked without a processor")
        try:
            return _asked(processor, ask)
        except Refused as refused:
            if ref is None or refused.code != MOVED_MEANWHILE:
                raise
            return processor.payment(ref)  # the owner was faster, or the bank


def _asked(processor: Processor, ask: Ask) -> PaymentSeen | None:
    payment = ask.payment
    ref = payment.processor_ref or ""
    match ask.what:
        case What.LOOK:
            return _effect(processor, ask)
        case What.CHANGE:
            return processor.change_payment(ref, amount_minor=ask.amount_minor, currency=payment.currency)
        case What.CANCEL:
            return processor.cancel_payment(ref, key=f"cancel-{payment.id}")
        case What.CREATE:
            return processor.create_payment(
                customer_ref=ask.customer_ref,
                method_ref=payment.method_id or "",
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                description=ask.description,
                metadata={
                    OWNER: payment.owner_id,
                    PAYMENT: payment.id,
                    INVOICE: payment.invoice_id or "",
                },
                key=_key(ask),
            )
        case What.CONFIRM:
            return processor.confirm_payment(ref, method_ref=payment.method_id, key=_key(ask))


def _key(ask: Ask) -> str:
    if ask.call is None:
        raise TypeError(f"{ask.what} is asked with a key")
    return ask.call.key


def _effect(processor: Processor, ask: Ask) -> PaymentSeen | None:
    """What came of a call without an answer, as far as it shows. A try that failed again shows by its key alone."""
    payment, call = ask.payment, ask.call
    if payment.processor_ref is not None:
        seen = processor.payment(payment.processor_ref)
        created = call is not None and call.purpose == What.CREATE
        return seen if created or seen.status not in UNTRIED else None
    since = (payment.created_at if call is None else call.sent_at) - CLOCKS_DIFFER_S
    for one in processor.payments_of(ask.customer_ref, since):
        if (one.metadata.get(OWNER), one.metadata.get(PAYMENT)) == (payment.owner_id, payment.id):
            return one
    return None


# -- what came of it ----------------------------------------------------------------------------------------


def _record(lease: Lease, ask: Ask, seen: PaymentSeen) -> None:
    """The answer, its consequences and the end of the step commit together."""
    with lease.transaction(_owners_lock(ask)) as turn:
        first = ask.call is not None and calls.answered(turn.connection, ask.call, seen.ref, turn.now)
        converge_payment(turn.connection, seen, turn.now, look=ask.look, attempt=first)


def _refused(lease: Lease, ask: Ask, refused: Refused) -> None:
    """A try that is refused fails; a look that is refused says nothing about the call it was to look for."""
    if refused.code not in AS_IF_DECLINED or ask.call is None or ask.what is What.LOOK:
        raise Hopeless(f"{ask.what} of {ask.payment.id}: {refused} ({refused.code})") from refused
    with lease.transaction(_owners_lock(ask)) as turn:
        payment = rows.payment_of(turn.connection, ask.payment.owner_id, ask.payment.id)
        if payment is None or not calls.answered(turn.connection, ask.call, refused.code or "refused", turn.now):
            return
        failed = {"failure_code": refused.code, "failure_text": str(refused)}
        rows.change(turn.connection, payment, turn.now, state=rows.FAILED, attempts=payment.attempts + 1, **failed)
        turn.connection.execute(
            insert(payment_attempts).values(
                owner_id=payment.owner_id,
                payment_id=payment.id,
                n=payment.attempts + 1,
                at=turn.now,
                outcome=rows.FAILED,
                code=refused.code,
                text=str(refused),
            )
        )
        look_at_arrears(turn.connection, payment, turn.now)


def _wait_for_customer(lease: Lease, ask: Ask) -> None:
    """Nothing was charged: the customer is forgotten here too, and what is open waits for a card."""
    with lease.transaction(_owners_lock(ask)) as turn:
        payment = rows.payment_of(turn.connection, ask.payment.owner_id, ask.payment.id)
        if (
            ask.call is not None
            and calls.answered(turn.connection, ask.call, MISSING, turn.now)
            and payment is not None
        ):
            rows.change(turn.connection, payment, turn.now, state=rows.FAILED, failure_code=MISSING)
        forget_customer(turn.connection, ask.customer_ref, turn.now)


def _owners_lock(ask: Ask) -> Callable[[Connection], None]:
    return lambda connection: lock_owner(connection, ask.payment.owner_id)
