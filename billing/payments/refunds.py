"""Refunds: what an owner gets back, to what they paid with. Asked for with a code and a reason, sent at once within a
limit, or once a second person has agreed; the step that sends it is `refunding`.

A refund returns an owner's credit: what was paid and is owed no longer. Who is to get back more is given a credit
first; the code `goodwill` does both. How much may go is `rooms`' business, and checked under the owner's lock.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from billing.decisions import AmountTooSmall, ReasonMissing
from billing.invoices.policy import policy_of
from billing.invoices.sides import Side
from billing.jobs import Job, schedule
from billing.payments import people, rows
from billing.payments.amounts import step_minor
from billing.payments.collecting import collect_what_stands_again
from billing.payments.credits import AlreadyDecided, Wanted
from billing.payments.credits import Code as CreditCode
from billing.payments.credits import ask as ask_for_credit
from billing.payments.elsewhere import MADE_ELSEWHERE, owed_again_minor
from billing.payments.locks import lock_owner
from billing.payments.lost import correction_pending
from billing.payments.people import Deed, Person
from billing.payments.rooms import (
    APPROVED,
    ASKED,
    FAILED,
    REFUSED,
    State,
    TooMuch,
    credit_of,
    recount,
    room_of,
)
from billing.store.payments import payments, refunds
from sessions.facts import KeyReused
from sessions.sites import Unknown

SEND = "refund"  # the step


class Code(StrEnum):
    """Why money goes back."""

    FEE_FELL = "fee_fell"
    PAID_TWICE = "paid_twice"
    OWNER_ASKED = "owner_asked"
    GOODWILL = "goodwill"
    CREDIT_LEFT = "credit_left"  # nothing used it up for as long as the policy lets it stay
    ELSEWHERE = MADE_ELSEWHERE  # made at the processor itself, and heard of


ASKABLE = frozenset({Code.FEE_FELL, Code.PAID_TWICE, Code.OWNER_ASKED, Code.GOODWILL})


class NotRefundable(Exception):
    """The payment brought no money that the processor could send back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund as `refunds` keeps it. Amounts in minor units, times in UTC seconds."""

    owner_id: str
    id: str
    payment_id: str
    seller_id: str
    currency: str
    amount_minor: int
    withdrawn_minor: int  # of the seller's balance for it, which is what the books hold of it
    reason_code: str
    reason: str
    state: State
    asked_by: str
    asked_at: int
    decided_by: str | None
    decided_at: int | None
    decided_because: str | None
    processor_ref: str | None
    failure_code: str | None
    changed_at: int


def ask(
    connection: Connection,
    owner_id: str,
    payment_id: str,
    amount_minor: int,
    *,
    code: Code,
    reason: str,
    by: Person,
    now: int,
    key: str | None = None,
) -> tuple[Refund, bool]:
    """Ask for a refund; it is on its way at once where `by` decides alone.

    Answers it, and whether the same was asked under the same `key` before. Raises `TooMuch`, `NotRefundable`,
    `NotAllowed`, `AmountTooSmall`, `ReasonMissing`, `Unknown`, `KeyReused`.
    """
    if not reason.strip() or "\0" in reason or (code not in ASKABLE and by is not people.ENGINE):
        raise ReasonMissing(f"say why, with one of {', '.join(sorted(ASKABLE))}: the reason is shown to the owner")
    lock_owner(connection, owner_id)
    id_ = _id(connection, owner_id, payment_id, key)
    if (before := refund_of(connection, owner_id, id_)) is not None:
        if (before.payment_id, before.amount_minor, before.reason_code) != (payment_id, amount_minor, code):
            raise KeyReused(str(key))
        return before, True
    payment = _payment(connection, owner_id, payment_id)
    currency, seller_id = payment["currency"], payment["seller_id"]
    _check(connection, payment, amount_minor, code, now)
    lately = people.given_lately(connection, owner_id, currency, Deed.REFUND, by, now)
    at_once = people.alone(policy_of(connection, seller_id), by, Deed.REFUND, amount_minor, lately)
    values = {
        "owner_id": owner_id,
        "id": id_,
        "payment_id": payment_id,
        "seller_id": seller_id,
        "currency": currency,
        "amount_minor": amount_minor,
        "reason_code": code.value,
        "reason": reason.strip(),
        "state": ASKED,
        "asked_by": by.author,
        "asked_at": now,
        "changed_at": now,
    }
    connection.execute(insert(refunds).values(**values))
    recount(connection, owner_id, payment_id)
    if at_once:
        return _approved(connection, owner_id, id_, by.author, None, now), False
    return known_refund(connection, owner_id, id_), False


def approve(connection: Connection, owner_id: str, id_: str, by: Person, reason: str, now: int) -> Refund:
    """Let it go; one that was made at the processor was meant: the owner is given a credit of what they owe again.

    Raises `NotAllowed` unless `by` is a second person of finance, `AlreadyDecided`, `TooMuch` where a dispute or a fee
    took the room meanwhile, `Unknown`.
    """
    lock_owner(connection, owner_id)
    refund = _open(connection, owner_id, id_)
    policy = policy_of(connection, refund.seller_id)
    people.check_second(policy, by, Deed.REFUND, refund.amount_minor, refund.asked_by)
    if refund.reason_code == Code.ELSEWHERE:
        payment_there = rows.payment_of(connection, owner_id, refund.payment_id)
        owed_minor = owed_again_minor(connection, payment_there, refund.amount_minor) if payment_there else 0
        _decide(connection, owner_id, id_, refund.state, by.author, _said(reason), now)
        if owed_minor:
            _give_credit(connection, refund, owed_minor, _said(reason), now)
        return known_refund(connection, owner_id, id_)
    payment = _payment(connection, owner_id, refund.payment_id)
    _check(connection, payment, refund.amount_minor, Code(refund.reason_code), now, besides=id_)
    return _approved(connection, owner_id, id_, by.author, _said(reason), now)


def refuse(connection: Connection, owner_id: str, id_: str, by: Person, reason: str, now: int) -> Refund:
    """It does not go, and the reason says why: by finance, or by who asked. What was made at the processor went: the
    owner owes it again, and is asked for it. Raises `NotAllowed`, `AlreadyDecided`, `Unknown`.
    """
    lock_owner(connection, owner_id)
    refund = _open(connection, owner_id, id_)
    people.check_refuses(by, refund.asked_by)
    if refund.reason_code == Code.ELSEWHERE:
        _decide(connection, owner_id, id_, refund.state, by.author, _said(reason), now)
        collect_what_stands_again(connection, Side(owner_id, refund.seller_id, refund.currency), now)
        return known_refund(connection, owner_id, id_)
    _decide(connection, owner_id, id_, REFUSED, by.author, _said(reason), now)
    recount(connection, owner_id, refund.payment_id)
    return known_refund(connection, owner_id, id_)


# -- one step each ------------------------------------------------------------------------------------------


def _check(
    connection: Connection,
    payment: Mapping[str, Any],
    amount_minor: int,
    code: Code,
    now: int,
    besides: str | None = None,
) -> None:
    currency = payment["currency"]
    if amount_minor <= 0 or amount_minor % step_minor(currency):
        step = step_minor(currency)
        raise AmountTooSmall(f"{amount_minor}: {currency} goes back in multiples of {step} minor units")
    if payment["means"] != "card":
        raise NotRefundable("it came by bank or by hand, and goes back so: its credit stays until then")
    if payment["state"] != "succeeded" or payment["processor_ref"] is None:
        raise NotRefundable(f"the payment is {payment['state']}: nothing was captured")
    room = room_of(connection, payment, besides)
    if amount_minor > room.left_minor:
        raise TooMuch(
            f"{room.left_minor} minor units are left of the payment: {room.captured_minor} captured, "
            f"{room.refunded_minor} refunded, {room.on_its_way_minor} on their way, {room.disputed_minor} disputed"
        )
    if code is not Code.GOODWILL:
        if correction_pending(connection, Side(payment["owner_id"], payment["seller_id"], currency), now):
            raise TooMuch(
                "a fee fell and a dispute was lost: what is the owner's is known once the credit note is there"
            )
        theirs = credit_of(connection, payment["owner_id"], payment["seller_id"], currency, besides)
        if amount_minor > theirs:
            raise TooMuch(
                f"{theirs} minor units are the owner's: waive the fee or give a credit first, or refund with the code "
                "goodwill, which gives the credit as well"
            )


def _approved(connection: Connection, owner_id: str, id_: str, author: str, because: str | None, now: int) -> Refund:
    _decide(connection, owner_id, id_, APPROVED, author, because, now)
    refund = known_refund(connection, owner_id, id_)
    if refund.reason_code == Code.GOODWILL:
        _give_credit(connection, refund, refund.amount_minor, refund.reason, now)
    body = {"owner_id": owner_id, "refund_id": id_}
    schedule(connection, [Job(f"{SEND}:{owner_id}:{id_}", SEND, now, body)], now)
    return refund


def _give_credit(connection: Connection, refund: Refund, amount_minor: int, reason: str, now: int) -> None:
    """The owner keeps what goes back: a credit, once for each refund."""
    given = Wanted(
        owner_id=refund.owner_id,
        seller_id=refund.seller_id,
        currency=refund.currency,
        deed=Deed.CREDIT,
        amount_minor=amount_minor,
        code=CreditCode.GOODWILL,
        reason=reason,
        about=f"refund {refund.id}",
    )
    ask_for_credit(connection, given, people.ENGINE, now, key=f"refund {refund.id}")


def _decide(
    connection: Connection, owner_id: str, id_: str, state: str, author: str, because: str | None, now: int
) -> None:
    values = {"state": state, "decided_by": author, "decided_at": now, "decided_because": because, "changed_at": now}
    connection.execute(update(refunds).where(*named(owner_id, id_)).values(**values))


def _said(reason: str) -> str:
    if not reason.strip() or "\0" in reason:
        raise ReasonMissing("say why: the reason is shown to the owner")
    return reason.strip()


def _id(connection: Connection, owner_id: str, payment_id: str, key: str | None) -> str:
    """The refund's name: the same key, the same name; without one, one more of the payment's."""
    there = select(func.count()).where(refunds.c.owner_id == owner_id, refunds.c.payment_id == payment_id)
    said = key or f"{payment_id}#{connection.execute(there).scalar_one() + 1}"
    return "ref_" + hashlib.blake2b(f"{owner_id}\0{said}".encode(), digest_size=12).hexdigest()


def _payment(connection: Connection, owner_id: str, payment_id: str) -> Mapping[str, Any]:
    here = (payments.c.owner_id == owner_id, payments.c.id == payment_id)
    found = connection.execute(select(payments).where(*here)).mappings().first()
    if found is None:
        raise Unknown("payment", payment_id)
    return dict(found)


def named(owner_id: str, id_: str) -> Any:
    return (refunds.c.owner_id == owner_id, refunds.c.id == id_)


def refund_of(connection: Connection, owner_id: str, id_: str) -> Refund | None:
    found = connection.execute(select(refunds).where(*named(owner_id, id_))).mappings().first()
    return None if found is None else Refund(**found)


def known_refund(connection: Connection, owner_id: str, id_: str) -> Refund:
    """Raises `Unknown`."""
    found = refund_of(connection, owner_id, id_)
    if found is None:
        raise Unknown("refund", id_)
    return found


def _open(connection: Connection, owner_id: str, id_: str) -> Refund:
    refund = known_refund(connection, owner_id, id_)
    elsewhere = refund.reason_code == Code.ELSEWHERE and refund.decided_at is None and refund.state != FAILED
    if refund.state != ASKED and not elsewhere:
        raise AlreadyDecided(f"refund {id_} is {refund.state} already")
    return refund
