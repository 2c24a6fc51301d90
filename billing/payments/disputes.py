"""Disputes, as finance works on them: what is open and until when, and what was decided, by whom and why. The rows and
the books follow the processor (`seen`); what may be sent to the bank is `evidence`'s.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sqlalchemy import Connection, func, insert, select, tuple_

from billing.decisions import ReasonMissing
from billing.payments.credits import AlreadyDecided
from billing.payments.locks import lock_owner
from billing.store.arrears import dispute_decisions
from billing.store.payments import disputes
from sessions.sites import Unknown


class Decision(StrEnum):
    """What finance means to do."""

    CONTEST = "contest"
    ACCEPT = "accept"
    SUBMITTED = "submitted"  # the evidence went to the bank, on the processor's own pages
    NOTE = "note"


State = Literal["open", "won", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A dispute as `disputes` keeps it; `id` is the processor's name. Minor units, UTC seconds."""

    owner_id: str
    id: str
    payment_id: str
    seller_id: str
    currency: str
    amount_minor: int
    fee_minor: int
    reason: str
    state: State
    opened_at: int
    evidence_due_at: int | None
    closed_at: int | None
    changed_at: int
    counted_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision; `n` counts those of a dispute from 1."""

    owner_id: str
    dispute_id: str
    n: int
    decision: str
    reason: str
    author: str
    recorded_at: int


def decide(
    connection: Connection, owner_id: str, dispute_id: str, decision: Decision, *, reason: str, author: str, now: int
) -> Decided:
    """Write down what is done about a dispute. Raises `Unknown`, `ReasonMissing`, `AlreadyDecided` once it is closed:
    then only a note may follow.
    """
    if not reason.strip() or "\0" in reason:
        raise ReasonMissing("say why")
    lock_owner(connection, owner_id)
    dispute = dispute_of(connection, owner_id, dispute_id)
    if dispute.state != "open" and decision is not Decision.NOTE:
        raise AlreadyDecided(f"dispute {dispute_id} is {dispute.state}")
    made = Decided(
        owner_id=owner_id,
        dispute_id=dispute_id,
        n=len(decisions_of(connection, owner_id, dispute_id)) + 1,
        decision=decision.value,
        reason=reason.strip(),
        author=author,
        recorded_at=now,
    )
    values = {name: getattr(made, name) for name in Decided.__dataclass_fields__}
    connection.execute(insert(dispute_decisions).values(**values))
    return made


def dispute_of(connection: Connection, owner_id: str, dispute_id: str) -> Dispute:
    """Raises `Unknown`."""
    here = (disputes.c.owner_id == owner_id, disputes.c.id == dispute_id)
    found = connection.execute(select(disputes).where(*here)).mappings().first()
    if found is None:
        raise Unknown("dispute", dispute_id)
    return Dispute(**found)


def decisions_of(connection: Connection, owner_id: str, dispute_id: str) -> list[Decided]:
    """What was decided about a dispute, in its order."""
    rows = dispute_decisions.c
    statement = select(dispute_decisions).where(rows.owner_id == owner_id, rows.dispute_id == dispute_id)
    return [Decided(**row) for row in connection.execute(statement.order_by(rows.n)).mappings()]


def disputes_after(
    connection: Connection, after: tuple[int, str, str] | None, most: int, state: str = "open"
) -> list[Dispute]:
    """Up to `most` disputes of one state, behind (opened, owner, dispute), oldest first."""
    columns = (disputes.c.opened_at, disputes.c.owner_id, disputes.c.id)
    statement = select(disputes).where(disputes.c.state == state)
    if after is not None:
        statement = statement.where(tuple_(*columns) > tuple_(*after))
    return [Dispute(**row) for row in connection.execute(statement.order_by(*columns).limit(most)).mappings()]


def open_disputes(connection: Connection, owner_id: str, seller_id: str) -> int:
    """How many of an owner's disputes with a seller are open."""
    here = (disputes.c.owner_id == owner_id, disputes.c.seller_id == seller_id, disputes.c.state == "open")
    return int(connection.execute(select(func.count()).where(*here)).scalar_one())
