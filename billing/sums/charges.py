"""Charges, answered: the sums of a filter, by currency or by day, and a page of its rows. Reads only.

The sums of days know where charges lie, too: of a filter that is rare they name the sites and days to look at.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, false, func, or_, select, true, tuple_

from billing.store.sums import charge_days, summed
from billing.store.tables import charges
from billing.sums.days import (
    QUARTER_S,
    Calendars,
    Cell,
    Stretch,
    calendars,
    cells_of,
    day_of,
    days_between,
    stretch_of,
)
from billing.sums.filters import ALL_SITES, STATE, Place, State, Wanted
from sessions.statements import one_of

WHAT = "charges"
EVERYTHING = Wanted()
DAYS_A_STATEMENT = 50
MANY_SITES = 50
ROWS_A_FETCH = 500
DAYS_APART = 2  # where calendars differ, rows of one day may lie among those of the day before last


@dataclass(slots=True)
class Total:
    """How many charges, and what they come to: by the facts, as posted, and the tax within. Minor units."""

    charges: int = 0
    computed_minor: int = 0
    fee_minor: int = 0
    tax_minor: int = 0

    def add(self, numbers: Sequence[int | None]) -> None:
        self.charges += int(numbers[0] or 0)
        self.computed_minor += int(numbers[1] or 0)
        self.fee_minor += int(numbers[2] or 0)
        self.tax_minor += int(numbers[3] or 0)


class Row(NamedTuple):
    """A charge as a list shows it. Amounts in minor units of `currency`."""

    site_id: str
    session_id: str
    owner_id: str | None
    seller_id: str
    tariff: str
    tariff_version: int
    currency: str
    computed_minor: int
    fee_minor: int
    tax_minor: int
    state: State
    held: str | None
    settled_at: int
    finalised_at: int | None

    @property
    def place(self) -> Place:
        return Place(self.settled_at, self.site_id, self.session_id)


NUMBERS: tuple[ColumnElement[int], ...] = (
    func.count(),
    func.sum(charges.c.computed_minor),
    func.sum(charges.c.fee_minor),
    func.sum(charges.c.tax_minor),
)
_DAY_NUMBERS = tuple(func.sum(charge_days.c[name]) for name in ("charges", "computed_minor", "fee_minor", "tax_minor"))


# -- sums -----------------------------------------------------------------------------------------------------------


def totals(connection: Connection, wanted: Wanted) -> dict[str, Total]:
    """What a filter comes to, by currency."""
    found: dict[str, Total] = defaultdict(Total)
    if wanted.needs_rows:  # what the index of charges with a fee holds by itself
        there = wanted.of_charges(calendars(connection))
        statement = select(charges.c.currency, *NUMBERS).where(*there).group_by(charges.c.currency)
        for currency, *numbers in connection.execute(statement.order_by(charges.c.currency)):
            found[currency].add(numbers)
        return dict(found)
    for (currency, _), total in totals_by_state(connection, wanted).items():
        found[currency].add((total.charges, total.computed_minor, total.fee_minor, total.tax_minor))
    return dict(found)


def totals_by_state(connection: Connection, wanted: Wanted) -> dict[tuple[str, State], Total]:
    """The same by currency and state."""
    found: dict[tuple[str, State], Total] = defaultdict(Total)
    for currency, state, *numbers in _summed(connection, wanted):
        found[currency, State(state)].add(numbers)
    return {group: found[group] for group in sorted(found) if found[group].charges}


def totals_of_rows(connection: Connection, wanted: Wanted = EVERYTHING) -> dict[tuple[str, State], Total]:
    """`totals_by_state` by the rows alone, however many they are: what the sums of days are compared with."""
    found: dict[tuple[str, State], Total] = defaultdict(Total)
    for currency, state, *numbers in _live(connection, wanted.of_charges(calendars(connection))):
        found[currency, State(state)].add(numbers)
    return dict(found)


def _summed(connection: Connection, wanted: Wanted) -> Iterator[Sequence[Any]]:
    known = calendars(connection)
    until = _until(connection)
    if wanted.needs_rows or until is None:
        yield from _live(connection, wanted.of_charges(known))
        return
    dirty = _dirty(connection, known, wanted, until)
    group = (charge_days.c.currency, charge_days.c.state)
    of_days = select(*group, *_DAY_NUMBERS).where(*wanted.of_days(), _outside(connection, dirty, wanted))
    yield from connection.execute(of_days.group_by(*group))
    for there in _within(connection, dirty, known):
        yield from _live(connection, [*wanted.of_charges(known), there])


def _live(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> Iterator[Sequence[Any]]:
    group = (charges.c.currency, STATE)
    yield from connection.execute(select(*group, *NUMBERS).where(*conditions).group_by(*group))


def _until(connection: Connection) -> int | None:
    return connection.execute(select(summed.c.until).where(summed.c.what == WHAT)).scalar()


def _dirty(connection: Connection, known: Calendars, wanted: Wanted, until: int) -> set[Cell]:
    """Sites' days of which a charge was written since they were summed."""
    found = cells_of(changed_quarters(connection, until, None), known)
    return {
        cell
        for cell in found
        if (wanted.site_id is None or cell.site_id == wanted.site_id)
        and (wanted.seller_id is None or known.sellers[cell.site_id] == wanted.seller_id)
        and (wanted.first_day is None or cell.day >= wanted.first_day)
        and (wanted.last_day is None or cell.day <= wanted.last_day)
    }


