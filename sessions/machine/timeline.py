"""The pure fold: a session's facts in, its Timeline out. No money, no database, no clock.

Equal sets of events give equal timelines in whatever order they come. Nothing here raises for an event
that makes no sense: every event is judged, and what does not count says why.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from sessions.events import FAULTS, Event, EventType, in_order
from sessions.machine.tables import CAR, IGNORED, STATION, Car, Station

# RULES, "Clocks": live offsets of one session further apart than this cannot both be right.
MAX_OFFSET_SPREAD_S = 120


class Span(NamedTuple):
    """Half-open [start, end), never empty; UTC seconds on the station's clock unless said otherwise."""

    start: int
    end: int
    label: str


class Judged(NamedTuple):
    """An event and the verdict on it: `ignored` is None where it counted, else a stable reason."""

    event: Event
    ignored: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened at the stall between plug-in and unplug, as the facts known so far tell it."""

    plugged_in_at: int | None
    ended_at: int | None  # the unplug; None while none is known
    until: int | None  # where the spans stop: the unplug, else as far as was asked for
    stall: str | None
    token: str | None
    car: tuple[Span, ...]  # covers [plugged_in_at, until) without a gap; labels are Car values
    excused: tuple[Span, ...]  # disjoint; the label names the open causes, joined by "+"
    judged: tuple[Judged, ...]  # every event given, in order
    review: tuple[str, ...]  # "id_conflict", "unplug_before_plug_in", "clock_offsets"
    offset_s: int  # what to add to the station's clock to get ours; 0 when nothing was live
    not_billable: str | None  # "no_plug_in", "no_completion", "complete_after_unplug"


def fold(
    events: Iterable[Event],
    *,
    session: str,
    until: int | None = None,
    conflicted: AbstractSet[str] = frozenset(),
    voided: AbstractSet[str] = frozenset(),
) -> Timeline:
    """The timeline of `session` from its own events and the faults of its stall and its whole station.

    `conflicted` and `voided` name events that are kept in `judged` but not used. While no unplug is known
    the spans stop at `until`, or without it at the last event used.
    """
    usable, unusable = _sift(events, conflicted, voided)
    ordered = in_order(usable)
    own = [event for event in ordered if event.session == session]
    walk = _Walk(session, own)
    judged = [Judged(event, walk.judge(event)) for event in ordered]
    start = walk.plug_in.at if walk.plug_in else None
    end = _end(walk, ordered, until)
    offsets = [event.offset_s for event in own if event.offset_s is not None]
    return Timeline(
        plugged_in_at=start,
        ended_at=walk.ended_at,
        until=end,
        stall=walk.stall,
        token=walk.token,
        car=() if start is None or end is None else _runs(walk.car_changes, Car.CONNECTED, start, end),
        excused=() if start is None or end is None else _excused(walk.open_changes, start, end),
        judged=tuple(_merged(judged, unusable)),
        review=tuple(_review(walk, unusable, offsets, end)),
        # Delay on the way only ever adds to an offset, so the smallest is the nearest to the truth.
        offset_s=min(offsets, default=0),
        not_billable=walk.not_billable,
    )


def _sift(
    events: Iterable[Event], conflicted: AbstractSet[str], voided: AbstractSet[str]
) -> tuple[list[Event], list[Judged]]:
    """Each fact once, and apart from them what may not be used. An operator's void settles a conflict."""
    given = list(events)
    if not conflicted and not voided and len({event.id for event in given}) == len(given):
        return given, []
    once = {(event.id, event.digest): event for event in sorted(given, key=_later_copy_first)}
    contents = Counter(identity for identity, _ in once)
    usable, unusable = [], []
    for event in once.values():
        if event.id in voided:
            unusable.append(Judged(event, "voided"))
        elif event.id in conflicted or contents[event.id] > 1:
            unusable.append(Judged(event, "conflict"))
        else:
            usable.append(event)
    return usable, [Judged(event, reason) for event, reason in sorted(unusable, key=_place)]


def _later_copy_first(event: Event) -> int:
    """The first arrival's offset is the one that counts, and it is the smallest of a resent event's."""
    return -event.offset_s if event.offset_s is not None else -(2**63)


def _place(judged: Judged) -> tuple[int, str, bytes]:
    return judged.event.at, judged.event.id, judged.event.digest


