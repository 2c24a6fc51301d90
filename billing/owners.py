"""Owners, the tokens that stand for them and when, and their vehicles. Claims of single sessions are facts
(`sessions.facts`).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, insert, or_, select, update

from billing.store.tables import owners, token_holders, vehicles
from sessions.database import is_postgresql
from sessions.intake import TokenNames
from sessions.sites import NameTaken
from sessions.statements import Among, bulk_insert
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions, tokens


class OwnerUnknown(Exception):
    """No owner has this id."""


class TokenTaken(Exception):
    """The token already stands for somebody in part of that time."""


_ATOM, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL_PATTERN = rf"^{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*$"  # what every mail server takes: a dot-atom, in ASCII
LONGEST_EMAIL = 254


def is_email(text: str) -> bool:
    """Whether mail could go there; only an answer from there tells more."""
    return len(text) <= LONGEST_EMAIL and re.fullmatch(EMAIL_PATTERN, text) is not None


class Holding(NamedTuple):
    """Whose a token is from `valid_from` until before `valid_to` (none: until further notice), on our clock."""

    owner_id: str
    valid_from: int
    valid_to: int | None

    def holds_at(self, moment: int) -> bool:
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


@dataclass(frozen=True, slots=True)
class Owner:
    """Who pays. Name and address are erasable, the id is not."""

    id: str
    name: str | None
    email: str | None
    language: str = "en"


def add_owner(connection: Connection, owner: Owner, now: int) -> None:
    """Raises `NameTaken`."""
    if connection.execute(select(owners.c.id).where(owners.c.id == owner.id)).first() is not None:
        raise NameTaken(f"owner {owner.id} exists")
    connection.execute(
        insert(owners).values(id=owner.id, name=owner.name, email=owner.email, language=owner.language, created_at=now)
    )


def add_missing_owners(connection: Connection, owner_ids: Collection[str], now: int) -> int:
    """Owners of whom nothing but the id is known; answers how many were not there before."""
    known = set(connection.execute(select(owners.c.id).where(owners.c.id.in_(sorted(owner_ids)))).scalars())
    new = sorted(set(owner_ids) - known)
    bulk_insert(connection, owners, ("id", "created_at"), [(owner_id, now) for owner_id in new])
    return len(new)


_OWNER = (owners.c.id, owners.c.name, owners.c.email, owners.c.language)
_ONE_OWNER = select(*_OWNER).where(owners.c.id == bindparam("id"))


def owner(connection: Connection, owner_id: str) -> Owner:
    """Raises `OwnerUnknown`."""
    row = connection.execute(_ONE_OWNER, {"id": owner_id}).first()
    if row is None:
        raise OwnerUnknown(owner_id)
    return Owner(*row)


def has_left(connection: Connection, owner_id: str) -> bool:
    """Whether nobody is behind this id any more (`billing.erasure`)."""
    gone = select(owners.c.id).where(owners.c.id == owner_id, owners.c.erased_at.is_not(None))
    return connection.execute(gone).first() is not None


def set_language(connection: Connection, owner_id: str, language: str) -> None:
    """What this owner is told, they are told in this language from now on. Raises `OwnerUnknown`."""
    changed = connection.execute(update(owners).where(owners.c.id == owner_id).values(language=language))
    if not changed.rowcount:
        raise OwnerUnknown(owner_id)


def set_email(connection: Connection, owner_id: str, email: str) -> None:
    """Where this owner's mail goes from now on. Raises `OwnerUnknown`, also for one who has left."""
    there = (owners.c.id == owner_id, owners.c.erased_at.is_(None))
    changed = connection.execute(update(owners).where(*there).values(email=email))
    if not changed.rowcount:
        raise OwnerUnknown(owner_id)


