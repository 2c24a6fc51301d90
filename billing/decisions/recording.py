"""What every decision does: it states its reason, is recorded once, and waits for whoever does not see it yet."""

from sqlalchemy import ColumnElement, Connection, select

from sessions.facts import Fact, record_facts, refuse_replay
from sessions.store.queries import lock_stations
from sessions.store.tables import stations


class ReasonMissing(ValueError):
    """Every decision states its reason."""


class EmptyInterval(ValueError):
    """An interval ends after it begins."""


def record(connection: Connection, fact: Fact, now: int) -> Fact:
    refuse_replay(connection, [fact])
    return record_facts(connection, [fact], now)[0]


def wait_for_uploads(connection: Connection, where: ColumnElement[bool]) -> None:
    """Whoever settles at those stations at this moment does not see the new fact: what they write must be there to be
    found and settled again. Whoever comes later sees it.
    """
    lock_stations(connection, connection.execute(select(stations.c.id).where(where)).scalars().all())


def stated(reason: str) -> str:
    if not reason.strip() or "\0" in reason:
        raise ReasonMissing("say why: the reason is shown to the owner")
    return reason.strip()


def check_interval(starts_at: int, ends_at: int) -> None:
    if ends_at <= starts_at:
        raise EmptyInterval(f"{starts_at} to {ends_at}")