def changed_quarters(connection: Connection, since: int, until: int | None) -> list[tuple[str, int]]:
    """The quarters of an hour, by site, whose charges were written in [since, until)."""
    quarter = charges.c.settled_at - charges.c.settled_at % QUARTER_S
    statement = select(charges.c.site_id, quarter).where(charges.c.changed_at >= since).distinct()
    if until is not None:
        statement = statement.where(charges.c.changed_at < until)
    return [(row[0], row[1]) for row in connection.execute(statement)]


def _outside(connection: Connection, cells: Collection[Cell], wanted: Wanted) -> ColumnElement[bool]:
    """The sums that hold: of whole days where every site's does, else of the sites whose does."""
    columns = charge_days.c
    by_day: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        by_day[cell.day].add(cell.site_id)
    of_sites = [
        and_(columns.day == day, ~one_of(connection, columns.site_id, {*site_ids, ALL_SITES}))
        for day, site_ids in sorted(by_day.items())
    ]
    whole = ~one_of(connection, columns.day, by_day)
    if wanted.site_id is None:
        whole = and_(columns.site_id == ALL_SITES, whole)
    return or_(whole, *of_sites)


def by_day(
    connection: Connection, cells: Collection[Cell], known: Calendars
) -> Iterator[tuple[str, ColumnElement[bool]]]:
    """The days of the cells, each with the condition that a charge lies in one of its cells."""
    sites: dict[tuple[str, Stretch], set[str]] = defaultdict(set)
    for cell in cells:
        sites[cell.day, stretch_of(cell.day, known.of_site(cell.site_id))].add(cell.site_id)
    for (day, (starts_at, ends_at)), site_ids in sorted(sites.items(), key=itemgetter(0)):
        settled_at = charges.c.settled_at
        in_time = (settled_at >= starts_at, settled_at < ends_at)
        yield day, and_(one_of(connection, charges.c.site_id, site_ids), *in_time)


def _within(connection: Connection, cells: Collection[Cell], known: Calendars) -> Iterator[ColumnElement[bool]]:
    """The condition that a charge lies in one of the cells, in as many parts as one statement should take."""
    parts = [there for _, there in by_day(connection, cells, known)]
    for at in range(0, len(parts), DAYS_A_STATEMENT):
        yield or_(*parts[at : at + DAYS_A_STATEMENT])


# -- rows -----------------------------------------------------------------------------------------------------------

_ROW = (
    charges.c.site_id,
    charges.c.session_id,
    charges.c.owner_id,
    charges.c.seller_id,
    charges.c.tariff,
    charges.c.tariff_version,
    charges.c.currency,
    charges.c.computed_minor,
    charges.c.fee_minor,
    charges.c.tax_minor,
    STATE,
    charges.c.held,
    charges.c.settled_at,
    charges.c.finalised_at,
)


def rows_after(
    connection: Connection, wanted: Wanted, after: Place | None, most: int, *, oldest_first: bool = False
) -> list[Row]:
    """Up to `most` charges behind the place `after`, by the moment they were first settled."""
    known = calendars(connection)
    statement = select(*_ROW).where(*wanted.of_charges(known), _behind(after, oldest_first))
    if not wanted.needs_rows and (until := _until(connection)) is not None:
        statement = statement.where(_where_they_lie(connection, known, wanted, until, after, most, oldest_first))
    order = charges.c.settled_at if oldest_first else charges.c.settled_at.desc()
    ordered = statement.order_by(order, charges.c.site_id, charges.c.session_id).limit(most)
    return [_row(row) for row in connection.execute(ordered)]