def owners_at(connection: Connection, email: str, most: int) -> list[Owner]:
    """Whose address this is, in whatever letters it was typed: a family may share one."""
    same = func.lower(owners.c.email) == func.lower(email)
    statement = select(*_OWNER).where(same, owners.c.erased_at.is_(None)).order_by(owners.c.id).limit(most)
    return [Owner(*row) for row in connection.execute(statement)]


def owners_after(connection: Connection, after: str, most: int) -> list[Owner]:
    """Owners in the order of their ids, from behind `after` on."""
    statement = select(*_OWNER).where(owners.c.id > after).order_by(owners.c.id).limit(most)
    return [Owner(*row) for row in connection.execute(statement)]


def give_token(
    connection: Connection,
    names: TokenNames,
    *,
    uid: str,
    owner_id: str,
    author: str,
    now: int,
    valid_from: int = 0,
    valid_to: int | None = None,
) -> str:
    """Let the token `uid` stand for an owner during [valid_from, valid_to); answers the token's surrogate id.

    Raises `OwnerUnknown`, or `TokenTaken` if it stands for somebody in any of that time. Sessions already billed
    are settled again by the caller (`sessions_of_token`).
    """
    owner(connection, owner_id)
    token_id = names.surrogate(uid)
    bulk_insert(connection, tokens, ("id", "uid", "created_at"), [(token_id, uid, now)])  # an upload may be first
    connection.execute(update(tokens).where(tokens.c.id == token_id).values(uid=uid))
    for holding in holdings_of(connection, [token_id]).get(token_id, ()):
        if (valid_to is None or holding.valid_from < valid_to) and (
            holding.valid_to is None or valid_from < holding.valid_to
        ):
            raise TokenTaken(uid)
    connection.execute(
        insert(token_holders).values(
            token_id=token_id,
            valid_from=valid_from,
            valid_to=valid_to,
            owner_id=owner_id,
            author=author,
            recorded_at=now,
        )
    )
    return token_id


def give_missing_tokens(
    connection: Connection, names: TokenNames, wanted: Mapping[str, str], author: str, now: int
) -> tuple[dict[str, str], list[str]]:
    """Let each token (uid → owner) that stands for nobody yet stand for its owner from ever on.

    Answers whose each token is then, and the surrogates of those that were heard of before: the caller settles their
    sessions again (`billing.decisions.token_given`).
    """
    ids = {uid: names.surrogate(uid) for uid in wanted}
    held = holdings_of(connection, ids.values())
    heard_of = set(connection.execute(select(tokens.c.id).where(tokens.c.id.in_(sorted(ids.values())))).scalars())
    given = sorted(uid for uid in wanted if ids[uid] not in held)
    unheard_of = [uid for uid in given if ids[uid] not in heard_of]
    bulk_insert(connection, tokens, ("id", "uid", "created_at"), [(ids[uid], uid, now) for uid in unheard_of])
    columns = ("token_id", "valid_from", "owner_id", "author", "recorded_at")
    bulk_insert(connection, token_holders, columns, [(ids[uid], 0, wanted[uid], author, now) for uid in given])
    holders = {uid: held[ids[uid]][-1].owner_id if ids[uid] in held else wanted[uid] for uid in wanted}
    return holders, [ids[uid] for uid in given if ids[uid] in heard_of]


def holdings_of(connection: Connection, token_ids: Collection[str]) -> dict[str, list[Holding]]:
    """Who held each token, and when."""
    postgresql = is_postgresql(connection)
    found: dict[str, list[Holding]] = {}
    for token_id, *holding in connection.execute(_holdings_of(postgresql), _TOKENS.bind(postgresql, token_ids)):
        found.setdefault(token_id, []).append(Holding(*holding))
    return found


_TOKENS = Among("token_ids")


@cache
def _holdings_of(postgresql: bool) -> Select[Any]:
    c = token_holders.c
    return select(c.token_id, c.owner_id, c.valid_from, c.valid_to).where(_TOKENS.clause(postgresql, c.token_id))


