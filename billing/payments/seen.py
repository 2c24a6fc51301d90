"""A payment's row and its books follow what the processor says of it: the one path, whoever heard of it and however.

Our own call's answer, a webhook, the poller and the nightly comparison all end in `converge_payment`. It lets the row,
the rows of refunds and disputes, and the accounts' book become what was seen, and tells the owner what is news. Said
twice, late or in any order it comes to the same: nothing is added up, everything is compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from billing.invoices.sides import Side
from billing.jobs import Job, schedule
from billing.ledger import converge
from billing.notices.steps import money
from billing.payments import rows
from billing.payments.books import books_of, dispute_state, refund_state, subject_of
from billing.payments.elsewhere import MADE_ELSEWHERE, decide_what_was_credit
from billing.payments.locks import lock_owner
from billing.payments.lost import count_lost
from billing.payments.processor import DisputeSeen, PaymentSeen, RefundSeen, Status
from billing.payments.rooms import recount
from billing.payments.rows import Payment
from billing.store.payments import disputes, payment_attempts, refunds
from sessions.registry import seller

OWNER, PAYMENT, REFUND = "idlefee_owner", "idlefee_payment", "idlefee_refund"  # what metadata call our own names
AUTHENTICATE = "authentication_required"
LOOK_AT_ARREARS = "look_at_arrears"  # the step that sees to what did not come, or came after all (`dunning`)


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of a look: the payment as it stands now, or none where the processor's payment is none of ours."""

    payment: Payment | None
    moved: bool
    why: str


def payment_behind(connection: Connection, seen: PaymentSeen) -> Payment | None:
    """Our row for what was seen: by the processor's name for it, or by ours where its answer never reached us."""
    known = rows.payment_called(connection, seen.ref)
    if known is not None:
        return known
    owner_id, payment_id = seen.metadata.get(OWNER), seen.metadata.get(PAYMENT)
    named = None if owner_id is None or payment_id is None else rows.payment_of(connection, owner_id, payment_id)
    if named is None or named.means != rows.CARD or named.processor_ref is not None or named.state != rows.SENT:
        return None
    return named if (named.amount_minor, named.currency) == (seen.amount_minor, seen.currency) else None


def converge_payment(
    connection: Connection, seen: PaymentSeen, now: int, *, look: int | None = None, attempt: bool = False
) -> Followed:
    """Let everything here become what was seen. Takes the owner's lock.

    `look` is the number that was taken before the processor was asked (`rows.take_look`); an older look than the row
    tells of changes nothing. `attempt`: what was seen is the bank's answer to a try of ours, which is written down.
    """
    found = payment_behind(connection, seen)
    if found is None:
        return Followed(None, False, "not ours, or a second one of one name: left to reconciliation")
    lock_owner(connection, found.owner_id)
    before = rows.payment_of(connection, found.owner_id, found.id)
    if before is None or before.processor_ref not in (None, seen.ref):
        return Followed(None, False, "another one took its place meanwhile")
    overtaken = look is not None and look < before.seen_look
    values: dict[str, Any] = {} if overtaken else _values(before, seen, now)
    if look is not None and not overtaken:
        values["seen_look"] = look
    if attempt:
        values["attempts"] = before.attempts + 1
        _write_attempt(connection, before, seen, now)
    news = {name: value for name, value in values.items() if getattr(before, name) != value}
    if news:
        said = news.keys() - {"seen_look"}
        rows.change(connection, before, now if said else before.changed_at, **news)
    if overtaken:
        return Followed(rows.payment_of(connection, before.owner_id, before.id), False, "a later look was first")
    refunded = _follow_refunds(connection, before, seen, now)
    disputed = _follow_disputes(connection, before, seen, now)
    recount(connection, before.owner_id, before.id)
    reason = _reason(seen, refunded=refunded, disputed=disputed)
    posted = converge(connection, subject_of(before.owner_id, before.id), books_of(before, seen), reason, now)
    after = rows.payment_of(connection, before.owner_id, before.id) or before
    if disputed:
        count_lost(connection, Side(before.owner_id, before.seller_id, before.currency), now)
    if refunded:
        decide_what_was_credit(connection, after, now)
    _tell(connection, before, after, now)
    if attempt or disputed or before.state != after.state:
        look_at_arrears(connection, after, now)
    return Followed(after, bool(news.keys() - {"seen_look"}) or posted or refunded or disputed, reason)