def every_row(connection: Connection, wanted: Wanted) -> Iterator[Row]:
    """All charges asked for, newest first, in bounded memory."""
    statement = select(*_ROW).where(*wanted.of_charges(calendars(connection)))
    ordered = statement.order_by(charges.c.settled_at.desc(), charges.c.site_id, charges.c.session_id)
    for row in connection.execute(ordered, execution_options={"yield_per": ROWS_A_FETCH}):
        yield _row(row)


def _row(row: Any) -> Row:
    return Row._make([*row[:10], State(row[10]), *row[11:]])


def _behind(after: Place | None, oldest_first: bool) -> ColumnElement[bool]:
    if after is None:
        return true()
    behind = tuple_(charges.c.site_id, charges.c.session_id) > (after.site_id, after.session_id)
    at = charges.c.settled_at
    if oldest_first:
        return and_(at >= after.at, or_(at > after.at, behind))
    return and_(at <= after.at, or_(at < after.at, behind))


def _where_they_lie(
    connection: Connection,
    known: Calendars,
    wanted: Wanted,
    until: int,
    after: Place | None,
    most: int,
    oldest_first: bool,
) -> ColumnElement[bool]:
    """A box of sites and time in which the next `most` rows are, if there are so many at all; and the sites' days of
    which the sums do not know yet.
    """
    dirty = _dirty(connection, known, wanted, until)
    cells = _next_cells(connection, known, wanted, dirty, after, most, oldest_first)
    if not cells:
        return or_(false(), *_within(connection, dirty, known))
    site_ids = {cell.site_id for cell in cells}
    stretches = {cell: stretch_of(cell.day, known.of_site(cell.site_id)) for cell in cells | dirty}
    starts_at, ends_at = (
        min(stretches[cell].starts_at for cell in cells),
        max(stretches[cell].ends_at for cell in cells),
    )
    apart = {
        cell
        for cell in dirty
        if cell.site_id not in site_ids or stretches[cell].starts_at < starts_at or stretches[cell].ends_at > ends_at
    }
    settled_at = charges.c.settled_at
    box = [settled_at >= starts_at, settled_at < ends_at]
    if len(site_ids) < MANY_SITES:  # of many the names would only keep a planner from walking through time
        box.append(one_of(connection, charges.c.site_id, site_ids))
    return or_(and_(*box), *_within(connection, apart, known))


def _next_cells(
    connection: Connection,
    known: Calendars,
    wanted: Wanted,
    dirty: Collection[Cell],
    after: Place | None,
    most: int,
    oldest_first: bool,
) -> set[Cell]:
    """Sites' days from the place on, until they hold `most` charges; those around the place itself hold some that are
    before it, so they do not count, and nor do those whose sums are out of date.
    """
    day = charge_days.c.day
    statement = select(day, charge_days.c.site_id, charge_days.c.charges).where(*wanted.of_days())
    if wanted.site_id is None:
        some = select(day).where(*wanted.of_days(), charge_days.c.site_id == ALL_SITES)
        statement = statement.where(charge_days.c.site_id != ALL_SITES, day.in_(some))
    near = {day_of(after.at, zone) for zone in known.by_zone} if after is not None else set()
    if near:
        statement = statement.where(day >= min(near) if oldest_first else day <= max(near))
    apart = DAYS_APART if len(known.by_zone) > 1 else 0
    found: set[Cell] = set()
    counted, enough_at = 0, None
    ordered = statement.order_by(day if oldest_first else day.desc())
    rows = connection.execute(ordered, execution_options={"yield_per": ROWS_A_FETCH})
    for its_day, its_rows in groupby(rows, itemgetter(0)):
        if enough_at is not None and len(days_between(*sorted((enough_at, its_day)))) - 1 > apart:
            break
        for _, site_id, count in its_rows:
            cell = Cell(site_id, its_day)
            found.add(cell)
            counted += 0 if its_day in near or cell in dirty else count
        if enough_at is None and counted >= most:
            enough_at = its_day
    rows.close()
    return found
