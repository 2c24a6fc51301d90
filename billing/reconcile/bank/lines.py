"""The bank's lines, kept and decided: imported once, matched where there is no doubt, else waiting in suspense for a
person.

A line leads with the seller, the payment it stands for with the owner: the decision about the line is one transaction
and names the payment, a job records it in another. Who may decide is the doors' business.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, select, update

from billing.decisions import ReasonMissing
from billing.jobs import Job, Lease, schedule
from billing.ledger import Account, Line, Subject, converge
from billing.payments import by_hand
from billing.payments.by_hand import BANK, HAND, Received
from billing.payments.locks import lock_owner
from billing.payments.provisions import lock_seller
from billing.periods import trail
from billing.reconcile.bank.candidates import awaited_payouts, open_bills, recorded_by_hand
from billing.reconcile.bank.matching import Judged, Proposal, judge
from billing.reconcile.bank.reading import BankLine
from billing.store.payments import payments
from billing.store.reconciliation import bank_lines, payouts
from sessions.clock import Clock
from sessions.database import reading, writing
from sessions.sites import Unknown
from sessions.statements import bulk_insert, one_of

RECORD = "record_bank_payment"  # the step that records what a line stands for
OPEN, MATCHED, NOT_OURS = "open", "matched", "not_ours"
PAYMENT, RECORDED, PAYOUT = "payment", "recorded", "payout"
ENGINE = "idlefee"


class NotOpen(Exception):
    """The line was decided already; take that back first."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: `matched` of the `new` lines were beyond doubt, the rest waits."""

    new: int
    known: int
    matched: int
    waiting: int


def books_of(row: Mapping[str, Any]) -> dict[Line, int]:
    """Where a bank line should stand, by its row. A payment recorded by hand was at the bank before its line came."""
    if row["state"] == NOT_OURS or row["matched_kind"] == RECORDED:
        return {}
    other = Account.IN_TRANSIT if row["matched_kind"] == PAYOUT else Account.SUSPENSE
    seller_id, currency, amount = row["seller_id"], row["currency"], row["amount_minor"]
    if not amount:
        return {}
    return {
        Line(Account.BANK, None, seller_id, currency, None): amount,
        Line(other, None, seller_id, currency, None): -amount,
    }


def subject_of(seller_id: str, line_id: str) -> Subject:
    return Subject(seller_id, f"bank {line_id}")


def import_lines(engine: Engine, clock: Clock, seller_id: str, lines: Sequence[BankLine], *, author: str) -> Imported:
    """Keep the lines that are not there yet, post them, and match again whatever is open. Raises `Unknown`."""
    with writing(engine) as connection:
        lock_seller(connection, seller_id)
        now = clock.now()
        columns = ("seller_id", "id", "booked_at", "currency", "amount_minor", "text", "state", "imported_at")
        named = one_of(connection, bank_lines.c.id, {line.id for line in lines})
        known = select(bank_lines.c.id).where(bank_lines.c.seller_id == seller_id, named)
        there = set(connection.execute(known).scalars())
        new = [line for line in lines if line.id not in there]
        bulk_insert(
            connection,
            bank_lines,
            columns,
            [
                (seller_id, line.id, line.booked_at, line.currency, line.amount_minor, line.text, OPEN, now)
                for line in new
            ],
        )
        for line in new:
            _post(connection, seller_id, line.id, "booked by the bank", now)  # its words may name a person
        if new:
            details = {"lines": len(new)}
            trail.record(
                connection, author=author, what="bank_imported", subject=f"seller {seller_id}", now=now, details=details
            )
    matched = match_open(engine, clock, seller_id)
    with reading(engine) as connection:
        waiting = select(bank_lines.c.id).where(bank_lines.c.seller_id == seller_id, bank_lines.c.state == OPEN)
        left = len(connection.execute(waiting).all())
    return Imported(len(new), len(lines) - len(new), matched, left)


def match_open(engine: Engine, clock: Clock, seller_id: str) -> int:
    """Match what is open and beyond doubt by now, and renew what is proposed for the rest; how many were matched."""
    with reading(engine) as connection:
        judged = _judged(connection, seller_id)
    matched = 0
    for one in judged:
        if one.sure is not None:
            try:
                accept(engine, clock, seller_id, one.line.id, one.sure, author=ENGINE, reason=one.sure.because)
                matched += 1
                continue
            except NotOpen:
                continue  # somebody decided meanwhile
        proposal = json.dumps([asdict(option) for option in one.proposed]) if one.proposed else None
        with writing(engine) as connection:
            renewed = update(bank_lines).where(*_named(seller_id, one.line.id), bank_lines.c.state == OPEN)
            connection.execute(renewed.values(proposal=proposal))
    return matched


