"""Sessions and decisions as lists, a page at a time: whose a session is, where it stands, what it came to. Reads only.

Lists run newest first and are cut by the last row's place, never by a count: what arrives meanwhile moves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union,
)

from billing.store.tables import charges, token_holders
from sessions.facts import Fact, Kind
from sessions.statements import keys_of
from sessions.store.queries import SessionKey
from sessions.store.tables import facts, sessions


class Where(StrEnum):
    """Where a session stands, as a list may be asked for it."""

    RUNNING = "running"
    ENDED = "ended"
    IN_REVIEW = "in_review"
    UNCLAIMED = "unclaimed"
    NOT_BILLABLE = "not_billable"
    WITH_FEE = "with_fee"
    FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which sessions; none of a field means all. [since, until) holds the plug-in, on our clock."""

    site_id: str | None = None
    station_id: str | None = None
    owner_id: str | None = None
    token_id: str | None = None
    where: Where | None = None
    since: int | None = None
    until: int | None = None


class Place(NamedTuple):
    """A row's place in a list of sessions."""

    at: int
    site_id: str
    id: str


class Listed(NamedTuple):
    """One session of a list: the snapshot, and its charge as far as there is one. Times are on our clock."""

    key: SessionKey
    stall: str | None
    owner_id: str | None
    plugged_in_at: int | None
    completed_at: int | None
    unplugged_at: int | None
    until: int | None
    closed: bool
    not_billable: str | None
    doubts: tuple[str, ...]
    tariff: str | None
    tariff_version: int | None
    currency: str | None
    fee_minor: int | None
    computed_minor: int | None
    finalised_at: int | None

    @property
    def place(self) -> Place:
        return Place(self.plugged_in_at or 0, self.key.site_id, self.key.id)


_offset = sessions.c.offset_s
_begins = sessions.c.plugged_in_at + _offset
# As `ix_sessions_newest` has it: a bound 0 would not be its own. 0 where no plug-in is known.
begins_at = func.coalesce(_begins, literal_column("0"))
_charged = and_(charges.c.site_id == sessions.c.site_id, charges.c.session_id == sessions.c.id)
_claims = and_(
    facts.c.site_id == sessions.c.site_id, facts.c.session_id == sessions.c.id, facts.c.kind == Kind.CLAIM.value
)
_holds = and_(
    token_holders.c.token_id == sessions.c.token_id,
    token_holders.c.valid_from <= _begins,
    or_(token_holders.c.valid_to.is_(None), token_holders.c.valid_to > _begins),
)

# As `settle` decides it: by the charge where there is one, else by the last claim, else by the token at the plug-in.
# (`n + 0`, because a site's facts lie in that order already, and SQLite would rather read all of them than sort a few.)
_owner: ColumnElement[str | None] = case(
    (charges.c.session_id.is_not(None), charges.c.owner_id),
    (
        select(facts.c.n).where(_claims).correlate(sessions).exists(),
        select(facts.c.owner_id)
        .where(_claims)
        .order_by((facts.c.n + 0).desc())
        .limit(1)
        .correlate(sessions)
        .scalar_subquery(),
    ),
    else_=select(token_holders.c.owner_id).where(_holds).limit(1).correlate(sessions).scalar_subquery(),
)

# As `ix_sessions_not_billable` has it.
NOT_BILLABLE = and_(sessions.c.closed, sessions.c.not_billable.is_not(None))

_WHERE: dict[Where, ColumnElement[bool]] = {
    Where.RUNNING: and_(sessions.c.closed.is_(False), sessions.c.plugged_in_at.is_not(None)),
    Where.ENDED: sessions.c.closed.is_(True),
    Where.IN_REVIEW: charges.c.held.is_not(None),
    Where.UNCLAIMED: and_(charges.c.owner_id.is_(None), charges.c.fee_minor > 0),
    Where.NOT_BILLABLE: NOT_BILLABLE,
    Where.WITH_FEE: and_(sessions.c.closed.is_(True), charges.c.fee_minor > 0),
    Where.FREE: and_(sessions.c.closed.is_(True), charges.c.fee_minor == 0, charges.c.held.is_(None)),
}
_OF_CHARGES = (Where.IN_REVIEW, Where.UNCLAIMED, Where.WITH_FEE, Where.FREE)


