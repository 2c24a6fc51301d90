"""Which car stands where and when: yesterday, the moment the doors open, and from then on without end. Pure.

Told by the moment the demo opens (`opens_at`): a few visits are written down, of yesterday at their local times and of
the opening at so many seconds before it; chance, always the same, fills the time between them and goes on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from heapq import merge
from random import Random
from typing import Any, NamedTuple

from api.fleet.town import CARS, STALLS, STRANGER, DemoSite, Stall, car_of
from api.fleet.visits import Interruption, Pace, Visit, broken_off, contradictory, visit
from sessions.events import rfc3339

YESTERDAY = Pace(range(18 * 60, 50 * 60), range(2 * 3600, 5 * 3600))
TODAY = Pace(range(100, 330), range(20, 90))  # quick top-ups: whoever stays ten minutes sees whole visits
SLACK_S = 120  # between two cars at a stall, and between two visits of a car
DAY_BEGINS = time(6, 30)
STUCK = "stuck cable"


class Message(NamedTuple):
    """What a station says at `at`, as it is posted but for `sent_at`."""

    at: int
    station: str
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Booking:
    """A visit at its place: `name` is how the demo speaks of it, `token` none for an anonymous visitor."""

    name: str
    stall: Stall
    starts_at: int
    visit: Visit
    token: str | None

    @property
    def ends_at(self) -> int:
        return self.starts_at + self.visit.lasts_s

    @property
    def session_id(self) -> str:
        """As the product names it: `station/session`."""
        return f"{self.stall.station}/{self.session}"

    @property
    def session(self) -> str:
        """The station's own name for it: the stall, and the minute of the plug-in in UTC, so that no two are alike."""
        return f"{self.stall.name}-{datetime.fromtimestamp(self.starts_at, UTC):%m%d-%H%M}"

    def messages(self) -> Iterator[Message]:
        for number, step in enumerate(self.visit.steps, start=1):
            event: dict[str, Any] = {
                "id": f"{self.session}-{step.name or number}",
                "station": self.stall.station,
                "stall": self.stall.name,
                "type": step.type.value,
                "at": rfc3339(self.starts_at + step.after_s),
            }
            if step.cause is None:
                event["session"] = self.session
            else:
                event["cause"] = step.cause
            if number == 1 and self.token is not None:
                event["token"] = self.token
            if step.soc_percent is not None:
                event["data"] = {"soc_percent": step.soc_percent}
            yield Message(self.starts_at + step.after_s, self.stall.station, event)


def yesterday(opens_at: int) -> list[Booking]:
    """What is written down of yesterday: (name, stall, local time, whose car, visit)."""
    mara, elif_ = car_of("mara").token, car_of("elif").token
    written: list[tuple[str, str, time, str | None, Visit]] = [
        ("in time", "harbor-1/A", time(7, 40), mara, visit(42 * 60, 190)),
        ("fault", "harbor-2/A", time(12, 5), mara, visit(35 * 60, 24 * 60, [Interruption(360, 660, STUCK)])),
        ("waived", "harbor-3/B", time(18, 20), mara, visit(38 * 60, 19 * 60)),
        ("blips", "harbor-1/B", time(11, 5), car_of("priya").token, visit(44 * 60, 900, _BLIPS)),
        ("anonymous", "harbor-2/B", time(13, 30), None, visit(31 * 60, 21 * 60 + 20)),
        ("stranger", "mill-1/A", time(8, 30), STRANGER, visit(27 * 60, 12 * 60)),
        ("two stays", "mill-1/A", time(15, 0), car_of("noor").token, visit(36 * 60, 28 * 60, [Interruption(480, 720)])),
        ("conflict", "mill-1/B", time(10, 10), elif_, contradictory(33 * 60, 16 * 60)),
        ("broken off", "mill-2/A", time(12, 0), car_of("anton").token, broken_off(22 * 60)),
        ("excused", "mill-2/B", time(17, 15), car_of("grace").token, visit(40 * 60, 31 * 60)),
    ]
    return [
        Booking(name, STALLS[stall], _local_yesterday(opens_at, STALLS[stall].site, at), one, token)
        for name, stall, at, token, one in written
    ]