class _Walk:
    """One pass over a session's usable events in order; `judge` applies one and says why it did not count."""

    def __init__(self, session: str, own: Sequence[Event]) -> None:
        self.session = session
        self.plug_in = next((event for event in own if event.type is EventType.PLUGGED_IN), None)
        named = (event.stall for event in own if event.stall is not None)
        self.stall = self.plug_in.stall if self.plug_in else next(named, None)
        self.token: str | None = None
        self.car = Car.CONNECTED
        self.car_changes: list[tuple[int, str]] = []
        self.causes: dict[tuple[bool, str], Station] = {}
        self.open_changes: list[tuple[int, str]] = []
        self.plugged_in = False
        self.ended_at: int | None = None
        self.completed = False
        self.completed_late = False
        self.unplugged_early = False

    def judge(self, event: Event) -> str | None:
        if event.type in FAULTS:
            ignored = self._not_here(event) or self._station(event)
        elif event.session != self.session:
            ignored = "other_session"
        else:
            ignored = self._car(event)
        if ignored is None and self.token is None and event.session == self.session:
            self.token = event.token
        return ignored

    def _car(self, event: Event) -> str | None:
        kind = event.type
        if event is self.plug_in:
            self.plugged_in = True
            return None
        if kind is EventType.UNPLUGGED and not self.plugged_in:
            self.unplugged_early = self.plug_in is not None
            return "before_plug_in"
        then = CAR.get((self.car, kind))
        if then is None:
            self.completed_late |= self.car is Car.ENDED and kind is EventType.CHARGE_COMPLETE
            return IGNORED.get((self.car, kind))
        self.car = then
        self.car_changes.append((event.at, then))
        self.completed |= then is Car.COMPLETE
        if then is Car.ENDED:
            self.ended_at = event.at
        return None

    def _not_here(self, event: Event) -> str | None:
        """Why a fault is not this stall's. One that names a session and no stall is seen by that one only."""
        if event.stall is not None:
            return None if event.stall == self.stall else "other_stall"
        return None if event.session in {None, self.session} else "other_session"

    def _station(self, event: Event) -> str | None:
        if self.car is Car.ENDED:
            return IGNORED[self.car, event.type]
        whole_station = event.stall is None and event.session is None
        cause = whole_station, event.cause or ""
        now = self.causes.get(cause, Station.FIT)
        then = STATION.get((now, event.type))
        if then is None:
            return IGNORED[now, event.type]
        self.causes[cause] = then
        names = {name for (_, name), state in self.causes.items() if state is Station.EXCUSED}
        self.open_changes.append((event.at, "+".join(sorted(names))))
        return None

    @property
    def not_billable(self) -> str | None:
        if self.plug_in is None:
            return "no_plug_in"
        if self.completed:
            return None
        return "complete_after_unplug" if self.completed_late else "no_completion"


def _end(walk: _Walk, ordered: Sequence[Event], until: int | None) -> int | None:
    if walk.plug_in is None or walk.ended_at is not None:
        return walk.ended_at
    return max(walk.plug_in.at, ordered[-1].at if until is None else until)


def _runs(changes: Iterable[tuple[int, str]], label: str, start: int, end: int) -> tuple[Span, ...]:
    """[start, end) as runs of one label each. A label that lasts no second did not happen."""
    runs: list[Span] = []
    since = start
    for at, then in (*changes, (end, label)):
        here = min(max(at, start), end)
        if here > since:
            if runs and runs[-1].label == label:
                since = runs.pop().start
            runs.append(Span(since, here, label))
            since = here
        label = then
    return tuple(runs)


def _excused(changes: Sequence[tuple[int, str]], start: int, end: int) -> tuple[Span, ...]:
    return tuple(span for span in _runs(changes, "", start, end) if span.label) if changes else ()


def _merged(judged: list[Judged], unusable: list[Judged]) -> list[Judged]:
    return sorted(judged + unusable, key=lambda one: one.event.at) if unusable else judged


def _review(walk: _Walk, unusable: Sequence[Judged], offsets: Sequence[int], end: int | None) -> Iterable[str]:
    if any(reason == "conflict" and _concerns(walk, event, end) for event, reason in unusable):
        yield "id_conflict"
    if walk.unplugged_early:
        yield "unplug_before_plug_in"
    if offsets and max(offsets) - min(offsets) > MAX_OFFSET_SPREAD_S:
        yield "clock_offsets"


def _concerns(walk: _Walk, event: Event, end: int | None) -> bool:
    """A conflicted fault of the stall can change this bill only if it happened while the car stood there."""
    if event.session == walk.session:
        return True
    return walk.plug_in is not None and end is not None and walk.plug_in.at <= event.at < end
