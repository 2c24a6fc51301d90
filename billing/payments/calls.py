"""Our own memory of every call that moves money: its idempotency key, persisted before it is sent.

The processor forgets keys after a day, we never do. A call without an answer may have had its effect: before it is
sent again its effect is looked for. A key that is not forgotten may then be sent again; one that may be forgotten is
given up for a new one. One key never asks two things.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from billing.store.payments import calls

REMEMBERED_S = 23 * 3600  # the processor promises a day: one hour for clocks that differ and calls on their way
NEVER_HAPPENED = "never happened"


class AskedDifferently(Exception):
    """A key without an answer was to ask for something else: a fault of ours, nothing was sent."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: for what (`purpose` and `subject`), and since when it may have had its effect."""

    key: str
    purpose: str
    subject: str
    digest: str
    sent_at: int

    def remembered(self, now: int) -> bool:
        """Whether the processor still knows the key, so that sending it again cannot do the thing twice."""
        return now - self.sent_at < REMEMBERED_S


def unanswered(connection: Connection, purpose: str, subject: str) -> Call | None:
    """The call that was sent and of which nobody knows what came."""
    row = connection.execute(_open(purpose, subject)).first()
    return None if row is None else Call(*row)


def _open(purpose: str, subject: str) -> Any:
    columns = (calls.c.key, calls.c.purpose, calls.c.subject, calls.c.digest, calls.c.sent_at)
    return select(*columns).where(*_about(purpose, subject), calls.c.answered_at.is_(None))


def _about(purpose: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    return calls.c.subject == subject, calls.c.purpose == purpose


def plan(
    connection: Connection, *, purpose: str, subject: str, owner_id: str | None, asked: Mapping[str, Any], now: int
) -> Call:
    """The call to make: the one without an answer while its key is remembered, else one with a new key.

    Call it after the effect of the one without an answer was looked for and not found. Raises `AskedDifferently`.
    """
    digest = _hash(json.dumps(asked, sort_keys=True))
    before = unanswered(connection, purpose, subject)
    if before is not None and before.remembered(now):
        if before.digest != digest:
            raise AskedDifferently(f"{purpose} of {subject}")
        return before
    if before is not None:
        answered(connection, before, NEVER_HAPPENED, now)
    n = connection.execute(select(func.count()).where(*_about(purpose, subject))).scalar_one() + 1
    call = Call("-".join((purpose, _hash("\0".join((purpose, subject, str(n)))))), purpose, subject, digest, now)
    connection.execute(
        insert(calls).values(
            key=call.key,
            owner_id=owner_id,
            purpose=purpose,
            subject=subject,
            digest=digest,
            planned_at=now,
            sent_at=now,
        )
    )
    return call


def answered(connection: Connection, call: Call, answer: str, now: int) -> bool:
    """What came of it: the processor's name for the thing, or its word for why not. False if that was known already."""
    open_ = (calls.c.key == call.key, calls.c.answered_at.is_(None))
    return connection.execute(update(calls).where(*open_).values(answered_at=now, answer=answer)).rowcount == 1


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
