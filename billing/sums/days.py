"""Days by the calendars of sellers' books: `2026-11-22`, from midnight to midnight where the seller keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from sessions.store.tables import sellers, sites

QUARTER_S = 900  # every midnight of a zone in use is a multiple of it: within a quarter no day ends


class Stretch(NamedTuple):
    """[starts_at, ends_at) in UTC seconds."""

    starts_at: int
    ends_at: int


@lru_cache(maxsize=4096)
def stretch_of(day: str, zone: ZoneInfo) -> Stretch:
    """A day from its first second to the next day's; 23 to 25 hours."""
    begins = date.fromisoformat(day)
    return Stretch(_midnight(begins, zone), _midnight(begins + timedelta(days=1), zone))


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())


def day_of(at: int, zone: ZoneInfo) -> str:
    """The day in which a moment falls."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).date().isoformat()


def days_before(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()


def days_between(first: str, last: str) -> list[str]:
    """Every day from the first to the last, both counted."""
    begins, ends = date.fromisoformat(first), date.fromisoformat(last)
    return [(begins + timedelta(days=n)).isoformat() for n in range((ends - begins).days + 1)]


@dataclass(frozen=True, slots=True)
class Calendars:
    """Whose books are kept where, and which site is whose."""

    zones: dict[str, ZoneInfo]  # by seller
    sellers: dict[str, str]  # by site

    def of_site(self, site_id: str) -> ZoneInfo:
        return self.zones[self.sellers[site_id]]

    @property
    def by_zone(self) -> dict[ZoneInfo, list[str]]:
        """The sellers of each calendar."""
        found: dict[ZoneInfo, list[str]] = {}
        for seller_id, zone in sorted(self.zones.items()):
            found.setdefault(zone, []).append(seller_id)
        return found

    def next_midnight(self, at: int) -> int:
        """When the next day begins in any of the calendars, after the moment `at`."""
        return min((stretch_of(day_of(at, zone), zone).ends_at for zone in self.by_zone), default=at + QUARTER_S)


def calendars(connection: Connection) -> Calendars:
    zones = {row[0]: ZoneInfo(row[1]) for row in connection.execute(_ZONES)}
    return Calendars(zones, {row[0]: row[1] for row in connection.execute(_SELLERS)})


_ZONES, _SELLERS = select(sellers.c.id, sellers.c.zone), select(sites.c.id, sites.c.seller_id)


class Cell(NamedTuple):
    """One site's day."""

    site_id: str
    day: str


def cells_of(found: Iterable[tuple[str, int]], known: Calendars) -> set[Cell]:
    """The cells in which (site, moment) fall."""
    return {Cell(site_id, day_of(at, known.of_site(site_id))) for site_id, at in found}
