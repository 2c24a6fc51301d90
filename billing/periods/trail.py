"""Who did what, when and why: every deed of people as one trail, newest first.

Nothing is said twice. What a table of its own holds for good, with its author (decisions about sessions, tariffs,
policies, refunds, credits), is read from there; `record` writes down the rest, in the transaction of the deed itself.
Only columns that are written once are read, so that a day's trail can be sealed (`seals`).
"""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, func, insert, literal, or_, select, tuple_

from billing.store.arrears import dispute_decisions, provisions
from billing.store.invoices import seller_policies
from billing.store.payments import credits_given, payments, refunds
from billing.store.periods import audit, periods
from billing.store.tables import tariff_assignments, tariffs, token_holders
from sessions.facts import Kind
from sessions.store.tables import facts

OURSELVES = ("idlefee", "preset", "default")  # the product is nobody's deed
BY_CLOCKS = (Kind.FINALISED.value, Kind.NOTICE_ACCEPTED.value)  # facts that nobody decided


class Place(NamedTuple):
    """A deed's place in the trail."""

    at: int
    source: int
    key: str


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing somebody did. `subject` names what it was done to, `details` what else is known of it."""

    place: Place
    author: str
    what: str
    subject: str
    reason: str | None
    details: Mapping[str, Any]

    @property
    def at(self) -> int:
        return self.place.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which deeds; none of a field means all. [since, until). `author` may be a role: `finance` means all of its."""

    since: int | None = None
    until: int | None = None
    author: str | None = None
    what: str | None = None
    subject: str | None = None