def _reason(seen: PaymentSeen, *, refunded: bool, disputed: bool) -> str:
    """Why the books move, as a charge's story and the ledger tell it."""
    if disputed:
        return f"a dispute: {dispute_state(max(seen.disputes, key=lambda one: one.created_at))}"
    if refunded:
        return f"a refund: {refund_state(max(seen.refunds, key=lambda one: one.created_at))}"
    return "the payment succeeded" if seen.status is Status.SUCCEEDED else f"the processor says {seen.status.value}"


def _values(before: Payment, seen: PaymentSeen, now: int) -> dict[str, Any]:
    """The payment's row as it should be."""
    state = state_of(seen)
    succeeded_at = before.succeeded_at or now if state == rows.SUCCEEDED else before.succeeded_at
    open_dispute = any(dispute_state(one) == "open" for one in seen.disputes)
    return {
        "processor_ref": seen.ref,
        "amount_minor": seen.amount_minor,
        "captured_minor": seen.captured_minor,
        "disputed_minor": sum(one.withdrawn_minor for one in seen.disputes),
        "fee_minor": (seen.fee_minor or 0) + sum(one.fee_minor for one in seen.disputes),
        "state": state,
        "method_id": seen.method_ref or before.method_id,
        "customer_ref": seen.customer_ref or before.customer_ref,
        "failure_code": seen.failure_code,
        "failure_text": seen.failure_text,
        "action_url": seen.action_url,
        "frozen_because": "a dispute is open" if open_dispute else None,
        "succeeded_at": succeeded_at,
    }


def state_of(seen: PaymentSeen) -> str:
    """What a payment's state is called here."""
    match seen.status:
        case Status.SUCCEEDED:
            return rows.SUCCEEDED
        case Status.PROCESSING:
            return rows.PROCESSING
        case Status.CANCELED:
            return rows.CANCELLED
        case Status.REQUIRES_ACTION:
            return rows.NEEDS_OWNER
        case Status.REQUIRES_CONFIRMATION:
            return rows.PLANNED
        case Status.REQUIRES_PAYMENT_METHOD:
            return rows.NEEDS_OWNER if seen.failure_code == AUTHENTICATE else rows.FAILED


def _write_attempt(connection: Connection, before: Payment, seen: PaymentSeen, now: int) -> None:
    connection.execute(
        insert(payment_attempts).values(
            owner_id=before.owner_id,
            payment_id=before.id,
            n=before.attempts + 1,
            at=now,
            outcome=state_of(seen),
            code=seen.failure_code,
            text=seen.failure_text,
        )
    )


# -- what hangs on a payment --------------------------------------------------------------------------------


def _follow_refunds(connection: Connection, payment: Payment, seen: PaymentSeen, now: int) -> bool:
    moved = False
    for one in seen.refunds:
        known = _refund_behind(connection, payment, one)
        state = refund_state(one)
        values = {
            "state": state,
            "processor_ref": one.ref,
            "failure_code": one.failure_code,
            "withdrawn_minor": one.withdrawn_minor,
        }
        if known is None:
            connection.execute(insert(refunds).values(**_refund_made_elsewhere(payment, one, now), **values))
        elif {name: known[name] for name in values} != values:
            theirs = (refunds.c.owner_id == payment.owner_id, refunds.c.id == known["id"])
            connection.execute(update(refunds).where(*theirs).values(**values, changed_at=now))
        else:
            continue
        moved = True
        if state == "succeeded":
            _tell_payment(connection, payment, one.ref, one.amount_minor, "refunded", now)
    return moved


