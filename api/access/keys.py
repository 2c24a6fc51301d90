"""Keys: 256 random bits, shown once, kept as a hash. A key speaks for one station, or for a role (an owner's for
that owner).

Four kinds share one table: a *key* is a bearer token, a *link* signs a browser in, a *browser* key is the cookie
that a link opened (`browsers`), an *address* key confirms an e-mail address (`links`).
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from api.access.tables import access_keys
from billing.periods.trail import record

LINK_LASTS_S = 24 * 3600
REMEMBERED_S = 5  # so long may a revoked key still work in a process that has just seen it


class Role(StrEnum):
    """Who a key speaks for (DESIGN, "Day one")."""

    STATION = "station"
    OWNER = "owner"
    SUPPORT = "support"
    FINANCE = "finance"
    OPERATOR = "operator"


class KeyKind(StrEnum):
    """How a key is used."""

    KEY = "key"
    LINK = "link"
    BROWSER = "browser"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is at the door."""

    key_id: str
    role: Role
    label: str
    station_id: str | None = None
    owner_id: str | None = None

    @property
    def author(self) -> str:
        """How this principal signs facts: never with a person's name, which would outlive its erasure."""
        return f"{self.role}:{self.owner_id or self.station_id or self.key_id}"


class Issued(NamedTuple):
    """A new key; `text` is shown once."""

    id: str
    text: str


def issue(
    connection: Connection,
    role: Role,
    *,
    label: str,
    now: int,
    station_id: str | None = None,
    owner_id: str | None = None,
    kind: KeyKind = KeyKind.KEY,
    once: bool = False,
    expires_at: int | None = None,
    device_id: str | None = None,
    author: str = "idlefee",
) -> Issued:
    """Make a key; a station's names its station, an owner's its owner (`ValueError` otherwise).

    The trail keeps who made it (`author`), but for what owners use to reach what is their own.
    """
    if (role is Role.STATION) != (station_id is not None) or (role is Role.OWNER) != (owner_id is not None):
        raise ValueError("a station's key names its station, an owner's its owner, and no other names either")
    issued = Issued(secrets.token_hex(6), f"idf_{secrets.token_urlsafe(32)}")
    row = {
        "id": issued.id,
        "hash": hash_of(issued.text),
        "role": role.value,
        "station_id": station_id,
        "owner_id": owner_id,
        "label": label,
        "kind": kind.value,
        "once": once,
        "created_at": now,
        "expires_at": expires_at,
        "device_id": device_id,
    }
    connection.execute(insert(access_keys), row)
    if role is not Role.OWNER or author != "idlefee":
        details = {"role": role.value, "station": station_id, "owner": owner_id}
        record(
            connection,
            author=author,
            what=_MADE[kind],
            subject=f"key {issued.id}",
            details={name: value for name, value in details.items() if value is not None},
            now=now,
        )
    return issued


_MADE = {
    KeyKind.KEY: "key_made",
    KeyKind.LINK: "link_made",
    KeyKind.BROWSER: "signed_in",
    KeyKind.ADDRESS: "address_asked",
}


_KEY = select(access_keys).where(access_keys.c.hash == bindparam("hash"), access_keys.c.kind == bindparam("kind"))


def authenticate(connection: Connection, text: str, now: int, kind: KeyKind = KeyKind.KEY) -> Principal | None:
    """Whose valid key this is, or none."""
    row = connection.execute(_KEY, {"hash": hash_of(text), "kind": kind.value}).first()
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return Principal(row.id, Role(row.role), row.label, row.station_id, row.owner_id)


def spend(connection: Connection, text: str, now: int, kind: KeyKind = KeyKind.LINK) -> Principal | None:
    """Use a link: one for a single use is used up. None if it is not valid."""
    principal = authenticate(connection, text, now, kind)
    if principal is None:
        return None
    used_up = (
        update(access_keys)
        .where(access_keys.c.id == principal.key_id, access_keys.c.once.is_(True), access_keys.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    spent = connection.execute(used_up).rowcount == 1
    if not spent and _is_once(connection, principal.key_id):
        return None  # two browsers raced for a link of one use: the other was first
    return principal


def revoke(connection: Connection, key_id: str, now: int, author: str | None = None) -> bool:
    """Close a key; False if there is none of that id that is open. The trail keeps which `author` did, if one did."""
    closed = (
        update(access_keys).where(access_keys.c.id == key_id, access_keys.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    done = connection.execute(closed).rowcount == 1
    if done and author is not None:
        record(connection, author=author, what="key_closed", subject=f"key {key_id}", now=now)
    return done


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every key and link without its secret, newest first."""
    statement = (
        select(*(column for column in access_keys.c if column.name != "hash"))
        .where(access_keys.c.kind.in_([KeyKind.KEY.value, KeyKind.LINK.value]))
        .order_by(access_keys.c.created_at.desc(), access_keys.c.id)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def any_key(connection: Connection) -> bool:
    """Whether anybody was ever let in."""
    return connection.execute(select(access_keys.c.id).limit(1)).first() is not None


class Remembered:
    """Valid keys of the last seconds, so that a busy station does not cost a query an upload."""

    def __init__(self, look_up: Callable[[str], Principal | None], now: Callable[[], int]) -> None:
        self._look_up, self._now = look_up, now
        self._seen: dict[str, tuple[Principal, int]] = {}

    def recall(self, text: str) -> Principal | None:
        """The key's principal if it was looked up a moment ago; asks nobody."""
        seen = self._seen.get(text)
        return seen[0] if seen is not None and 0 <= self._now() - seen[1] < REMEMBERED_S else None

    def look_up(self, text: str) -> Principal | None:
        """Ask the database, and remember a valid answer."""
        principal = self._look_up(text)
        if principal is not None:
            if len(self._seen) > 10_000:
                self._seen.clear()
            self._seen[text] = (principal, self._now())
        return principal


def _is_once(connection: Connection, key_id: str) -> bool:
    return bool(connection.execute(select(access_keys.c.once).where(access_keys.c.id == key_id)).scalar())


def hash_of(text: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text.encode()).hexdigest()
