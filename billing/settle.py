"""The convergence: what a session should cost, less what the ledger holds for it, is posted. One path for every change.

First bill, late event, waiver, excuse, re-rate, claim, review decision: each records its fact and calls `settle`.
Callers hold the lock of the session's station. Posted entries never change; a zero difference posts nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypedDict

from sqlalchemy import Connection, Select, and_, select

from billing import ledger
from billing.assignments import Prices, VersionRef, tariff_version
from billing.jobs import overdue, session_job
from billing.money import MILLION, half_up
from billing.owners import holder_at, holdings_of
from billing.rating import Context, FeeReport, Occupancy, rate, report_to_json
from billing.store.tables import charges
from billing.tariffs import Tariff
from sessions.database import is_postgresql
from sessions.facts import FOREVER, Fact, Kind, facts_of, site_facts
from sessions.folding import Folded
from sessions.machine import Span
from sessions.sites import Site, occupancy, sites_by_id
from sessions.statements import bulk_overwrite, kept_json
from sessions.store.queries import SESSIONS, SessionKey
from sessions.store.tables import sessions

ALL = -1  # `waived_minor`: the whole fee, whatever it comes to


@dataclass(frozen=True, slots=True)
class Charge:
    """A session's place in the books, as `charges` keeps it. Amounts in minor units of `currency`."""

    key: SessionKey
    owner_id: str | None
    seller_id: str
    tariff: str
    tariff_version: int
    rules_version: int
    currency: str
    computed_minor: int
    allowed_minor: int
    waived_minor: int | None
    fee_minor: int
    tax_minor: int
    held: tuple[str, ...]
    decision: str | None
    settlements: int
    settled_at: int
    assessed_at: int
    finalised_at: int | None
    report: str


