"""What people decide about sessions, each with an author and a reason: recorded as a fact, then settled, in one
transaction.

Who may decide what is the doors' business (`api`). Every function runs in the caller's write transaction. One that is
given a `request_key` records once under it: the same again raises `AlreadyRecorded`, something else `KeyReused`.
"""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, select

from billing.assignments import latest, price_by_occupancy
from billing.engine import Cause, resettle
from billing.jobs import Job, schedule
from billing.owners import owner, sessions_of_token
from billing.settle import Charge, Settlement, charges_of
from sessions.facts import (
    FOREVER,
    Fact,
    Kind,
    lock_site,
    record_facts,
    recorded_under,
    refuse_replay,
    sessions_overlapping,
    site_facts,
)
from sessions.intake import touched_by_event
from sessions.sites import Stretch, Unknown, site, site_of_station, stretches_out
from sessions.store.queries import SessionKey, lock_stations
from sessions.store.tables import events, sessions, sites, stalls, stations

LOOK_AGAIN = "token_given"
LOOK_AGAIN_AFTER_S = 60  # no transaction lasts so long


class ReasonMissing(ValueError):
    """Every decision states its reason."""


class EmptyInterval(ValueError):
    """An interval ends after it begins."""


class NothingToDecide(Exception):
    """The session has no charge yet, or nothing of it waits in review."""


class AmountTooSmall(ValueError):
    """An amount waived is above zero."""


class InService(Exception):
    """At that moment the stall is not out of service until further notice."""

    def __init__(self, stall: tuple[str, str]) -> None:
        super().__init__(f"{'/'.join(stall)} is not out of service until further notice at that time")


def session_key(connection: Connection, session_id: str) -> SessionKey:
    """The key of `station/session`. Raises `Unknown`."""
    site_id = connection.execute(select(sessions.c.site_id).where(sessions.c.id == session_id)).scalar()
    if site_id is None:
        raise Unknown("session", session_id)
    return SessionKey(site_id, session_id)