def _refund_behind(connection: Connection, payment: Payment, seen: RefundSeen) -> Mapping[str, Any] | None:
    of_payment = select(refunds).where(refunds.c.owner_id == payment.owner_id, refunds.c.payment_id == payment.id)
    by_ref = connection.execute(of_payment.where(refunds.c.processor_ref == seen.ref)).mappings().first()
    if by_ref is not None:
        return dict(by_ref)
    ours = of_payment.where(refunds.c.id == seen.metadata.get(REFUND, ""), refunds.c.processor_ref.is_(None))
    row = connection.execute(ours).mappings().first()
    return None if row is None else dict(row)


def _refund_made_elsewhere(payment: Payment, seen: RefundSeen, now: int) -> dict[str, Any]:
    return {
        "owner_id": payment.owner_id,
        "id": seen.ref,
        "payment_id": payment.id,
        "seller_id": payment.seller_id,
        "currency": payment.currency,
        "amount_minor": seen.amount_minor,
        "reason_code": MADE_ELSEWHERE,
        "reason": "made at the processor, not here",
        "asked_by": "processor",
        "asked_at": seen.created_at,
        "changed_at": now,
    }


def _follow_disputes(connection: Connection, payment: Payment, seen: PaymentSeen, now: int) -> bool:
    moved = False
    for one in seen.disputes:
        theirs = (disputes.c.owner_id == payment.owner_id, disputes.c.id == one.ref)
        row = connection.execute(select(disputes).where(*theirs)).mappings().first()
        state = dispute_state(one)
        values = {
            "amount_minor": one.amount_minor,
            "fee_minor": one.fee_minor,
            "reason": one.reason,
            "state": state,
            "evidence_due_at": one.evidence_due_at,
        }
        if row is not None and {name: row[name] for name in values} == values:
            continue
        moved = True
        closed_at = None if state == "open" else now if row is None else row["closed_at"] or now
        if row is None:
            connection.execute(
                insert(disputes).values(**_dispute_opened(payment, one), **values, closed_at=closed_at, changed_at=now)
            )
        else:
            connection.execute(update(disputes).where(*theirs).values(**values, closed_at=closed_at, changed_at=now))
        if row is None or row["state"] != state:
            _tell_dispute(connection, payment, one, state, now)
    return moved


def _dispute_opened(payment: Payment, seen: DisputeSeen) -> dict[str, Any]:
    return {
        "owner_id": payment.owner_id,
        "id": seen.ref,
        "payment_id": payment.id,
        "seller_id": payment.seller_id,
        "currency": payment.currency,
        "opened_at": seen.created_at,
    }


# -- who is told --------------------------------------------------------------------------------------------


def _tell(connection: Connection, before: Payment, after: Payment, now: int) -> None:
    """That a payment arrived. That it did not is told by who knows what follows (`dunning`)."""
    if before.state != after.state and after.state == rows.SUCCEEDED:
        _tell_payment(connection, after, after.id, after.captured_minor, "succeeded", now)


def _tell_payment(
    connection: Connection, payment: Payment, id_: str, amount_minor: int, outcome: Any, now: int
) -> None:
    its = seller(connection, payment.seller_id)
    told = money.Payment(id_, payment.owner_id, its.name, its.zone, amount_minor, payment.currency, outcome)
    money.tell_payment(connection, told, now)


def _tell_dispute(connection: Connection, payment: Payment, dispute: DisputeSeen, state: str, now: int) -> None:
    its = seller(connection, payment.seller_id)
    outcome: Any = "opened" if state == "open" else state
    told = money.Dispute(
        dispute.ref, payment.owner_id, its.name, its.zone, dispute.amount_minor, payment.currency, outcome
    )
    money.tell_dispute(connection, told, now)


def look_at_arrears(connection: Connection, payment: Payment, now: int) -> None:
    """Let what follows from a payment's outcome follow."""
    body = {"owner_id": payment.owner_id, "payment_id": payment.id}
    key = f"{LOOK_AT_ARREARS}:{payment.owner_id}:{payment.id}"
    schedule(connection, [Job(key, LOOK_AT_ARREARS, now, body)], now)
