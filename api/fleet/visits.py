"""What one car does between plug-in and unplug, as steps counted in seconds from the plug-in. Pure.

A visit is made of two numbers, how long energy flows and how long the full car stays, and of what interrupts the
stay. Where and when it happens is the story's.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from sessions.events import EventType

STARTS_AFTER_S = 9  # the handshake of car and station
METER_EVERY_S = 900


class Interruption(NamedTuple):
    """Something that happens to a full car: energy flows again, or with a `cause` the station fails. Counted from the
    completion.
    """

    after_s: int
    lasts_s: int
    cause: str | None = None


class Step(NamedTuple):
    """One message of a visit; `name` replaces the step's number in the event's id."""

    after_s: int
    type: EventType
    cause: str | None = None
    soc_percent: int | None = None
    name: str | None = None


class Visit(NamedTuple):
    """Steps in their order, the first is the plug-in, the last the unplug."""

    steps: tuple[Step, ...]

    @property
    def lasts_s(self) -> int:
        return self.steps[-1].after_s

    @property
    def full_after_s(self) -> int:
        """When the car is full for the first time; it never is: when it leaves."""
        full = (step.after_s for step in self.steps if step.type is EventType.CHARGE_COMPLETE)
        return next(full, self.lasts_s)


def visit(charging_s: int, stays_s: int, interruptions: Sequence[Interruption] = ()) -> Visit:
    """A car that charges for `charging_s`, is full, and is unplugged `stays_s` later."""
    full = STARTS_AFTER_S + charging_s
    steps = [
        Step(0, EventType.PLUGGED_IN),
        Step(STARTS_AFTER_S, EventType.CHARGING_STARTED),
        *_meter(charging_s),
        Step(full, EventType.CHARGE_COMPLETE),
        *(step for one in interruptions for step in _interrupt(full, one)),
        Step(full + stays_s, EventType.UNPLUGGED),
    ]
    return Visit(tuple(sorted(steps, key=lambda step: step.after_s)))


def broken_off(charging_s: int) -> Visit:
    """A car that leaves before it is full."""
    steps = visit(charging_s, 0).steps
    return Visit(tuple(step for step in steps if step.type is not EventType.CHARGE_COMPLETE))


def contradictory(charging_s: int, stays_s: int) -> Visit:
    """A visit in which the station gives two samples one id: nobody can tell which of them is true."""
    steps = visit(charging_s, stays_s).steps
    twins = [Step(STARTS_AFTER_S + charging_s // 2, EventType.METER, soc_percent=soc, name="m") for soc in (61, 16)]
    return Visit(tuple(sorted((*steps, *twins), key=lambda step: step.after_s)))


class Pace(NamedTuple):
    """How long cars charge, and how long a stall stays empty after one has left."""

    charging_s: range
    away_s: range

    def visit(self, random: Random) -> Visit:
        """Somebody's visit: most leave in time, some idle, some are interrupted, a few leave before they are full."""
        charging_s = random.choice(self.charging_s)
        manner = random.choices(("in time", "idle", "blips", "fault", "broken off"), (45, 30, 10, 10, 5))[0]
        if manner == "in time":
            return visit(charging_s, random.randrange(40, 290))
        if manner == "broken off":
            return broken_off(charging_s)
        stays_s = random.randrange(420, 800)
        if manner == "idle":
            return visit(charging_s, stays_s)
        if manner == "blips":
            return visit(charging_s, stays_s, [Interruption(at, 30) for at in range(150, stays_s - 60, 200)])
        return visit(charging_s, stays_s, [Interruption(330, random.randrange(40, stays_s - 340), "ground fault")])


def _meter(charging_s: int) -> Iterator[Step]:
    for after_s in range(METER_EVERY_S, charging_s, METER_EVERY_S):
        yield Step(STARTS_AFTER_S + after_s, EventType.METER, soc_percent=30 + 60 * after_s // charging_s)


def _interrupt(full: int, one: Interruption) -> tuple[Step, Step]:
    begins, ends = full + one.after_s, full + one.after_s + one.lasts_s
    if one.cause is None:
        return Step(begins, EventType.CHARGING_RESUMED), Step(ends, EventType.CHARGE_COMPLETE)
    return Step(begins, EventType.STATION_FAULT, one.cause), Step(ends, EventType.STATION_RESTORED, one.cause)