def sessions_after(connection: Connection, wanted: Wanted, after: Place | None, most: int) -> list[Listed]:
    """Up to `most` sessions behind the place `after`, newest plug-in first."""
    statement = _asked(wanted)
    if after is not None:
        behind = tuple_(sessions.c.site_id, sessions.c.id) > (after.site_id, after.id)
        # The first of the conditions walks the index.
        statement = statement.where(begins_at <= after.at, or_(begins_at < after.at, behind))
    statement = statement.order_by(begins_at.desc(), sessions.c.site_id, sessions.c.id).limit(most)
    return sessions_listed(connection, [SessionKey(*row) for row in connection.execute(statement)])


def sessions_listed(connection: Connection, keys: Sequence[SessionKey]) -> list[Listed]:
    """These sessions in this order, as a list shows them: what costs a look-up each is asked of them only."""
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("session_id", Text())), keys)
    named = and_(sessions.c.site_id == wanted.c.site_id, sessions.c.id == wanted.c.session_id)
    statement = _columns().select_from(wanted.join(sessions, named).outerjoin(charges, _charged))
    found = {listed.key: listed for listed in map(_listed, connection.execute(statement))}
    return [found[key] for key in keys if key in found]


def _columns() -> Select[Any]:
    return select(
        sessions.c.site_id,
        sessions.c.id,
        sessions.c.stall,
        _owner,
        _begins,
        sessions.c.completed_at + _offset,
        sessions.c.unplugged_at + _offset,
        sessions.c.until + _offset,
        sessions.c.closed,
        sessions.c.not_billable,
        func.coalesce(charges.c.held, sessions.c.review),
        charges.c.tariff,
        charges.c.tariff_version,
        charges.c.currency,
        charges.c.fee_minor,
        charges.c.computed_minor,
        charges.c.finalised_at,
    )


def _listed(row: Any) -> Listed:
    site_id, id_, *rest = row
    listed = Listed(SessionKey(site_id, id_), *rest)
    return listed._replace(doubts=tuple((row[10] or "").split()))


def _asked(wanted: Wanted) -> Select[Any]:
    statement = select(sessions.c.site_id, sessions.c.id)
    if wanted.owner_id is not None or wanted.where in _OF_CHARGES:
        statement = statement.outerjoin(charges, _charged)
    if wanted.site_id is not None:
        statement = statement.where(sessions.c.site_id == wanted.site_id)
    if wanted.station_id is not None:
        statement = statement.where(sessions.c.station_id == wanted.station_id)
    if wanted.token_id is not None:
        statement = statement.where(sessions.c.token_id == wanted.token_id)
    if wanted.owner_id is not None:
        candidate = tuple_(sessions.c.site_id, sessions.c.id).in_(_perhaps_of(wanted.owner_id))
        statement = statement.where(candidate, _owner == wanted.owner_id)
    if wanted.where is not None:
        statement = statement.where(_WHERE[wanted.where])
    if wanted.since is not None:
        statement = statement.where(_begins >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(_begins < wanted.until)
    return statement


def sites_of_owner(connection: Connection, owner_id: str) -> list[str]:
    """Where an owner has sessions."""
    candidate = tuple_(sessions.c.site_id, sessions.c.id).in_(_perhaps_of(owner_id))
    statement = select(sessions.c.site_id).outerjoin(charges, _charged).where(candidate, _owner == owner_id)
    return sorted(connection.execute(statement.distinct()).scalars())


def _perhaps_of(owner_id: str) -> Select[Any]:
    """Sessions that may be an owner's, found by index: charged to them, by a token of theirs, or claimed for them."""
    by_charge = select(charges.c.site_id, charges.c.session_id).where(charges.c.owner_id == owner_id)
    its_tokens = select(token_holders.c.token_id).where(token_holders.c.owner_id == owner_id)
    by_token = select(sessions.c.site_id, sessions.c.id).where(sessions.c.token_id.in_(its_tokens))
    by_claim = select(facts.c.site_id, facts.c.session_id).where(
        facts.c.owner_id == owner_id, facts.c.kind == Kind.CLAIM.value
    )
    found = union(by_charge, by_token, by_claim).subquery()
    return select(found)


def decisions_after(
    connection: Connection,
    site_id: str,
    kinds: Sequence[Kind],
    session_id: str | None,
    before_n: int | None,
    most: int,
) -> list[Fact]:
    """What was recorded at a site, newest first, from before fact `before_n` on."""
    statement = select(facts).where(facts.c.site_id == site_id, facts.c.kind.in_([kind.value for kind in kinds]))
    if session_id is not None:
        statement = statement.where(facts.c.session_id == session_id)
    if before_n is not None:
        statement = statement.where(facts.c.n < before_n)
    rows = connection.execute(statement.order_by(facts.c.n.desc()).limit(most)).mappings()
    return [Fact(**{**row, "kind": Kind(row["kind"])}) for row in rows]
