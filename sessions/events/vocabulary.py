"""The words of a station, as the fold sees them, and the one order in which they are read.

No wire format and no validation here: that is `wire`. Whether an event is legal where it falls is judged
by the machine.
"""

from collections.abc import Iterable
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple


class EventType(StrEnum):
    """What a station can say, declared in the order in which equal stamps without `seq` are read."""

    PLUGGED_IN = "plugged_in"
    CHARGING_STARTED = "charging_started"
    CHARGE_COMPLETE = "charge_complete"
    CHARGING_RESUMED = "charging_resumed"
    STATION_FAULT = "station_fault"
    STATION_RESTORED = "station_restored"
    METER = "meter"
    UNPLUGGED = "unplugged"


FAULTS = frozenset({EventType.STATION_FAULT, EventType.STATION_RESTORED})
_RANK = {kind: rank for rank, kind in enumerate(EventType)}


class Event(NamedTuple):
    """One stored station event as the fold sees it; times are UTC seconds on the station's own clock."""

    at: int
    seq: int | None
    type: EventType
    id: str
    stall: str | None
    session: str | None
    cause: str | None
    token: str | None
    offset_s: int | None  # first arrival minus `sent_at`; None when the event was not live
    digest: bytes  # of the content: two digests under one id are a conflict


def in_order(events: Iterable[Event]) -> list[Event]:
    """The one order of reading: by second, then `seq` where all events of that second have it, type, id."""
    ordered = sorted(events, key=_by_type)
    if all(event.seq is None for event in ordered):
        return ordered
    return [event for _, second in groupby(ordered, key=_at) for event in _by_seq(list(second))]


def _by_type(event: Event) -> tuple[int, int, str, bytes]:
    # The digest comes last so that two contents under one id have an order of their own, too.
    return event.at, _RANK[event.type], event.id, event.digest


def _at(event: Event) -> int:
    return event.at


def _by_seq(second: list[Event]) -> list[Event]:
    numbered = [(event.seq, place) for place, event in enumerate(second) if event.seq is not None]
    if len(numbered) < len(second):
        return second
    return [second[place] for _, place in sorted(numbered)]
