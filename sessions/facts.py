"""Facts beside station events: what people and clocks decided that bears on a bill. Recorded here, never changed.

One function records, a few read. What a fact does to a session is judged in the fold (`machine`), in the rating or
in `settle`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from sessions.database import is_postgresql
from sessions.statements import Among, bulk_insert, for_update
from sessions.store.queries import SESSIONS, SessionKey
from sessions.store.tables import facts, sessions, sites

FOREVER = 253_402_300_799  # 9999-12-31T23:59:59Z


class Kind(StrEnum):
    """What can be recorded; the columns each uses are named behind it."""

    EXCUSE = "excuse"  # station_id and stall, or neither: the whole site; starts_at, ends_at
    OUT_OF_SERVICE = "out_of_service"  # station_id, stall; starts_at, ends_at or none
    BACK_IN_SERVICE = "back_in_service"  # station_id, stall; ends_at: when what had no end ended
    VOID = "void"  # station_id, event_id
    NOTICE_ACCEPTED = "notice_accepted"  # session_id; starts_at: when a channel took its first; event_id: which notice
    CLAIM = "claim"  # session_id, owner_id (none: nobody's)
    WAIVER = "waiver"  # session_id, amount_minor (none: all of it)
    RELEASE = "release"  # session_id, amount_minor: the fee let through
    REJECT = "reject"  # session_id
    RERATE = "rerate"  # starts_at, ends_at of the plug-in; tariff and its version
    FINALISED = "finalised"  # session_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One recorded decision. Times are UTC seconds on our clock; `n` orders the facts of a site."""

    site_id: str
    kind: Kind
    author: str
    reason: str
    key: str | None = None
    station_id: str | None = None
    stall: str | None = None
    session_id: str | None = None
    event_id: str | None = None
    starts_at: int | None = None
    ends_at: int | None = None
    owner_id: str | None = None
    amount_minor: int | None = None
    tariff: str | None = None
    tariff_version: int | None = None
    n: int = 0
    recorded_at: int = 0


class AlreadyRecorded(Exception):
    """The fact's key was used before, for the very same fact: there is nothing left to do."""

    def __init__(self, fact: Fact) -> None:
        super().__init__(f"recorded before as fact {fact.n} of {fact.site_id}")
        self.fact = fact


class KeyReused(Exception):
    """The fact's key was used before, for something else."""

    def __init__(self, key: str) -> None:
        super().__init__("the key was used before with another content: choose a new key for a new request")
        self.key = key


_UNTIL_NOW = (Kind.RERATE, Kind.BACK_IN_SERVICE)  # kinds whose end, where none was asked for, is now

_COLUMNS = (
    "site_id",
    "kind",
    "author",
    "reason",
    "key",
    "station_id",
    "stall",
    "session_id",
    "event_id",
    "starts_at",
    "ends_at",
    "owner_id",
    "amount_minor",
    "tariff",
    "tariff_version",
    "n",
    "recorded_at",
)


def record_facts(connection: Connection, new: Iterable[Fact], now: int) -> list[Fact]:
    """Append `new` in the caller's transaction, numbered within their sites; a key that is known records nothing.

    Locks the sites in sorted order, before any station: callers lock stations afterwards, never before.
    """
    by_site: dict[str, list[Fact]] = defaultdict(list)
    for fact in new:
        by_site[fact.site_id].append(fact)
    recorded: list[Fact] = []
    for site_id in sorted(by_site):
        lock_site(connection, site_id)
        last = connection.execute(select(func.max(facts.c.n)).where(facts.c.site_id == site_id)).scalar() or 0
        known = _known_keys(connection, site_id, [fact.key for fact in by_site[site_id] if fact.key is not None])
        for fact in by_site[site_id]:
            if fact.key is not None and fact.key in known:
                continue
            last += 1
            values = {name: getattr(fact, name) for name in _COLUMNS} | {"n": last, "recorded_at": now}
            recorded.append(Fact(**values))
    bulk_insert(
        connection, facts, _COLUMNS, [tuple(getattr(fact, name) for name in _COLUMNS) for fact in recorded], conflict=""
    )
    return recorded


def refuse_replay(connection: Connection, asked: Iterable[Fact]) -> None:
    """Raise `AlreadyRecorded` where the same was recorded under the same key, `KeyReused` where something else was.

    Locks the sites, as `record_facts` does: two who send one request at once come one after the other. What the
    product itself adds to what was asked (an amount released, the newest version of a tariff, an end that is now) is
    not compared.
    """
    keyed = {fact.site_id: fact for fact in asked if fact.key is not None}
    for site_id in sorted(keyed):
        lock_site(connection, site_id)
    for key in {fact.key for fact in keyed.values()}:
        anywhere = and_(facts.c.site_id.in_(select(sites.c.id)), facts.c.key == key)
        known = [_fact(row) for row in connection.execute(select(facts).where(anywhere)).mappings()]
        if any(fact.site_id not in keyed or _asked(fact) != _asked(keyed[fact.site_id]) for fact in known):
            raise KeyReused(str(key))
        if known:
            raise AlreadyRecorded(known[0])