def record(
    connection: Connection,
    *,
    author: str,
    what: str,
    subject: str,
    now: int,
    reason: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write a deed down that no other table says, in the transaction that does it. No names, addresses or secrets:
    the trail outlives an owner's erasure.
    """
    text = json.dumps(details or {}, separators=(",", ":"), sort_keys=True)
    values = {"author": author, "what": what, "subject": subject, "reason": reason, "details": text}
    connection.execute(insert(audit), {"id": secrets.token_hex(8), "at": now, **values})


@dataclass(frozen=True, slots=True)
class _Source:
    """A table in which deeds stand: where each part of them is found. `key` orders what is done in one second."""

    key: Sequence[ColumnElement[Any]]
    at: ColumnElement[Any]
    author: ColumnElement[Any]
    what: ColumnElement[Any]
    subject: ColumnElement[Any]
    reason: ColumnElement[Any] | None
    details: Sequence[ColumnElement[Any]] = ()
    only: ColumnElement[bool] | None = None


def _named(what: str) -> ColumnElement[Any]:
    return literal(what, Text)


def _joined(*parts: ColumnElement[Any]) -> ColumnElement[Any]:
    first, *others = (cast(part, Text) for part in parts)
    joined: ColumnElement[Any] = first
    for other in others:
        joined = joined + literal("/") + other
    return joined


def _asked_and_decided(table: Any, kind: str | None) -> tuple[_Source, _Source]:
    """Refunds and credits: somebody asked, and somebody decided."""
    c = table.c
    name: ColumnElement[Any] = c.kind if kind is None else _named(kind)
    details = (c.owner_id, c.amount_minor, c.currency, c.reason_code)
    asked = _Source(
        (c.owner_id, c.id),
        c.asked_at,
        c.asked_by,
        name + literal("_asked"),
        name + literal(" ") + c.id,
        c.reason,
        details,
    )
    decided = _Source(
        (c.owner_id, c.id),
        c.decided_at,
        c.decided_by,
        name + literal("_decided"),
        name + literal(" ") + c.id,
        c.decided_because,
        details,
        and_(c.decided_at.is_not(None), c.decided_by.is_not(None)),
    )
    return asked, decided


def _sources() -> tuple[_Source, ...]:
    f, v, a, s, h, p = facts.c, tariffs.c, tariff_assignments.c, seller_policies.c, token_holders.c, periods.c
    d, r, m, u = dispute_decisions.c, provisions.c, payments.c, audit.c
    about = (
        f.station_id,
        f.stall,
        f.event_id,
        f.starts_at,
        f.ends_at,
        f.owner_id,
        f.amount_minor,
        f.tariff,
        f.tariff_version,
    )
    return (
        _Source(
            (f.site_id, f.n),
            f.recorded_at,
            f.author,
            f.kind,
            _subject_of_fact(),
            f.reason,
            (f.site_id, *about),
            f.kind.not_in(BY_CLOCKS),
        ),
        _Source((v.name, v.version), v.recorded_at, v.author, _named("tariff"), _joined(v.name, v.version), None),
        _Source(
            (a.site_id, a.valid_from),
            a.recorded_at,
            a.author,
            _named("tariff_assigned"),
            literal("site ") + a.site_id,
            a.reason,
            (a.valid_from, a.tariff, a.tariff_version),
        ),
        _Source(
            (s.seller_id, s.n),
            s.recorded_at,
            s.author,
            _named("policy"),
            literal("seller ") + s.seller_id,
            s.reason,
            (s.n,),
        ),
        _Source(
            (h.token_id, h.valid_from),
            h.recorded_at,
            h.author,
            _named("token_given"),
            literal("owner ") + h.owner_id,
            None,
            (h.token_id, h.valid_from),
        ),
        _Source(
            (p.seller_id, p.month),
            p.closed_at,
            p.author,
            _named("month_closed"),
            _joined(p.seller_id, p.month),
            p.reason,
        ),
        *_asked_and_decided(refunds, "refund"),
        *_asked_and_decided(credits_given, None),
        _Source(
            (d.owner_id, d.dispute_id, d.n),
            d.recorded_at,
            d.author,
            literal("dispute_") + d.decision,
            literal("dispute ") + d.dispute_id,
            d.reason,
            (d.owner_id,),
        ),
        _Source(
            (r.seller_id, r.id),
            r.recorded_at,
            r.author,
            _named("provision"),
            literal("seller ") + r.seller_id,
            r.reason,
            (r.amount_minor, r.currency),
        ),
        _Source(
            (m.owner_id, m.id),
            m.created_at,
            m.author,
            _named("payment_recorded"),
            literal("payment ") + m.id,
            None,
            (m.owner_id, m.means, m.amount_minor, m.currency),
            m.author.not_in(OURSELVES),
        ),
        _Source((u.id,), u.at, u.author, u.what, u.subject, u.reason, (u.details,)),
    )


def _subject_of_fact() -> ColumnElement[Any]:
    return func.coalesce(literal("session ") + facts.c.session_id, literal("site ") + facts.c.site_id)


SOURCES = _sources()


def deeds(connection: Connection, asked: Asked, before: Place | None, most: int) -> list[Deed]:
    """Up to `most` deeds, newest first, behind the place `before`."""
    found = [_deeds_of(connection, number, asked, before, most) for number in range(len(SOURCES))]
    newest_first = merge(*found, key=lambda deed: (-deed.place.at, -deed.place.source))
    return list(islice(newest_first, most))


def every_deed(connection: Connection, since: int, until: int) -> list[Deed]:
    """All deeds of an interval, in one order that no database's collation decides."""
    found: list[Deed] = []
    for number in range(len(SOURCES)):
        found += _deeds_of(connection, number, Asked(since=since, until=until), None, None)
    return sorted(found, key=lambda deed: deed.place)


def _deeds_of(connection: Connection, number: int, asked: Asked, before: Place | None, most: int | None) -> list[Deed]:
    source, (statement, key) = SOURCES[number], _of_people(number)
    statement = statement.where(*_conditions(source, asked))
    if before is not None:
        place = tuple_(source.at, key) < (before.at, before.key)
        same = source.at <= before.at if number < before.source else source.at < before.at
        statement = statement.where(place if number == before.source else same)
    if most is not None:
        statement = statement.limit(most)
    return [_deed(number, source, row) for row in connection.execute(statement)]


@cache
def _of_people(number: int) -> tuple[Select[Any], ColumnElement[Any]]:
    """All that people did by a source, newest first, and what orders it within a second."""
    source = SOURCES[number]
    key = _joined(*source.key)
    reason = literal(None, Text) if source.reason is None else source.reason
    details = (column.label(f"detail_{at}") for at, column in enumerate(source.details))
    told = select(source.at, key, source.author, source.what, source.subject, reason, *details)
    only = [] if source.only is None else [source.only]
    return told.where(source.author.not_in(OURSELVES), *only).order_by(source.at.desc(), key.desc()), key


def _conditions(source: _Source, asked: Asked) -> Iterator[ColumnElement[bool]]:
    if asked.since is not None:
        yield source.at >= asked.since
    if asked.until is not None:
        yield source.at < asked.until
    if asked.author is not None:
        yield or_(source.author == asked.author, source.author.startswith(f"{asked.author}:", autoescape=True))
    if asked.what is not None:
        yield source.what == asked.what
    if asked.subject is not None:
        yield source.subject == asked.subject


def _deed(number: int, source: _Source, row: Any) -> Deed:
    at, key, author, what, subject, reason, *rest = row
    if source.at is audit.c.at:
        details = json.loads(rest[0])
    else:
        names = (str(column.key) for column in source.details)
        details = {name: value for name, value in zip(names, rest, strict=True) if value is not None}
    return Deed(Place(at, number, key), author, what, subject, reason, details)