class HeldToken(NamedTuple):
    """A token of an owner's; `uid` is what identifies a person, none once it was erased."""

    id: str
    uid: str | None
    valid_from: int
    valid_to: int | None


def tokens_of(connection: Connection, owner_id: str) -> list[HeldToken]:
    """Every token that stands or stood for an owner."""
    statement = (
        select(tokens.c.id, tokens.c.uid, token_holders.c.valid_from, token_holders.c.valid_to)
        .join(token_holders, token_holders.c.token_id == tokens.c.id)
        .where(token_holders.c.owner_id == owner_id)
        .order_by(token_holders.c.valid_from, tokens.c.id)
    )
    return [HeldToken(*row) for row in connection.execute(statement)]


def end_token(connection: Connection, owner_id: str, token_id: str, now: int) -> bool:
    """The token stands for this owner no longer, from now on; False if it does not stand for them now."""
    stands = (
        token_holders.c.token_id == token_id,
        token_holders.c.owner_id == owner_id,
        token_holders.c.valid_from < now,
        or_(token_holders.c.valid_to.is_(None), token_holders.c.valid_to > now),
    )
    return connection.execute(update(token_holders).where(*stands).values(valid_to=now)).rowcount > 0


def holder_at(holdings: Sequence[Holding], moment: int) -> str | None:
    """The owner who held a token at a moment on our clock."""
    return next((holding.owner_id for holding in holdings if holding.holds_at(moment)), None)


def sessions_of_token(
    connection: Connection, token_id: str, since: int = 0, until: int | None = None
) -> set[SessionKey]:
    """Sessions that named the token and were plugged in during [since, until) on our clock."""
    begins = sessions.c.plugged_in_at + sessions.c.offset_s
    statement = select(sessions.c.site_id, sessions.c.id).where(
        sessions.c.token_id == token_id,
        or_(sessions.c.plugged_in_at.is_(None), begins >= since),
    )
    if until is not None:
        statement = statement.where(begins < until)
    return {SessionKey(*row) for row in connection.execute(statement)}


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A car of an owner's; `plate` is erasable."""

    id: str
    name: str
    plate: str | None
    token_id: str | None = None


def add_vehicle(connection: Connection, owner_id: str, vehicle: Vehicle, now: int) -> None:
    """Raises `OwnerUnknown`."""
    owner(connection, owner_id)
    connection.execute(
        insert(vehicles).values(
            owner_id=owner_id,
            id=vehicle.id,
            name=vehicle.name,
            plate=vehicle.plate,
            token_id=vehicle.token_id,
            created_at=now,
        )
    )


def vehicles_of(connection: Connection, owner_id: str) -> list[Vehicle]:
    statement = (
        select(vehicles.c.id, vehicles.c.name, vehicles.c.plate, vehicles.c.token_id)
        .where(vehicles.c.owner_id == owner_id, vehicles.c.removed_at.is_(None))
        .order_by(vehicles.c.created_at, vehicles.c.id)
    )
    return [Vehicle(*row) for row in connection.execute(statement)]


def change_vehicle(connection: Connection, owner_id: str, vehicle: Vehicle) -> bool:
    """Keep the vehicle as it is given; False if the owner has none of that id."""
    there = (vehicles.c.owner_id == owner_id, vehicles.c.id == vehicle.id, vehicles.c.removed_at.is_(None))
    changed = update(vehicles).where(*there).values(name=vehicle.name, plate=vehicle.plate, token_id=vehicle.token_id)
    return connection.execute(changed).rowcount == 1


def remove_vehicle(connection: Connection, owner_id: str, vehicle_id: str, now: int) -> bool:
    """The owner has this car no longer; False if they have none of that id."""
    there = (vehicles.c.owner_id == owner_id, vehicles.c.id == vehicle_id, vehicles.c.removed_at.is_(None))
    return connection.execute(update(vehicles).where(*there).values(removed_at=now)).rowcount == 1
