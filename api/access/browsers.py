"""Signed-in browsers: the key in the cookie, how long it lasts, how it is renewed, and how it ends on the server.

A browser's row keeps its id while its secret changes, so that a form of an open page stays good. The next secret is
derived from the one before: requests at the same time, and one whose answer was lost, are all given the same, and
nobody is signed out for it. No cookies, no HTTP in here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate, islice, repeat
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, or_, select, update

from api.access.keys import Issued, KeyKind, Principal, Role, hash_of, issue
from api.access.secret import Secret
from api.access.tables import access_keys, devices
from sessions.database import reading, writing
from sessions.statements import one_of

DAY_S = 24 * 3600
ROTATE_AFTER_S = DAY_S
OVERLAP_S = 60  # so long after the new secret was seen requests that were on their way with the old one pass
TOUCH_AFTER_S = 300  # the last use is kept to within this


class Life(NamedTuple):
    """How long a browser stays signed in: unused, and at most."""

    idle_s: int
    whole_s: int


OWNERS_LIFE = Life(30 * DAY_S, 180 * DAY_S)
STAFFS_LIFE = Life(3 * DAY_S, 14 * DAY_S)
MOST_RENEWALS = OWNERS_LIFE.whole_s // ROTATE_AFTER_S


def life_of(role: Role) -> Life:
    return OWNERS_LIFE if role is Role.OWNER else STAFFS_LIFE


class SignedIn(NamedTuple):
    """A browser that is let in; `renewed` is the key it is to hold from now on, where that is another."""

    principal: Principal
    expires_at: int
    renewed: str | None = None


def open_browser(connection: Connection, principal: Principal, device_id: str | None, now: int) -> Issued:
    """Sign a browser in: always with a key that nobody has seen before."""
    return issue(
        connection,
        principal.role,
        label=principal.label,
        now=now,
        owner_id=principal.owner_id,
        kind=KeyKind.BROWSER,
        expires_at=now + life_of(principal.role).whole_s,
        device_id=device_id,
        author="idlefee" if principal.role is Role.OWNER else principal.author,
    )


def recognise(engine: Engine, secret: Secret, text: str, now: int) -> SignedIn | None:
    """Whose browser holds this key, or none. Writes only where its last use is to be kept, or its key renewed."""
    held = hash_of(text)
    mine = (or_(access_keys.c.hash == held, access_keys.c.previous_hash == held),)
    with reading(engine) as connection:
        row = connection.execute(select(access_keys).where(*mine, access_keys.c.kind == KeyKind.BROWSER.value)).first()
    if row is None or not _is_open(row, held, now):
        _end_copied(engine, secret, text, now)
        return None
    principal = Principal(row.id, Role(row.role), row.label, row.station_id, row.owner_id)
    if row.hash != held:
        return SignedIn(principal, row.expires_at, secret.successor(text))
    changes: dict[str, int | str | None] = {}
    renewed = None
    if row.previous_hash is not None and row.previous_until is None:
        changes["previous_until"] = now + OVERLAP_S
    if now - (row.rotated_at or row.created_at) >= ROTATE_AFTER_S:
        renewed = secret.successor(text)
        changes = {"hash": hash_of(renewed), "previous_hash": held, "previous_until": None, "rotated_at": now}
    if changes or now - (row.last_used_at or row.created_at) >= TOUCH_AFTER_S:
        with writing(engine) as connection:
            unchanged = (access_keys.c.id == row.id, access_keys.c.hash == held)
            connection.execute(update(access_keys).where(*unchanged).values(last_used_at=now, **changes))
    return SignedIn(principal, row.expires_at, renewed)


def still_open(connection: Connection, key_ids: Collection[str], now: int) -> set[str]:
    """Which of these browsers' keys are neither signed out nor over."""
    statement = select(access_keys.c.id).where(
        one_of(connection, access_keys.c.id, key_ids),
        access_keys.c.revoked_at.is_(None),
        access_keys.c.expires_at > now,
    )
    return set(connection.execute(statement).scalars())


def _end_copied(engine: Engine, secret: Secret, text: str, now: int) -> None:
    """A key that was renewed, and used since, is shown again: two browsers hold it, and one of them copied it. Neither
    stays signed in, whoever renewed it first.
    """
    descendants = list(islice(accumulate(repeat(text), lambda key, _: secret.successor(key)), 1, MOST_RENEWALS + 1))
    alive = (access_keys.c.hash.in_(map(hash_of, descendants)), access_keys.c.revoked_at.is_(None))
    with reading(engine) as connection:
        ids = connection.execute(select(access_keys.c.id).where(*alive)).scalars().all()
    if ids:
        with writing(engine) as connection:
            connection.execute(update(access_keys).where(access_keys.c.id.in_(ids)).values(revoked_at=now))


def _is_open(row: Row[tuple[object, ...]], held: str, now: int) -> bool:
    last_used_at = row.last_used_at or row.created_at
    overlaps = row.hash == held or row.previous_until is None or now < row.previous_until
    idle_s = life_of(Role(row.role)).idle_s
    return row.revoked_at is None and now < row.expires_at and now - last_used_at < idle_s and overlaps


# -- what an owner sees of it -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenBrowser:
    """A browser that is signed in as an owner."""

    id: str
    label: str
    signed_in_at: int
    last_used_at: int


def open_browsers(connection: Connection, owner_id: str, now: int) -> list[OpenBrowser]:
    """Where this owner is signed in, the latest used first."""
    statement = (
        select(access_keys.c.id, devices.c.label, access_keys.c.created_at, access_keys.c.last_used_at)
        .outerjoin(devices, (devices.c.id == access_keys.c.device_id) & (devices.c.owner_id == access_keys.c.owner_id))
        .where(
            *_of_owner(owner_id),
            access_keys.c.expires_at > now,
            _last_used() > now - OWNERS_LIFE.idle_s,
        )
        .order_by(_last_used().desc(), access_keys.c.id)
    )
    return [
        OpenBrowser(id_, label or "A browser", created_at, last_used_at or created_at)
        for id_, label, created_at, last_used_at in connection.execute(statement)
    ]


def close_browser(connection: Connection, owner_id: str, key_id: str, now: int) -> bool:
    """Sign one browser out; False if it is none of this owner's that is signed in."""
    closed = update(access_keys).where(*_of_owner(owner_id), access_keys.c.id == key_id).values(revoked_at=now)
    return connection.execute(closed).rowcount == 1


def close_all_browsers(connection: Connection, owner_id: str, now: int, but: str | None = None) -> int:
    """Sign an owner out everywhere, links that wait in a mailbox included; `but` may stay. Answers how many."""
    waiting = update(access_keys).where(
        access_keys.c.owner_id == owner_id,
        access_keys.c.kind.in_([KeyKind.LINK.value, KeyKind.ADDRESS.value]),
        access_keys.c.once.is_(True),
        access_keys.c.revoked_at.is_(None),
    )
    connection.execute(waiting.values(revoked_at=now))
    closed = update(access_keys).where(*_of_owner(owner_id), access_keys.c.id != (but or ""))
    return connection.execute(closed.values(revoked_at=now)).rowcount


def _of_owner(owner_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        access_keys.c.owner_id == owner_id,
        access_keys.c.kind == KeyKind.BROWSER.value,
        access_keys.c.revoked_at.is_(None),
    )


def _last_used() -> ColumnElement[int]:
    return func.coalesce(access_keys.c.last_used_at, access_keys.c.created_at)