def _asked(fact: Fact) -> Fact:
    amount_minor = None if fact.kind is Kind.RELEASE else fact.amount_minor
    ends_at = None if fact.kind in _UNTIL_NOW and fact.ends_at == fact.recorded_at else fact.ends_at
    return replace(fact, amount_minor=amount_minor, ends_at=ends_at, tariff_version=None, n=0, recorded_at=0)


def recorded_under(connection: Connection, site_id: str, key: str) -> Fact | None:
    """What was recorded at a site under a key."""
    row = connection.execute(select(facts).where(facts.c.site_id == site_id, facts.c.key == key)).mappings().first()
    return None if row is None else _fact(row)


def fact_numbered(connection: Connection, site_id: str, n: int) -> Fact:
    """The fact of that number, which must exist."""
    return _fact(connection.execute(select(facts).where(facts.c.site_id == site_id, facts.c.n == n)).mappings().one())


def lock_site(connection: Connection, site_id: str) -> None:
    """What is decided about one site is decided by one transaction at a time."""
    connection.execute(for_update(select(sites.c.id).where(sites.c.id == site_id)))


def _known_keys(connection: Connection, site_id: str, keys: list[str]) -> set[str]:
    if not keys:
        return set()
    statement = select(facts.c.key).where(facts.c.site_id == site_id, facts.c.key.in_(keys))
    return {key for key in connection.execute(statement).scalars() if key is not None}


def facts_of(connection: Connection, keys: Collection[SessionKey]) -> dict[SessionKey, list[Fact]]:
    """The facts that name each session, in their order."""
    postgresql = is_postgresql(connection)
    found: dict[SessionKey, list[Fact]] = defaultdict(list)
    for row in connection.execute(_facts_of(postgresql), SESSIONS.bind(postgresql, keys)).mappings():
        fact = _fact(row)
        found[SessionKey(fact.site_id, fact.session_id or "")].append(fact)
    return found


@cache
def _facts_of(postgresql: bool) -> Select[Any]:
    wanted = SESSIONS.clause(postgresql)
    named = and_(facts.c.site_id == wanted.c.site_id, facts.c.session_id == wanted.c.id)
    return select(facts).join(wanted, named).order_by(facts.c.site_id, facts.c.n)


def site_facts(connection: Connection, site_ids: Collection[str], kinds: Collection[Kind]) -> dict[str, list[Fact]]:
    """The facts of the given kinds that name no session, by site, in their order."""
    postgresql = is_postgresql(connection)
    wanted = _SITES.bind(postgresql, site_ids) | _KINDS.bind(postgresql, (kind.value for kind in kinds))
    found: dict[str, list[Fact]] = defaultdict(list)
    for row in connection.execute(_site_facts(postgresql), wanted).mappings():
        found[row["site_id"]].append(_fact(row))
    return found


_SITES, _KINDS = Among("site_ids"), Among("kinds")


@cache
def _site_facts(postgresql: bool) -> Select[Any]:
    wanted = (_SITES.clause(postgresql, facts.c.site_id), _KINDS.clause(postgresql, facts.c.kind))
    return select(facts).where(*wanted, facts.c.session_id.is_(None)).order_by(facts.c.site_id, facts.c.n)


def _fact(row: Any) -> Fact:
    return Fact(**{**row, "kind": Kind(row["kind"])})


def sessions_overlapping(
    connection: Connection, site_id: str, starts_at: int, ends_at: int, stall: tuple[str, str] | None = None
) -> set[SessionKey]:
    """Sessions of a site, or of one (station, stall), that were plugged in during [starts_at, ends_at) on our clock."""
    begins = sessions.c.plugged_in_at + sessions.c.offset_s
    ends = sessions.c.until + sessions.c.offset_s
    statement = select(sessions.c.site_id, sessions.c.id).where(
        sessions.c.site_id == site_id,
        begins < ends_at,
        or_(ends > starts_at, sessions.c.closed.is_(False)),
    )
    if stall is not None:
        statement = statement.where(and_(sessions.c.station_id == stall[0], sessions.c.stall == stall[1]))
    return {SessionKey(*row) for row in connection.execute(statement)}
