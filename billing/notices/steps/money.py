"""Told of money that moved, or should have: payments and disputes. Whoever moves it calls `tell_payment` or
`tell_dispute` in the transaction that records it; the notice is written and goes out by a step, as every other.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import Connection

from billing.jobs import Job, Lease, schedule
from billing.notices import letters, store
from billing.notices.channels import About, Outgoing
from billing.notices.kinds import DISPUTE, PAYMENT, WHY
from billing.notices.letters import Letter, MoneyMoved
from billing.notices.steps.desk import Desk
from billing.notices.store import NO_SITE, Notice, notice_id
from billing.owners import Owner, owner
from billing.texts import texts

TELL_OF_MONEY = "tell_of_money"  # the step

Outcome = Literal[
    "succeeded",
    "failed",
    "refunded",
    "confirm",
    "no_card",
    "reminder",
    "warn_block",
    "warn_hand_over",
    "blocked",
    "unblocked",
]


@dataclass(frozen=True, slots=True)
class Payment:
    """What became of a payment. `id` names it for good; each outcome of it is told once."""

    id: str
    owner_id: str
    seller: str  # its name, as owners know it
    zone: str  # of the seller's books
    amount_minor: int
    currency: str
    outcome: Outcome
    retry_at: int | None = None  # UTC seconds: tried again then, or to be paid before; none: the owner has to act


@dataclass(frozen=True, slots=True)
class Dispute:
    """Where a dispute of a payment stands. Each outcome of it is told once."""

    id: str
    owner_id: str
    seller: str
    zone: str
    amount_minor: int
    currency: str
    outcome: Literal["opened", "won", "lost"]
    retry_at: None = None


def tell_payment(connection: Connection, payment: Payment, now: int) -> None:
    """Let the owner hear of it, if this transaction commits."""
    _schedule(connection, PAYMENT, payment, now)


def tell_dispute(connection: Connection, dispute: Dispute, now: int) -> None:
    """The same of a dispute."""
    _schedule(connection, DISPUTE, dispute, now)


def _schedule(connection: Connection, kind: str, moved: Payment | Dispute, now: int) -> None:
    key = f"{TELL_OF_MONEY}:{kind}:{moved.id}:{moved.outcome}"
    schedule(connection, [Job(key, TELL_OF_MONEY, now, {"kind": kind, **asdict(moved)})], now)


class Money:
    """The step about payments and disputes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def tell(self, lease: Lease) -> None:
        """Write the notices; each outcome of each payment once."""
        with lease.transaction() as turn:
            ids = {job.key: notice_id(job.body["kind"], job.body["id"], job.body["outcome"]) for job in turn.jobs}
            told = store.known(turn.connection, {NO_SITE}, ids.values())
            new = [job for job in turn.jobs if ids[job.key] not in told]
            self._desk.tell(turn, [self._notice(turn.connection, job, ids[job.key], turn.now) for job in new])

    def _notice(self, connection: Connection, job: Job, id_: str, now: int) -> tuple[Owner, Notice]:
        to, kind = owner(connection, job.body["owner_id"]), job.body["kind"]
        letter = self._letter(to, job)
        return to, Notice(NO_SITE, id_, to.id, kind, WHY[kind], *letter, now, {})

    def _letter(self, to: Owner, job: Job) -> Letter:
        body = job.body
        names: Sequence[str] = ("outcome", "amount_minor", "currency", "seller", "zone", "retry_at")
        return letters.money(
            texts(to.language), body["kind"], MoneyMoved(**{n: body[n] for n in names}), self._desk.link
        )

    def outgoing(self, connection: Connection, notice: Notice) -> Outgoing:
        """As it was written: what happened to money stays true."""
        to = owner(connection, notice.owner_id)
        about = About(notice.site_id, notice.fees_minor)
        words = notice.subject, notice.body, notice.language
        return Outgoing(notice.id, notice.kind, to, *words, notice.created_at, about)
