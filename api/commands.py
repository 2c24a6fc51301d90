"""What people decide, from a request to a fact and its consequences: one transaction, done once under one key."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from api.answers import Change, Posted, changes_of, posted_of
from api.wiring import Idlefee
from billing.decisions import session_key
from billing.settle import Settlement, charges_of
from sessions.facts import AlreadyRecorded
from sessions.store.queries import SessionKey

Decision = Callable[[Connection, int], list[Settlement]]
DecisionOnOne = Callable[[Connection, SessionKey, int], list[Settlement]]


class Decided(BaseModel):
    """What a decision did. Sent again under the same Idempotency-Key it does nothing, and says so."""

    replayed: Annotated[bool, Field(description="the same was recorded before; nothing was done now")]
    sessions: Annotated[int, Field(description="sessions settled again")]
    changed: Annotated[list[Change], Field(description="those of them whose fee or owner changed")]


class DecidedOne(Decided):
    """What a decision about one session did, and how its books stand now: null while it runs unbilled."""

    posted: Posted | None


def decide(idlefee: Idlefee, decision: Decision) -> Decided:
    """Record and settle in one transaction, committed when this returns."""
    with idlefee.writing() as connection:
        return _decided(connection, decision, idlefee.clock.now())


def decide_one(idlefee: Idlefee, session_id: str, decision: DecisionOnOne) -> DecidedOne:
    """The same about one session. Raises `Unknown`."""
    with idlefee.writing() as connection:
        about = session_key(connection, session_id)
        done = _decided(connection, lambda c, now: decision(c, about, now), idlefee.clock.now())
        charge = charges_of(connection, [about]).get(about)
        return DecidedOne(**dict(done), posted=None if charge is None else posted_of(charge))


def _decided(connection: Connection, decision: Decision, now: int) -> Decided:
    try:
        settlements = decision(connection, now)
    except AlreadyRecorded:
        return Decided(replayed=True, sessions=0, changed=[])
    return Decided(replayed=False, sessions=len(settlements), changed=changes_of(settlements))