def fee_of(charge: Charge, owner_id: str) -> int:
    """What of a charge stands on this owner's account."""
    return charge.fee_minor if charge.owner_id == owner_id else 0


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a session costs by its facts at one moment, with the facts that name it. `owner_id` none: nobody claimed
    it.
    """

    folded: Folded
    site: Site
    tariff: Tariff
    context: Context
    report: FeeReport
    owner_id: str | None
    facts: Sequence[Fact]

    @property
    def key(self) -> SessionKey:
        return self.folded.key


class _AcceptedNotice(TypedDict):
    notice_accepted_at: int | None
    notice_channel: str | None
    notice_id: str | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """One session settled: its charge before (none: the first time) and after."""

    before: Charge | None
    after: Charge
    assessment: Assessment

    @property
    def changed_minor(self) -> int:
        return self.after.fee_minor - (self.before.fee_minor if self.before else 0)


def assess(
    connection: Connection, folded: Sequence[Folded], now: int, before: Mapping[SessionKey, Charge] | None = None
) -> list[Assessment]:
    """Price each session by the facts known now.

    Without a plug-in there is no session and no fee; but one that was charged `before`, and whose plug-in no longer
    counts, is priced all the same, at nothing, so that what was posted for it is taken back.
    """
    before = before or {}
    timelines = [one for one in folded if one.timeline.plugged_in_at is not None or one.key in before]
    if not timelines:
        return []
    site_ids = sorted({one.key.site_id for one in timelines})
    sites = sites_by_id(connection, site_ids)
    prices = Prices(connection, site_ids, now)
    excuses = site_facts(connection, site_ids, [Kind.EXCUSE])
    named = facts_of(connection, [one.key for one in timelines])
    holdings = holdings_of(connection, {one.timeline.token for one in timelines if one.timeline.token is not None})
    found: list[Assessment] = []
    for one in timelines:
        timeline, site, facts = one.timeline, sites[one.key.site_id], named.get(one.key, [])
        plugged_in_at = (timeline.plugged_in_at or 0) + timeline.offset_s
        if timeline.plugged_in_at is None:
            charged = before[one.key]
            tariff = tariff_version(connection, VersionRef(charged.tariff, charged.tariff_version))
        else:
            tariff = prices.pinned(site.id, plugged_in_at)
        context = Context(
            zone=site.tz,
            excuses=excuses_upon(one, excuses.get(site.id, ())),
            **_accepted_notice(facts),
            occupancy=_occupancy(connection, one) if tariff.tiers else (),
        )
        owner_id = _owner(facts, holder_at(holdings.get(timeline.token or "", ()), plugged_in_at))
        found.append(Assessment(one, site, tariff, context, rate(timeline, tariff, context), owner_id, facts))
    return found


def settle(connection: Connection, folded: Sequence[Folded], now: int, reason: str) -> list[Settlement]:
    """Post what is missing for each session that is over, or was billed before; answers those whose charge changed."""
    before = charges_of(connection, [one.key for one in folded])
    due = [one for one in folded if one.closed or one.key in before]
    final = _due_to_be_final(connection, before, now)
    settled = [
        Settlement(before.get(one.key), charge_for(one, before.get(one.key), now, one.key in final), one)
        for one in assess(connection, due, now, before)
    ]
    held = ledger.posted(connection, [key for key, charge in before.items() if charge.settlements])
    transfers: list[ledger.Transfer] = []
    written: list[Charge] = []
    for one in settled:
        after = one.after
        moves = ledger.difference(books_of(after, one.assessment.tariff), held.get(after.key, {}))
        posting = ledger.transfers_for(after.key, after.settlements, moves, reason)
        transfers += posting
        written.append(_numbered(after, len(posting)))
    ledger.post(connection, transfers, now)
    _write(connection, written, before, now)
    return [Settlement(one.before, after, one.assessment) for one, after in zip(settled, written, strict=True)]


def let_through(
    *,
    computed_minor: int,
    allowed_before_minor: int,
    doubts: Sequence[str],
    finalised: bool,
    decision: Fact | None,
) -> tuple[int, tuple[str, ...]]:
    """What of a computed fee may post, and why the rest waits (RULES, "When a fee posts").

    In review a fee may fall, never rise; release lets it through up to the amount released; reject makes it zero.
    """
    if decision is not None and decision.kind is Kind.REJECT:
        return 0, ()
    waits = list(doubts)
    if finalised and computed_minor > allowed_before_minor:
        waits.append("rise_after_finalisation")
    if decision is not None:
        released_minor = decision.amount_minor or 0
        if computed_minor <= released_minor:
            return computed_minor, ()
        return released_minor, (*waits, "rise_after_release")
    if waits:
        return min(computed_minor, allowed_before_minor), tuple(waits)
    return computed_minor, ()


def _due_to_be_final(connection: Connection, before: Mapping[SessionKey, Charge], now: int) -> set[SessionKey]:
    """Sessions whose time to be final has come, though no worker came to it yet: its delay must not cost anybody."""
    names = {
        session_job("finalise", key, now).key: key for key, charge in before.items() if charge.finalised_at is None
    }
    return {names[name] for name in overdue(connection, names, now)}


def charge_for(one: Assessment, before: Charge | None, now: int, due_to_be_final: bool = False) -> Charge:
    """What the session's charge should be, given what stands; settling twice gives the same charge as settling once."""
    report, tariff = one.report, one.tariff
    doubts = [*one.folded.timeline.review, *(() if one.folded.closed else ("not_ended",))]
    if tariff.review_above_minor is not None and report.fee_minor > tariff.review_above_minor:
        doubts.append("above_limit")
    decision = _latest(one.facts, Kind.RELEASE, Kind.REJECT)
    finalised = _latest(one.facts, Kind.FINALISED)
    held_as_final = before is not None and "rise_after_finalisation" in before.held
    allowed, held = let_through(
        computed_minor=report.fee_minor,
        allowed_before_minor=before.allowed_minor if before else 0,
        doubts=doubts,
        finalised=finalised is not None or due_to_be_final or held_as_final,
        decision=decision,
    )
    waived = _waived(one.facts)
    fee = 0 if waived == ALL else max(0, allowed - (waived or 0))
    return Charge(
        key=one.key,
        owner_id=one.owner_id,
        seller_id=one.site.seller_id,
        tariff=tariff.name,
        tariff_version=tariff.version,
        rules_version=report.rules_version,
        currency=tariff.currency,
        computed_minor=report.fee_minor,
        allowed_minor=allowed,
        waived_minor=waived,
        fee_minor=fee,
        tax_minor=_tax_within(fee, report, tariff),
        held=held,
        decision=decision.kind.value if decision else None,
        settlements=before.settlements if before else 0,
        settled_at=before.settled_at if before else now,
        assessed_at=one.folded.folded_at,
        finalised_at=finalised.recorded_at if finalised else None,
        report=kept_json(report_to_json(report)),
    )


def _tax_within(fee_minor: int, report: FeeReport, tariff: Tariff) -> int:
    """The tax in what is posted: as rated, or where less is posted, the same share of it, half-up."""
    if fee_minor == report.fee_minor or tariff.tax is None:
        return report.tax_minor if fee_minor else 0
    share_ppm = tariff.tax.rate_ppm
    return half_up(fee_minor * share_ppm, MILLION + share_ppm)


def books_of(after: Charge, tariff: Tariff) -> dict[ledger.Line, int]:
    """Where the charge should stand in the ledger."""
    return ledger.owed(
        fee_minor=after.fee_minor,
        tax_minor=after.tax_minor,
        tax_code=tariff.tax.code if tariff.tax else None,
        owner_id=after.owner_id,
        seller_id=after.seller_id,
        currency=after.currency,
    )