def excuse(
    connection: Connection,
    site_id: str,
    starts_at: int,
    ends_at: int,
    *,
    author: str,
    reason: str,
    now: int,
    stall: tuple[str, str] | None = None,
    request_key: str | None = None,
) -> list[Settlement]:
    """Nobody at the site (or at one (station, stall)) pays for [starts_at, ends_at), on our clock."""
    _interval(starts_at, ends_at)
    site(connection, site_id)
    if stall is not None:
        _stall(connection, site_id, stall)
    fact = Fact(
        site_id=site_id,
        kind=Kind.EXCUSE,
        author=author,
        reason=_reason(reason),
        key=request_key,
        station_id=stall[0] if stall else None,
        stall=stall[1] if stall else None,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    recorded = _record(connection, fact, now)
    _wait_for_uploads(connection, stations.c.id == stall[0] if stall else stations.c.site_id == site_id)
    keys = sessions_overlapping(connection, site_id, starts_at, ends_at, stall)
    return resettle(connection, keys, now, excuse_cause(recorded))


def excuse_cause(excuse: Fact) -> Cause:
    return Cause(f"excused: {excuse.reason}", f"excuse:{excuse.n}")


def out_of_service(
    connection: Connection,
    stall: tuple[str, str],
    starts_at: int,
    ends_at: int | None,
    *,
    author: str,
    reason: str,
    now: int,
    request_key: str | None = None,
) -> list[Settlement]:
    """The (station, stall) is not in service during [starts_at, ends_at): occupancy counts without it.

    With no end it lasts until it is `back_in_service`.
    """
    _interval(starts_at, FOREVER if ends_at is None else ends_at)
    site_id = site_of_station(connection, stall[0])
    _stall(connection, site_id, stall)
    fact = Fact(
        site_id=site_id,
        kind=Kind.OUT_OF_SERVICE,
        author=author,
        reason=_reason(reason),
        key=request_key,
        station_id=stall[0],
        stall=stall[1],
        starts_at=starts_at,
        ends_at=ends_at,
    )
    recorded = _record(connection, fact, now)
    keys = sessions_overlapping(connection, site_id, starts_at, FOREVER if ends_at is None else ends_at)
    return resettle(connection, keys, now, Cause(f"out of service: {reason}", f"out_of_service:{recorded.n}"))


def back_in_service(
    connection: Connection,
    stall: tuple[str, str],
    at: int | None,
    *,
    author: str,
    reason: str,
    now: int,
    request_key: str | None = None,
) -> list[Settlement]:
    """The (station, stall) is back since `at` (none: now), which ends what was recorded without an end.

    Raises `InService` where nothing without an end holds at `at`. An end that was recorded before can be moved to an
    earlier moment; to a later one by a second interval.
    """
    site_id = site_of_station(connection, stall[0])
    _stall(connection, site_id, stall)
    ends_at = now if at is None else at
    fact = Fact(
        site_id=site_id,
        kind=Kind.BACK_IN_SERVICE,
        author=author,
        reason=_reason(reason),
        key=request_key,
        station_id=stall[0],
        stall=stall[1],
        ends_at=ends_at,
        recorded_at=now,
    )
    refuse_replay(connection, [fact])
    counted_out = _until_further_notice(connection, site_id, stall, ends_at)
    if not counted_out:
        raise InService(stall)
    recorded = record_facts(connection, [fact], now)[0]
    keys = sessions_overlapping(connection, site_id, ends_at, max(one.end for one in counted_out))
    return resettle(connection, keys, now, Cause(f"back in service: {reason}", f"back_in_service:{recorded.n}"))


def _until_further_notice(connection: Connection, site_id: str, stall: tuple[str, str], at: int) -> list[Stretch]:
    """What was recorded without an end for the stall and holds at `at`, as far as it reached until now."""
    facts = site_facts(connection, [site_id], [Kind.OUT_OF_SERVICE, Kind.BACK_IN_SERVICE]).get(site_id, [])
    endless = [fact for fact in facts if fact.kind is Kind.BACK_IN_SERVICE or fact.ends_at is None]
    return [one for one in stretches_out(endless) if one[:2] == stall and one.start < at < one.end]


def void_event(
    connection: Connection, station_id: str, event_id: str, *, author: str, reason: str, now: int
) -> list[Settlement]:
    """The event counts for nothing from now on, whatever its content. Raises `Unknown`."""
    site_id = site_of_station(connection, station_id)
    known = select(events.c.id).where(
        events.c.site_id == site_id, events.c.station_id == station_id, events.c.id == event_id
    )
    if connection.execute(known).first() is None:
        raise Unknown("event", f"{station_id}/{event_id}")
    fact = Fact(
        site_id=site_id,
        kind=Kind.VOID,
        author=author,
        reason=_reason(reason),
        key=_void_key(station_id, event_id),
        station_id=station_id,
        event_id=event_id,
    )
    if not record_facts(connection, [fact], now):
        return []
    _wait_for_uploads(connection, stations.c.id == station_id)
    keys = touched_by_event(connection, site_id, station_id, event_id)
    return resettle(connection, keys, now, Cause(f"event voided: {reason}", f"void:{station_id}:{event_id}"))


def voided(connection: Connection, station_id: str, event_id: str) -> Fact | None:
    """The decision by which the event counts for nothing, if there is one. Raises `Unknown` station."""
    return recorded_under(connection, site_of_station(connection, station_id), _void_key(station_id, event_id))


def _void_key(station_id: str, event_id: str) -> str:
    return f"void:{station_id}:{event_id}"


def waive(
    connection: Connection,
    key: SessionKey,
    amount_minor: int | None,
    *,
    author: str,
    reason: str,
    now: int,
    request_key: str | None = None,
) -> list[Settlement]:
    """Let the owner off `amount_minor` of the session's fee, or with none all of it. Waivers add up."""
    if amount_minor is not None and amount_minor <= 0:
        raise AmountTooSmall(str(amount_minor))
    fact = _about(key, Kind.WAIVER, author, reason, request_key)
    return _decide(connection, replace(fact, amount_minor=amount_minor), now, "waived")


def claim(
    connection: Connection,
    key: SessionKey,
    owner_id: str | None,
    *,
    author: str,
    reason: str,
    now: int,
    request_key: str | None = None,
) -> list[Settlement]:
    """The session is this owner's (none: nobody's after all); its fee moves by transfer. Raises `OwnerUnknown`."""
    if owner_id is not None:
        owner(connection, owner_id)
    fact = _about(key, Kind.CLAIM, author, reason, request_key)
    return _decide(connection, replace(fact, owner_id=owner_id), now, "claimed")


def release(
    connection: Connection, key: SessionKey, *, author: str, reason: str, now: int, request_key: str | None = None
) -> list[Settlement]:
    """Let the fee that waits in review post, up to what it is now. Raises `NothingToDecide`."""
    fact = _about(key, Kind.RELEASE, author, reason, request_key)
    held = _held(connection, fact)
    return _decide(connection, replace(fact, amount_minor=held.computed_minor), now, "released from review")


def reject(
    connection: Connection, key: SessionKey, *, author: str, reason: str, now: int, request_key: str | None = None
) -> list[Settlement]:
    """The session whose fee waits in review costs nothing. Raises `NothingToDecide`."""
    fact = _about(key, Kind.REJECT, author, reason, request_key)
    _held(connection, fact)
    return _decide(connection, fact, now, "rejected in review")


def order_rerate(
    connection: Connection,
    site_ids: Collection[str],
    tariff: str,
    starts_at: int,
    ends_at: int | None,
    *,
    author: str,
    reason: str,
    now: int,
    request_key: str | None = None,
) -> list[Fact]:
    """Record that sessions plugged in during [starts_at, ends_at) are priced by `tariff`; the caller settles them.

    Waits for whoever settles sessions of these sites at this moment: they do not see the order yet, and what they write
    must be there when the caller looks for what to settle.
    """
    _interval(starts_at, FOREVER if ends_at is None else ends_at)
    version = latest(connection, tariff)
    orders = [
        Fact(
            site_id=site_id,
            kind=Kind.RERATE,
            author=author,
            reason=_reason(reason),
            key=request_key,
            starts_at=starts_at,
            ends_at=ends_at,
            tariff=version.name,
            tariff_version=version.version,
            recorded_at=now,
        )
        for site_id in sorted(site_ids)
    ]
    refuse_replay(connection, orders)
    recorded = record_facts(connection, orders, now)
    if version.tiers:
        for site_id in sorted(site_ids):
            price_by_occupancy(connection, site_id)
    _wait_for_uploads(connection, stations.c.site_id.in_(sorted(site_ids)))
    return recorded


def stall_added(connection: Connection, station_id: str, in_service_from: int | None, now: int) -> list[Settlement]:
    """A stall more in service: fees that depend on how full its site was since then are settled again."""
    site_id = site_of_station(connection, station_id)
    lock_site(connection, site_id)
    shared = select(sites.c.priced_by_occupancy).where(sites.c.id == site_id)
    if not connection.execute(shared).scalar():
        return []
    keys = sessions_overlapping(connection, site_id, in_service_from or 0, FOREVER)
    return resettle(connection, keys, now, Cause("a stall was added", f"stall:{station_id}:{now}"))


def token_given(
    connection: Connection, token_id: str, valid_from: int, valid_to: int | None, now: int
) -> list[Settlement]:
    """Sessions of a token that now stands for an owner leave the unclaimed pile.

    A token may be used at any station, so nobody is waited for: who settles a session of it at this moment does not
    see its owner yet. A step that comes when they have ended looks again.
    """
    body = {"token_id": token_id, "valid_from": valid_from, "valid_to": valid_to}
    again = Job(f"{LOOK_AGAIN}:{token_id}:{valid_from}", LOOK_AGAIN, now + LOOK_AGAIN_AFTER_S, body)
    schedule(connection, [again], now)
    keys = sessions_of_token(connection, token_id, valid_from, valid_to)
    return resettle(connection, keys, now, token_cause(token_id, valid_from))


def token_cause(token_id: str, valid_from: int) -> Cause:
    return Cause("token assigned", f"token:{token_id}:{valid_from}")


def _about(key: SessionKey, kind: Kind, author: str, reason: str, request_key: str | None) -> Fact:
    return Fact(
        site_id=key.site_id, kind=kind, author=author, reason=_reason(reason), key=request_key, session_id=key.id
    )


def _decide(connection: Connection, fact: Fact, now: int, what: str) -> list[Settlement]:
    recorded = _record(connection, fact, now)
    key = SessionKey(fact.site_id, fact.session_id or "")
    return resettle(connection, [key], now, Cause(f"{what}: {fact.reason}", f"{fact.kind.value}:{recorded.n}"))


def _record(connection: Connection, fact: Fact, now: int) -> Fact:
    refuse_replay(connection, [fact])
    return record_facts(connection, [fact], now)[0]


def _held(connection: Connection, decision: Fact) -> Charge:
    """The charge that waits. A decision sent again is no new one, although nothing waits any more."""
    refuse_replay(connection, [decision])
    key = SessionKey(decision.site_id, decision.session_id or "")
    charge = charges_of(connection, [key]).get(key)
    if charge is None or not charge.held:
        raise NothingToDecide(key.id)
    return charge


def _wait_for_uploads(connection: Connection, where: ColumnElement[bool]) -> None:
    """Whoever settles at those stations at this moment does not see the new fact: what they write must be there to be
    found and settled again. Whoever comes later sees it.
    """
    lock_stations(connection, connection.execute(select(stations.c.id).where(where)).scalars().all())


def _reason(reason: str) -> str:
    if not reason.strip() or "\0" in reason:
        raise ReasonMissing("say why: the reason is shown to the owner")
    return reason.strip()


def _interval(starts_at: int, ends_at: int) -> None:
    if ends_at <= starts_at:
        raise EmptyInterval(f"{starts_at} to {ends_at}")


def _stall(connection: Connection, site_id: str, stall: tuple[str, str]) -> None:
    known = select(stalls.c.stall).where(
        stalls.c.site_id == site_id, stalls.c.station_id == stall[0], stalls.c.stall == stall[1]
    )
    if connection.execute(known).first() is None:
        raise Unknown("stall", "/".join(stall))
