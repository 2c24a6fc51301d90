"""What a site charges, for who has not plugged in yet: today's tariff, what comes, what was, and worked examples.

Every amount in an example is computed by the one implementation of the money rule (`billing.rating`); nothing is
priced here, and no person appears here: who assigned a tariff and why is not for the public.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, exists, select

from billing.assignments import Assignment, VersionRef, tariff_version, timetable
from billing.rating import Context, FeeReport, Occupancy, rate
from billing.store.tables import tariff_assignments
from billing.tariffs import Tariff, no_fee_spans
from billing.tariffs.words import Changed, changes
from sessions.events import Event, EventType
from sessions.facts import Kind
from sessions.machine import Timeline, fold
from sessions.sites import Site, site
from sessions.store.tables import facts

CHARGED_S = 3600  # how long the example's car charges
STAYS_S = (60, 12 * 60, 60 * 60, 180 * 60)  # how long it stays after its grace
WORKED = 1  # which of these is shown as a whole report
HOURS = (12, 15, 18, 9, 20, 7, 0, 3)  # when it is full: the first at which no free hours disturb the example


@dataclass(frozen=True, slots=True)
class Example:
    """A car that is full for `full_s`, and what that costs with `taken_percent` of the stalls taken."""

    full_s: int
    taken_percent: int
    report: FeeReport


@dataclass(frozen=True, slots=True)
class Period:
    """A version in force at a site during [valid_from, valid_to); 0 is since ever, none until further notice."""

    tariff: Tariff
    valid_from: int
    valid_to: int | None
    changed: Sequence[Changed]  # against the one before; the first changes nothing


@dataclass(frozen=True, slots=True)
class SitePrices:
    """A site's periods, oldest first, and which of them is now."""

    site: Site
    periods: Sequence[Period]
    place: int

    @property
    def present(self) -> Period:
        return self.periods[self.place]

    @property
    def coming(self) -> Sequence[Period]:
        return self.periods[self.place + 1 :]


def prices_of(connection: Connection, site_id: str, now: int) -> SitePrices:
    """Raises `Unknown`."""
    where, assigned = site(connection, site_id), timetable(connection, site_id)
    periods = list(_periods(connection, assigned))
    return SitePrices(where, periods, _in_force(assigned, now))


def _in_force(assigned: Sequence[Assignment], now: int) -> int:
    return max(place for place, one in enumerate(assigned) if one.valid_from <= now or place == 0)


def _periods(connection: Connection, assigned: Sequence[Assignment]) -> Iterator[Period]:
    before: Tariff | None = None
    ends = [*(one.valid_from for one in assigned[1:]), None]
    for one, valid_to in zip(assigned, ends, strict=True):
        tariff = tariff_version(connection, one.tariff)
        yield Period(tariff, one.valid_from, valid_to, [] if before is None else changes(before, tariff))
        before = tariff


def published(connection: Connection, ref: VersionRef) -> bool:
    """Whether a version is anybody's terms: it was assigned to a site, or ordered for a past. Drafts are not."""
    assigned = select(tariff_assignments.c.site_id).where(
        tariff_assignments.c.tariff == ref.name, tariff_assignments.c.tariff_version == ref.version
    )
    ordered = select(facts.c.n).where(
        facts.c.kind == Kind.RERATE.value,
        facts.c.session_id.is_(None),
        facts.c.tariff == ref.name,
        facts.c.tariff_version == ref.version,
    )
    return bool(connection.execute(select(exists(assigned) | exists(ordered))).scalar())


# -- worked examples ----------------------------------------------------------------------------------------


def examples(tariff: Tariff, zone: ZoneInfo, now: int) -> list[list[Example]]:
    """What stays of several lengths cost: a row a length, in it one example a price level, the emptiest site first."""
    full_s = [tariff.grace.grace_s, *(tariff.grace.grace_s + stay_s for stay_s in STAYS_S)]
    full_at = _full_at(tariff, zone, now, max(full_s))
    return [
        [Example(stay_s, taken, _rated(tariff, zone, full_at, stay_s, taken)) for taken in levels(tariff)]
        for stay_s in full_s
    ]


def worked(rows: Sequence[Sequence[Example]]) -> Example:
    """The one that is shown with its arithmetic: at the highest price level, some minutes after the grace period."""
    return rows[1 + WORKED][-1]


def levels(tariff: Tariff) -> tuple[int, ...]:
    """From how many percent of the stalls taken each of the tariff's rates holds; 0 is its base rate."""
    return (0, *(tier.from_percent for tier in tariff.tiers))


def _rated(tariff: Tariff, zone: ZoneInfo, full_at: int, full_s: int, taken_percent: int) -> FeeReport:
    how_full = (Occupancy(full_at, taken_percent, 100),) if tariff.tiers else ()
    context = Context(zone, notice_accepted_at=full_at, occupancy=how_full)
    return rate(_stay(full_at, full_s), tariff, context)


def _stay(full_at: int, full_s: int) -> Timeline:
    """A car that charges for an hour, is full, and leaves `full_s` later: folded like any other."""
    steps = (
        (full_at - CHARGED_S, EventType.PLUGGED_IN),
        (full_at - CHARGED_S, EventType.CHARGING_STARTED),
        (full_at, EventType.CHARGE_COMPLETE),
        (full_at + full_s, EventType.UNPLUGGED),
    )
    events = [
        Event(at, None, kind, kind.value, "1", "example", None, None, None, kind.value.encode()) for at, kind in steps
    ]
    return fold(events, session="example")


def _full_at(tariff: Tariff, zone: ZoneInfo, now: int, longest_s: int) -> int:
    """A round hour of the site's day, at which no free hours begin before the longest example ends, if there is one."""
    midnight = datetime.fromtimestamp(now, UTC).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    found = [int((midnight + timedelta(hours=hour)).timestamp()) for hour in HOURS]
    free = (at for at in found if not no_fee_spans(tariff, zone, at, at + longest_s))
    return next(free, found[0])
