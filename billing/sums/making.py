"""The step that sums by day what was written a while ago, a part a transaction; it comes again by itself.

Charges change, so the days they stand in are summed anew; entries never do, so they are added. What was written within
`LATE_S` is left to who asks: a transaction that began earlier may still be under way.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from billing.jobs import Job, Lease, schedule
from billing.store.sums import charge_days, entry_days, summed
from billing.store.tables import charges
from billing.sums import charges as of_charges
from billing.sums import entries as of_entries
from billing.sums.days import Calendars, Cell, calendars, cells_of, day_of
from billing.sums.filters import ALL_SITES, STATE
from sessions.statements import for_update, one_of

STEP = "sum_days"
EVERY_S = 30
LATE_S = 120
CHARGES_A_TURN = 20_000


def sum_later(connection: Connection, now: int) -> None:
    """A worker asks for it when it starts; asked for twice it is done once."""
    schedule(connection, [Job(STEP, STEP, now, {})], now)


def sum_days(lease: Lease) -> None:
    """A part, then the step again: at once while more is to be done."""
    with lease.transaction() as turn:
        for job in turn.jobs:
            more = sum_more(turn.connection, turn.now)
            turn.postpone(job, turn.now if more else turn.now + EVERY_S)


def sum_more(connection: Connection, now: int) -> bool:
    """Sum some of what is not summed yet; whether there is more to do at once."""
    known = calendars(connection)
    moments = {what: _locked(connection, what) for what in (of_charges.WHAT, of_entries.WHAT)}
    late = now - LATE_S
    reached = {
        of_charges.WHAT: _sum_charges(connection, known, moments[of_charges.WHAT], late),
        of_entries.WHAT: _add_entries(connection, known, moments[of_entries.WHAT], late),
    }
    for what, until in reached.items():
        connection.execute(update(summed).where(summed.c.what == what).values(until=until))
    return any(until < late for until in reached.values())


def _locked(connection: Connection, what: str) -> int:
    """Until when it is summed; the row is the lock."""
    statement = select(summed.c.until).where(summed.c.what == what)
    found = connection.execute(for_update(statement)).scalar()
    if found is None:
        connection.execute(insert(summed).values(what=what, until=0))
    return found or 0


# -- charges --------------------------------------------------------------------------------------------------------


def _sum_charges(connection: Connection, known: Calendars, since: int, late: int) -> int:
    """Sum anew every site's day of which a charge was written in [since, until); answers `until`."""
    changed = charges.c.changed_at
    next_ones = select(changed).where(changed >= since, changed < late).order_by(changed)
    last = connection.execute(next_ones.offset(CHARGES_A_TURN).limit(1)).scalar()
    until = max(since, late) if last is None else max(last, since + 1)
    quarters = of_charges.changed_quarters(connection, since, until)
    sum_cells(connection, known, cells_of(quarters, known))
    return until


def sum_cells(connection: Connection, known: Calendars, cells: Collection[Cell]) -> None:
    """Make the sums of these sites' days what their charges come to now."""
    site_ids: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        site_ids[cell.day].add(cell.site_id)
    for day, its in site_ids.items():
        here = and_(charge_days.c.day == day, one_of(connection, charge_days.c.site_id, its))
        connection.execute(delete(charge_days).where(here))
    names = [column.name for column in charge_days.columns]
    for day, there in of_charges.by_day(connection, cells, known):
        connection.execute(insert(charge_days).from_select(names, charges_of_day(day, there)))
    _sum_all_sites(connection, names, site_ids)


def _sum_all_sites(connection: Connection, names: Sequence[str], days: Iterable[str]) -> None:
    """Make the sums of whole days what those of their sites come to."""
    columns = charge_days.c
    here = one_of(connection, columns.day, days)
    connection.execute(delete(charge_days).where(here, columns.site_id == ALL_SITES))
    group = (columns.day, columns.currency, columns.tariff, columns.state, columns.seller_id)
    sums = (columns.charges, columns.computed_minor, columns.fee_minor, columns.tax_minor)
    of_sites = select(literal(ALL_SITES, Text), *group, *map(func.sum, sums)).where(here).group_by(*group)
    connection.execute(insert(charge_days).from_select(names, of_sites))


def charges_of_day(day: str, there: ColumnElement[bool]) -> Select[Any]:
    """The sums of the charges that lie `there`, as rows of `charge_days`."""
    group = (charges.c.site_id, charges.c.currency, charges.c.tariff, STATE, charges.c.seller_id)
    site_id, *others = group
    return select(site_id, literal(day, Text), *others, *of_charges.NUMBERS).where(there).group_by(*group)


# -- entries --------------------------------------------------------------------------------------------------------


def _add_entries(connection: Connection, known: Calendars, since: int, late: int) -> int:
    """Add what was recorded in [since, until), within one day of every calendar; answers `until`."""
    first = of_entries.first_from(connection, since)
    if first is None or first >= late:
        return max(since, late)
    until = min(known.next_midnight(first), late)
    for name, book in of_entries.BOOKS.items():
        for seller_id, currency, account, debit, credit in of_entries.between(connection, book, first, until):
            day = day_of(first, known.zones[seller_id])
            _add(connection, (name, seller_id, currency, account, day), debit, credit)
    return until


def _add(connection: Connection, key: tuple[str, ...], debit_minor: int, credit_minor: int) -> None:
    columns = entry_days.c
    names = dict(zip(("book", "seller_id", "currency", "account", "day"), key, strict=True))
    here = and_(*(columns[name] == value for name, value in names.items()))
    sums = {"debit_minor": columns.debit_minor + debit_minor, "credit_minor": columns.credit_minor + credit_minor}
    if not connection.execute(update(entry_days).where(here).values(**sums)).rowcount:
        given = {"debit_minor": debit_minor, "credit_minor": credit_minor}
        connection.execute(insert(entry_days).values(**names, **given))