def _judged(connection: Connection, seller_id: str) -> list[Judged]:
    statement = select(bank_lines).where(bank_lines.c.seller_id == seller_id, bank_lines.c.state == OPEN)
    lines = [
        BankLine(row.id, row.booked_at, row.currency, row.amount_minor, row.text)
        for row in connection.execute(statement)
    ]
    if not lines:
        return []
    awaited = awaited_payouts(connection, seller_id)
    return judge(lines, awaited, open_bills(connection, seller_id, lines), recorded_by_hand(connection, seller_id))


def accept(
    engine: Engine, clock: Clock, seller_id: str, line_id: str, what: Proposal, *, author: str, reason: str
) -> None:
    """Decide what a line is, and record the payment if it is one. Raises `Unknown`, `NotOpen`, `ReasonMissing`,
    `by_hand.BadRecord`.
    """
    with writing(engine) as connection:
        received = decide(connection, seller_id, line_id, what, author=author, reason=reason, now=clock.now())
    if received is not None:
        with writing(engine) as connection:
            _record(connection, received, author, clock.now())


def decide(
    connection: Connection, seller_id: str, line_id: str, what: Proposal, *, author: str, reason: str, now: int
) -> Received | None:
    """The line's side of it: what the payment is that a job records, if the line is one."""
    lock_seller(connection, seller_id)
    line = open_line(connection, seller_id, line_id, reason)
    received = _received(connection, line, what)
    id_ = what.id if received is None else received.id
    _check(connection, line, what)
    decided = {"state": MATCHED, "matched_kind": what.kind, "matched_id": id_, "owner_id": what.owner_id}
    _change(connection, seller_id, line_id, author, reason, now, **decided)
    _post(connection, seller_id, line_id, f"matched: {reason}"[:200], now)
    if received is not None:
        body = {"received": asdict(received), "author": author}
        schedule(connection, [Job(f"{RECORD}:{received.id}", RECORD, now, body)], now)
    return received


def set_aside(connection: Connection, seller_id: str, line_id: str, *, author: str, reason: str, now: int) -> None:
    """Say that a line is none of ours: it leaves the books. Raises as `decide`."""
    lock_seller(connection, seller_id)
    open_line(connection, seller_id, line_id, reason)
    _change(connection, seller_id, line_id, author, reason, now, state=NOT_OURS)
    _post(connection, seller_id, line_id, f"none of ours: {reason}"[:200], now)


def release(engine: Engine, clock: Clock, seller_id: str, line_id: str, *, author: str, reason: str) -> None:
    """Take a decision back: a payment recorded for the line is reversed, and the line waits again.

    Reversed first, so that no line that waits has a payment; and once more, for whoever recorded it in between.
    Raises `Unknown`, `ReasonMissing`, `by_hand.BadRecord`.
    """
    _reason(reason)
    with reading(engine) as connection:
        line = line_row(connection, seller_id, line_id)

    def reverse() -> None:
        if line["matched_kind"] != PAYMENT:
            return
        theirs = (line["owner_id"], line["matched_id"])
        with writing(engine) as connection:
            if by_hand.payment_row(connection, *theirs) is not None:
                by_hand.reverse(connection, *theirs, reason=reason, author=author, now=clock.now())

    reverse()
    with writing(engine) as connection:
        lock_seller(connection, seller_id)
        now = clock.now()
        if line_row(connection, seller_id, line_id)["matched_id"] != line["matched_id"]:
            raise NotOpen("somebody decided about the line meanwhile: look at it again")
        undecided = {"state": OPEN, "matched_kind": None, "matched_id": None, "owner_id": None}
        _change(connection, seller_id, line_id, author, reason, now, **undecided)
        _post(connection, seller_id, line_id, f"taken back: {reason}"[:200], now)
    reverse()


def record_payment(lease: Lease) -> None:
    """The worker's step: record what a line stands for, unless the decision was taken back meanwhile."""
    (job,) = lease.jobs
    received = Received(**job.body["received"])
    with lease.transaction(lambda connection: lock_owner(connection, received.owner_id)) as turn:
        if turn.jobs:
            _record(turn.connection, received, job.body["author"], turn.now)