def opening(opens_at: int) -> list[Booking]:
    """What is to be seen at once: (name, stall, whose car, full for so many seconds, how it charges and stays)."""
    written: list[tuple[str, str, str | None, int, Visit]] = [
        ("charging", "harbor-1/A", "tomas", -170, visit(17 * 60, 200)),
        ("grace", "harbor-1/B", "mara", 280, visit(26 * 60, 510)),
        ("idle", "harbor-2/A", "priya", 300 + 4 * 60 + 8, visit(33 * 60, 620)),
        ("excused now", "harbor-2/B", "jonah", 600, visit(41 * 60, 890, [Interruption(420, 290, STUCK)])),
        ("just arrived", "harbor-3/B", "wren", -150, visit(155, 415)),
        ("nearly full", "mill-1/A", "elif", -75, visit(24 * 60, 395)),
        ("in grace too", "mill-2/A", "noor", 65, visit(29 * 60, 215)),
        ("anonymous now", "mill-2/B", None, 300 + 15 * 60 + 20, visit(38 * 60, 1530)),
    ]
    bookings = []
    for name, stall, owner_id, full_s, one in written:
        token = None if owner_id is None else car_of(owner_id).token
        bookings.append(Booking(name, STALLS[stall], opens_at - full_s - one.full_after_s, one, token))
    return bookings


class Story:
    """Every message of every station in the order of time, from yesterday morning on, without end."""

    def __init__(self, opens_at: int) -> None:
        self.opens_at = opens_at
        self.written = {booking.name: booking for booking in (*yesterday(opens_at), *opening(opens_at))}
        self._garage = _Garage(self.written.values())
        self._told = merge(*(self._at_stall(stall) for stall in STALLS.values()), key=lambda message: message.at)
        self._next = next(self._told)

    def until(self, moment: int) -> Iterator[Message]:
        """What is said up to and including `moment` and was not told yet."""
        while self._next.at <= moment:
            message, self._next = self._next, next(self._told)
            yield message

    def _at_stall(self, stall: Stall) -> Iterator[Message]:
        for booking in self._bookings(stall):
            yield from booking.messages()

    def _bookings(self, stall: Stall) -> Iterator[Booking]:
        """The written visits of a stall, chance's before and between them, and chance's for ever after."""
        random = Random(stall.id)  # noqa: S311 - a simulation: it shall do the same every time
        free_from = _local_yesterday(self.opens_at, stall.site, DAY_BEGINS) + random.randrange(3600)
        written = sorted((b for b in self.written.values() if b.stall == stall), key=lambda b: b.starts_at)
        for booking in written:
            yield from self._by_chance(stall, random, YESTERDAY, free_from, booking.starts_at - SLACK_S)
            yield booking
            free_from = booking.ends_at + SLACK_S
        if free_from < self.opens_at:
            yield from self._by_chance(stall, random, YESTERDAY, free_from, self.opens_at - SLACK_S)
        free_from = max(free_from, self.opens_at)
        yield from self._by_chance(stall, random, TODAY, free_from + random.choice(TODAY.away_s), None)

    def _by_chance(
        self, stall: Stall, random: Random, pace: Pace, starts_at: int, ends_by: int | None
    ) -> Iterator[Booking]:
        """Visits one after the other from `starts_at`, as long as they end by `ends_by`; at night fewer come."""
        while True:
            one = pace.visit(random)
            if ends_by is not None and starts_at + one.lasts_s > ends_by:
                return
            token = self._garage.take(random, stall.site.id, starts_at, starts_at + one.lasts_s)
            booking = Booking(f"{stall.id} at {starts_at}", stall, starts_at, one, token)
            yield booking
            starts_at = booking.ends_at + random.choice(pace.away_s)
            if pace is YESTERDAY and not DAY_BEGINS <= _local(starts_at, stall.site).time() <= time(22, 0):
                starts_at += 6 * 3600


class _Garage:
    """Which car is away charging when: no car stands at two stalls."""

    def __init__(self, written: Iterable[Booking]) -> None:
        self._away: dict[str, list[tuple[int, int]]] = {car.token: [] for car in CARS}
        for booking in written:
            if booking.token in self._away:
                self._away[booking.token].append((booking.starts_at, booking.ends_at))

    def take(self, random: Random, site: str, starts_at: int, ends_at: int) -> str | None:
        """A car of this site that is free all the while; none, an anonymous visitor, if there is none, or by chance."""
        free = [
            car.token
            for car in CARS
            if car.site == site
            and not any(
                begins < ends_at + SLACK_S and starts_at < ends + SLACK_S for begins, ends in self._away[car.token]
            )
        ]
        if not free or random.randrange(10) == 0:
            return None
        token = random.choice(free)
        self._away[token] = [*self._away[token][-50:], (starts_at, ends_at)]
        return token


_BLIPS = [Interruption(after_s, 30) for after_s in (120, 260, 400, 540, 680)]


def _local(at: int, site: DemoSite) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(site.tz)


def _local_yesterday(opens_at: int, site: DemoSite, at: time) -> int:
    """A time of the day before the opening, on the site's own wall clock."""
    day = _local(opens_at, site).date() - timedelta(days=1)
    return int(datetime.combine(day, at, site.tz).timestamp())