def _numbered(charge: Charge, transfers: int) -> Charge:
    return replace(charge, settlements=charge.settlements + transfers) if transfers else charge


def _latest(facts: Sequence[Fact], *kinds: Kind) -> Fact | None:
    return next((fact for fact in reversed(facts) if fact.kind in kinds), None)


def _owner(facts: Sequence[Fact], holder: str | None) -> str | None:
    claim = _latest(facts, Kind.CLAIM)
    return holder if claim is None else claim.owner_id


def _waived(facts: Sequence[Fact]) -> int | None:
    waivers = [fact.amount_minor for fact in facts if fact.kind is Kind.WAIVER]
    if not waivers:
        return None
    return ALL if None in waivers else sum(amount or 0 for amount in waivers)


def notice_accepted_at(facts: Sequence[Fact]) -> int | None:
    """When a channel first took the session's charge-complete notice, by the facts that name the session."""
    first = _first_accepted(facts)
    return None if first is None else first.starts_at


def _first_accepted(facts: Sequence[Fact]) -> Fact | None:
    accepted = (fact for fact in facts if fact.kind is Kind.NOTICE_ACCEPTED)
    return min(accepted, key=lambda fact: (fact.starts_at or 0, fact.n), default=None)


def _accepted_notice(facts: Sequence[Fact]) -> _AcceptedNotice:
    """The same, with the channel and the notice's own name, as a `Context` takes them."""
    first = _first_accepted(facts)
    return _AcceptedNotice(
        notice_accepted_at=None if first is None else first.starts_at,
        notice_channel=None if first is None else first.author.removeprefix("channel "),
        notice_id=None if first is None else first.event_id,
    )


def excuses_upon(one: Folded, excuses: Sequence[Fact]) -> tuple[Span, ...]:
    """An operator's excuses of the session's stall or its whole site, on our clock."""
    timeline = one.timeline
    start = (timeline.plugged_in_at or 0) + timeline.offset_s
    end = FOREVER if timeline.until is None else timeline.until + timeline.offset_s
    found = []
    for fact in excuses:
        here = fact.station_id is None or (fact.station_id, fact.stall) == (one.station_id, timeline.stall)
        begins, ends = fact.starts_at or 0, FOREVER if fact.ends_at is None else fact.ends_at
        if here and begins < end and ends > start:
            found.append(Span(begins, ends, fact.reason))
    return tuple(found)


def _occupancy(connection: Connection, one: Folded) -> tuple[Occupancy, ...]:
    window = occupancy_window(one)
    if window is None:
        return ()
    return tuple(Occupancy(*step) for step in occupancy(connection, one.key.site_id, *window))


def occupancy_window(one: Folded) -> tuple[int, int] | None:
    """The time, on our clock, in which it matters to the session's fee how full its site was."""
    timeline = one.timeline
    if one.completed_at is None or timeline.until is None:
        return None
    start, end = one.completed_at + timeline.offset_s, timeline.until + timeline.offset_s
    return start, max(end, start + 1)


# What a charge says; when its row was written says nothing of it.
CHARGE_COLUMNS = tuple(column.name for column in charges.columns if column is not charges.c.changed_at)
CHARGED = and_(charges.c.site_id == sessions.c.site_id, charges.c.session_id == sessions.c.id)  # a session, its charge


def charges_of(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, Charge]:
    """The charges of those sessions that have one."""
    if not keys:
        return {}
    postgresql = is_postgresql(connection)
    rows = connection.execute(_charges_of(postgresql), SESSIONS.bind(postgresql, keys)).mappings()
    return {charge.key: charge for charge in map(charge_from_row, rows)}


@cache
def _charges_of(postgresql: bool) -> Select[Any]:
    wanted = SESSIONS.clause(postgresql)
    theirs = and_(charges.c.site_id == wanted.c.site_id, charges.c.session_id == wanted.c.id)
    return select(charges).join(wanted, theirs)


def charge_from_row(row: Any) -> Charge:
    values = {name: row[name] for name in CHARGE_COLUMNS if name not in ("site_id", "session_id", "held")}
    held = tuple(row["held"].split()) if row["held"] else ()
    return Charge(key=SessionKey(row["site_id"], row["session_id"]), held=held, **values)


def _write(connection: Connection, written: Sequence[Charge], known: Collection[SessionKey], now: int) -> None:
    rows = []
    for charge in written:
        values = {"site_id": charge.key.site_id, "session_id": charge.key.id, "held": " ".join(charge.held) or None}
        rows.append((*(values[n] if n in values else getattr(charge, n) for n in CHARGE_COLUMNS), now))
    bulk_overwrite(connection, charges, (*CHARGE_COLUMNS, charges.c.changed_at.name), rows, known)