def _record(connection: Connection, received: Received, author: str, now: int) -> None:
    """The owner's side of it, under the owner's lock, unless the decision was taken back meanwhile."""
    lock_owner(connection, received.owner_id)
    if _still_matched(connection, received):
        by_hand.record(connection, received, author=author, now=now)


def _still_matched(connection: Connection, received: Received) -> bool:
    here = (bank_lines.c.seller_id == received.seller_id, bank_lines.c.matched_id == received.id)
    return connection.execute(select(bank_lines.c.id).where(*here, bank_lines.c.state == MATCHED)).first() is not None


def _received(connection: Connection, line: Mapping[str, Any], what: Proposal) -> Received | None:
    if what.kind != PAYMENT:
        return None
    if what.owner_id is None:
        raise by_hand.BadRecord("a payment needs its owner")
    received = Received(
        owner_id=what.owner_id,
        seller_id=line["seller_id"],
        currency=line["currency"],
        amount_minor=line["amount_minor"],
        reference=f"bank line {line['id']}",
        received_at=line["booked_at"],
        invoice_id=what.invoice_id,
        means=BANK,
    )
    by_hand.check(connection, received, max(line["booked_at"], line["imported_at"]))
    return received


def _check(connection: Connection, line: Mapping[str, Any], what: Proposal) -> None:
    """What a line is matched with is there, of its amount, and no other line's."""
    if what.kind == PAYMENT:
        return
    if what.kind == PAYOUT:
        statement: Select[Any] = select(payouts.c.currency, payouts.c.amount_minor).where(
            payouts.c.seller_id == line["seller_id"], payouts.c.id == what.id
        )
    else:
        statement = select(payments.c.currency, payments.c.captured_minor).where(
            payments.c.owner_id == what.owner_id,
            payments.c.id == what.id,
            payments.c.seller_id == line["seller_id"],
            payments.c.means == HAND,
            payments.c.state == "succeeded",
        )
    found = connection.execute(statement).first()
    if found is None:
        raise Unknown("payout" if what.kind == PAYOUT else "payment", str(what.id))
    if tuple(found) != (line["currency"], line["amount_minor"]):
        raise by_hand.BadRecord("its amount is not the bank line's")
    others = (bank_lines.c.matched_kind == what.kind, bank_lines.c.matched_id == what.id)
    if connection.execute(select(bank_lines.c.id).where(bank_lines.c.seller_id == line["seller_id"], *others)).first():
        raise by_hand.BadRecord("another bank line is that already: take it back first")


# -- rows ---------------------------------------------------------------------------------------------------


def line_row(connection: Connection, seller_id: str, line_id: str) -> Mapping[str, Any]:
    """Raises `Unknown`."""
    found = connection.execute(select(bank_lines).where(*_named(seller_id, line_id))).mappings().first()
    if found is None:
        raise Unknown("bank line", line_id)
    return dict(found)


def open_line(connection: Connection, seller_id: str, line_id: str, reason: str) -> Mapping[str, Any]:
    _reason(reason)
    line = line_row(connection, seller_id, line_id)
    if line["state"] != OPEN:
        raise NotOpen("the line was decided already: release it first")
    return line


def _reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("a decision states its reason")


def _change(
    connection: Connection, seller_id: str, line_id: str, author: str, reason: str, now: int, **values: Any
) -> None:
    if author != ENGINE:
        what, subject = f"bank_line_{values['state']}", f"bank line {line_id}"
        matched = {name: values[name] for name in ("matched_kind", "matched_id") if values.get(name)}
        trail.record(connection, author=author, what=what, subject=subject, now=now, reason=reason, details=matched)
    said = {"decided_by": author, "decided_at": now, "reason": reason, "proposal": None}
    connection.execute(update(bank_lines).where(*_named(seller_id, line_id)).values(**said, **values))


def _post(connection: Connection, seller_id: str, line_id: str, reason: str, now: int) -> None:
    row = line_row(connection, seller_id, line_id)
    converge(connection, subject_of(seller_id, line_id), books_of(row), reason, now)


def _named(seller_id: str, line_id: str) -> tuple[Any, ...]:
    return bank_lines.c.seller_id == seller_id, bank_lines.c.id == line_id
