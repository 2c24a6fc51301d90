"""Sending a refund: one call that the processor must carry out exactly once, wherever this is interrupted.

The refund's row and the key of its call are committed before the call. Whether a refund that may have been sent was
carried out is looked up at the processor before it is sent again, and what is seen there is what the books follow.
"""

from sqlalchemy import Connection, update

from billing.jobs import Hopeless, Job, Lease
from billing.payments import calls, rows
from billing.payments.calls import Call
from billing.payments.locks import lock_owner
from billing.payments.patience import patient
from billing.payments.processor import Processor, Refused
from billing.payments.refunds import Refund, known_refund, named
from billing.payments.rooms import APPROVED, FAILED, PENDING, SENT, recount
from billing.payments.rows import Payment
from billing.payments.seen import OWNER, PAYMENT, REFUND, converge_payment
from billing.store.payments import refunds
from sessions.database import writing

PURPOSE = "refund"  # of its calls

# What the processor will never send back: a person decides what else. Anything else it refuses is a fault of ours.
IMPOSSIBLE = frozenset(
    {
        *("charge_already_refunded", "charge_disputed", "refund_disputed_payment", "charge_not_refundable"),
        *("amount_too_large", "amount_too_small", "charge_exceeds_source_limit", "resource_missing"),
    }
)


class Refunding:
    """The step. Without a processor nothing can be sent: it is parked until there is one."""

    def __init__(self, processor: Processor | None) -> None:
        self._processor = processor

    def send(self, lease: Lease) -> None:
        """Send one approved refund, unless it was; the books follow what the processor says afterwards."""
        (job,) = lease.jobs
        owner_id, refund_id = job.body["owner_id"], job.body["refund_id"]
        if self._processor is None:
            raise Hopeless("no card processor is set up: set IDLEFEE_STRIPE_KEY, then revive this step")
        with writing(lease.engine) as connection:
            lock_owner(connection, owner_id)
            refund, payment = _both(connection, owner_id, refund_id)
        with patient(lease):
            if refund.state == SENT:
                refund = self._follow(lease, payment, refund_id)
            if refund.state in (APPROVED, SENT):
                self._call(lease, refund_id, payment)
            self._end(lease, job, payment)

    def _call(self, lease: Lease, refund_id: str, payment: Payment) -> None:
        assert self._processor is not None and payment.processor_ref is not None  # noqa: S101, PT018 - checked by `ask`
        with writing(lease.engine) as connection:
            lock_owner(connection, payment.owner_id)
            refund = known_refund(connection, payment.owner_id, refund_id)
            if refund.state not in (APPROVED, SENT):
                return
            call = _plan(connection, refund, lease.clock.now())
        metadata = {OWNER: refund.owner_id, PAYMENT: refund.payment_id, REFUND: refund.id}
        try:
            made = self._processor.create_refund(
                payment.processor_ref,
                amount_minor=refund.amount_minor,
                currency=refund.currency,
                metadata=metadata,
                key=call.key,
            )
        except Refused as no:
            if no.code not in IMPOSSIBLE:
                raise Hopeless(f"refund {refund.id}: {no} ({no.code})") from no
            self._write(lease, refund, call, no.code, state=FAILED, failure_code=no.code)
            return
        self._write(lease, refund, call, made.ref, state=PENDING, processor_ref=made.ref)

    def _write(self, lease: Lease, refund: Refund, call: Call, answer: str, **values: str) -> None:
        """What came of the call, and the refund's row with it: a refund whose name is known is never sent again."""
        with writing(lease.engine) as connection:
            now = lease.clock.now()
            lock_owner(connection, refund.owner_id)
            calls.answered(connection, call, answer, now)
            still = (*named(refund.owner_id, refund.id), refunds.c.state.in_((APPROVED, SENT)))
            connection.execute(update(refunds).where(*still).values(**values, changed_at=now))
            recount(connection, refund.owner_id, refund.payment_id)

    def _follow(self, lease: Lease, payment: Payment, refund_id: str) -> Refund:
        """It may have been sent: look, and let what is there be known here."""
        assert self._processor is not None and payment.processor_ref is not None  # noqa: S101, PT018 - checked by `ask`
        with writing(lease.engine) as connection:
            number = rows.take_look(connection, payment)
        seen = self._processor.payment(payment.processor_ref)
        with writing(lease.engine) as connection:
            now = lease.clock.now()
            converge_payment(connection, seen, now, look=number)
            refund = known_refund(connection, payment.owner_id, refund_id)
            call = calls.unanswered(connection, PURPOSE, refund_id)
            if call is not None and refund.processor_ref is not None:
                calls.answered(connection, call, refund.processor_ref, now)
        return refund

    def _end(self, lease: Lease, job: Job, payment: Payment) -> None:
        """Look at what came of it, let rows and books follow, and end the step in the same transaction."""
        assert self._processor is not None and payment.processor_ref is not None  # noqa: S101, PT018 - checked by `ask`
        with writing(lease.engine) as connection:
            number = rows.take_look(connection, payment)
        seen = self._processor.payment(payment.processor_ref)
        with lease.transaction(lambda connection: lock_owner(connection, payment.owner_id)) as turn:
            if job in turn.jobs:
                converge_payment(turn.connection, seen, turn.now, look=number)


def _plan(connection: Connection, refund: Refund, now: int) -> Call:
    """The key, committed with the row that says the refund may have been sent from now on."""
    asked = {"payment": refund.payment_id, "amount_minor": refund.amount_minor, "currency": refund.currency}
    call = calls.plan(connection, purpose=PURPOSE, subject=refund.id, owner_id=refund.owner_id, asked=asked, now=now)
    here = named(refund.owner_id, refund.id)
    connection.execute(update(refunds).where(*here).values(state=SENT, changed_at=now))
    return call


def _both(connection: Connection, owner_id: str, refund_id: str) -> tuple[Refund, Payment]:
    refund = known_refund(connection, owner_id, refund_id)
    payment = rows.payment_of(connection, owner_id, refund.payment_id)
    if payment is None or payment.processor_ref is None:
        raise Hopeless(f"refund {refund_id}: its payment is not the processor's")
    return refund, payment
