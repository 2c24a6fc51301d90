"""The pure fold: a session's facts in, its Timeline out. No money, no database, no clock.

Equal sets of events give equal timelines in whatever order they come. Nothing here raises for an event
that makes no sense: every event is judged, and what does not count says why.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
    stall = _stall_of(session, usable)
    here, elsewhere = _apart(session, stall, usable)
    walk = _Walk(session, ordered := in_order(here))
    judged = [Judged(event, walk.judge(event)) for event in ordered]
    start, end = walk.started_at, _end(walk, ordered, until)
    ours = [event.offset_s for event in here if event.offset_s is not None and event.session == session]
    car = () if start is None or end is None else _runs(walk.car_changes, Car.CONNECTED, start, end)
    return Timeline(
        plugged_in_at=start,
        ended_at=walk.ended_at,
        until=end,
        stall=stall,
        token=walk.token,
        car=car,
        excused=() if start is None or end is None else _excused(walk.open_changes, start, end),
        judged=tuple(_merged(judged, [*unusable, *elsewhere])),
        review=tuple(_review(walk, [event for event, why in unusable if why == "conflict"], stall, end, ours)),
        # Delay on the way only ever adds to an offset, so the smallest is the nearest to the truth.
        offset_s=min(ours, default=0),
        not_billable=_not_billable(walk, car),
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
    return usable, unusable


def _later_copy_first(event: Event) -> int:
    """The first arrival's offset is the one that counts, and it is the smallest of a resent event's."""
    return -event.offset_s if event.offset_s is not None else -(2**63)


def _stall_of(session: str, usable: Sequence[Event]) -> str | None:
    """Where the session is: at the stall of its plug-in, or while none is known, the first one it names."""
    own = [event for event in usable if event.session == session]
    plug_ins = [event for event in own if event.type is EventType.PLUGGED_IN]
    if len(plug_ins) == 1:
        return plug_ins[0].stall
    ordered = in_order(own)
    first = [event for event in ordered if event.type is EventType.PLUGGED_IN] or ordered
    return next((event.stall for event in first if event.stall is not None), None)


def _apart(session: str, stall: str | None, usable: Sequence[Event]) -> tuple[Sequence[Event], list[Judged]]:
    """What is about this session at this stall, and what is about something else."""
    elsewhere = [Judged(event, why) for event in usable if (why := _elsewhere(session, stall, event))]
    if not elsewhere:
        return usable, elsewhere
    return [event for event in usable if not _elsewhere(session, stall, event)], elsewhere


def _elsewhere(session: str, stall: str | None, event: Event) -> str | None:
    """Why an event is not about this session. A fault without a session covers its stall or its station;
    one that names a session and no stall is of that session's stall, and seen by that session only."""
    if event.stall is not None and event.stall != stall:
        return "other_stall"
    if event.session == session:
        return None
    covers = event.type in FAULTS and (event.stall is not None or event.session is None)
    return None if covers else "other_session"


class _Walk:
    """One pass over the events in order; `judge` applies one to both regions, or says why it did not count."""

    def __init__(self, session: str, ordered: Sequence[Event]) -> None:
        self.session = session
        self.plug_in = next((event for event in ordered if event.type is EventType.PLUGGED_IN), None)
        self.started_at = self.plug_in.at if self.plug_in else None
        self.ended_at: int | None = None
        self.token: str | None = None
        self.car = Car.CONNECTED
        self.car_changes: list[tuple[int, str]] = []
        self.causes: dict[tuple[bool, str], Station] = {}
        self.open_changes: list[tuple[int, str]] = []
        self.plugged_in = False
        self.unplugged_early = False
        self.completed_late = False

    def judge(self, event: Event) -> str | None:
        ignored = self._station(event) if event.type in FAULTS else self._car(event)
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
        if then is Car.ENDED:
            self.ended_at = event.at
        return None

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


def _end(walk: _Walk, ordered: Sequence[Event], until: int | None) -> int | None:
    if walk.started_at is None or walk.ended_at is not None:
        return walk.ended_at
    return max(walk.started_at, ordered[-1].at if until is None else until)


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


def _merged(judged: list[Judged], set_aside: list[Judged]) -> list[Judged]:
    """What was set aside comes after what was read in the same second."""
    if not set_aside:
        return judged
    return sorted(judged + sorted(set_aside, key=_place), key=lambda one: one.event.at)


def _place(judged: Judged) -> tuple[int, str, bytes]:
    return judged.event.at, judged.event.id, judged.event.digest


def _review(
    walk: _Walk, conflicting: Sequence[Event], stall: str | None, end: int | None, offsets: Sequence[int]
) -> Iterator[str]:
    if any(_concerns(walk, stall, end, event) for event in conflicting):
        yield "id_conflict"
    if walk.unplugged_early:
        yield "unplug_before_plug_in"
    if walk.plugged_in and offsets and max(offsets) - min(offsets) > MAX_OFFSET_SPREAD_S:
        yield "clock_offsets"


def _concerns(walk: _Walk, stall: str | None, end: int | None, event: Event) -> bool:
    """A content concerns the session it names; one that names none, whose car stood at the stall it covers."""
    if event.session is not None:
        return event.session == walk.session
    if walk.started_at is None or end is None or _elsewhere(walk.session, stall, event):
        return False
    return walk.started_at <= event.at <= end


def _not_billable(walk: _Walk, car: Sequence[Span]) -> str | None:
    if walk.started_at is None:
        return "no_plug_in"
    if any(span.label == Car.COMPLETE for span in car):
        return None
    return "complete_after_unplug" if walk.completed_late else "no_completion"
