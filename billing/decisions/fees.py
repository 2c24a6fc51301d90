"""Decisions about what a session costs and who pays: waivers, claims, reviews, tokens, orders to price a past anew."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection, select

from billing.assignments import latest, price_by_occupancy
from billing.decisions.recording import check_interval, record, stated, wait_for_uploads
from billing.engine import Cause, resettle
from billing.jobs import Job, schedule
from billing.owners import owner, sessions_of_token
from billing.settle import Charge, Settlement, charges_of
from sessions.facts import FOREVER, Fact, Kind, record_facts, refuse_replay
from sessions.sites import Unknown
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions, stations

LOOK_AGAIN = "token_given"
LOOK_AGAIN_AFTER_S = 60  # no transaction lasts so long


class NothingToDecide(Exception):
    """The session has no charge yet, or nothing of it waits in review."""


class AmountTooSmall(ValueError):
    """An amount waived is above zero."""


def session_key(connection: Connection, session_id: str) -> SessionKey:
    """The key of `station/session`. Raises `Unknown`."""
    site_id = connection.execute(select(sessions.c.site_id).where(sessions.c.id == session_id)).scalar()
    if site_id is None:
        raise Unknown("session", session_id)
    return SessionKey(site_id, session_id)


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
    check_interval(starts_at, FOREVER if ends_at is None else ends_at)
    version = latest(connection, tariff)
    orders = [
        Fact(
            site_id=site_id,
            kind=Kind.RERATE,
            author=author,
            reason=stated(reason),
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
    wait_for_uploads(connection, stations.c.site_id.in_(sorted(site_ids)))
    return recorded


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
        site_id=key.site_id, kind=kind, author=author, reason=stated(reason), key=request_key, session_id=key.id
    )


def _decide(connection: Connection, fact: Fact, now: int, what: str) -> list[Settlement]:
    recorded = record(connection, fact, now)
    key = SessionKey(fact.site_id, fact.session_id or "")
    return resettle(connection, [key], now, Cause(f"{what}: {fact.reason}", f"{fact.kind.value}:{recorded.n}"))


def _held(connection: Connection, decision: Fact) -> Charge:
    """The charge that waits. A decision sent again is no new one, although nothing waits any more."""
    refuse_replay(connection, [decision])
    key = SessionKey(decision.site_id, decision.session_id or "")
    charge = charges_of(connection, [key]).get(key)
    if charge is None or not charge.held:
        raise NothingToDecide(key.id)
    return charge
