"""From stored facts to timelines: loads what bears on a set of sessions in bulk and folds each with the pure machine.

Used by the intake after every batch, by operators' facts, by `verify` and by the pages. It writes only the snapshot.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any

from sqlalchemy import Connection, RowMapping

from sessions.events import Event, EventType, in_order
from sessions.machine import CAR, Car, Span, Timeline, fold
from sessions.statements import kept_json
from sessions.store.last_word import Window, last_heard, others_heard
from sessions.store.queries import (
    NOTHING_UNUSABLE,
    Before,
    SessionKey,
    Unusable,
    events_of,
    faults_of,
    open_sessions_touched,
    snapshots_before,
    snapshots_of,
    unusable_of,
    write_sessions,
)

MOVES_THE_CAR = frozenset(kind for _, kind in CAR)
SESSION_TIMEOUT_S = 24 * 3600  # RULES, "When a fee posts": without an event for so long, a session is over


def over_by_silence_at(heard_at: int, offset_s: int) -> int:
    """On our clock: when a session is over of which nothing was heard since `heard_at` on its station's."""
    return heard_at + offset_s + SESSION_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Folded:
    """A session as its facts tell it at one moment. Times are UTC seconds on the station's clock, `folded_at` on
    ours.
    """

    key: SessionKey
    timeline: Timeline
    closed: bool
    superseded_at: int | None
    folded_at: int

    @property
    def station_id(self) -> str:
        return self.key.station_id

    @property
    def completed_at(self) -> int | None:
        return next((span.start for span in self.timeline.car if span.label == Car.COMPLETE), None)

    @property
    def full_since(self) -> int | None:
        """The completion the car stands at by the last word; one reported just now has lasted no second yet."""
        counted = (one.event for one in reversed(self.timeline.judged) if one.ignored is None)
        last = next((event for event in counted if event.type in MOVES_THE_CAR), None)
        if last is None or last.type is not EventType.CHARGE_COMPLETE or self.timeline.plugged_in_at is None:
            return None
        if self.timeline.car and self.timeline.car[-1].label == Car.COMPLETE:
            return self.timeline.car[-1].start
        return max(last.at, self.timeline.plugged_in_at)

    @property
    def complete_s(self) -> int:
        return sum(span.end - span.start for span in self.timeline.car if span.label == Car.COMPLETE)

    @property
    def times_out_at(self) -> int | None:
        """On our clock: when this session will be over if nothing more is heard of it."""
        if self.closed or self.timeline.until is None:
            return None
        return over_by_silence_at(self.timeline.until, self.timeline.offset_s)


def fold_sessions(
    connection: Connection,
    keys: Collection[SessionKey],
    now: int,
    *,
    project: bool = False,
    whole: Mapping[SessionKey, list[Event]] | None = None,
) -> list[Folded]:
    """Fold `keys` in sorted order as of `now`. With `project`, an open session's clock runs on to `now`.

    `whole` are sessions of which the caller holds every event there is: they are not read back.
    """
    if not keys:
        return []
    own = dict(whole or {})
    own |= events_of(connection, [key for key in keys if key not in own])
    faults = faults_of(connection, {(key.site_id, key.station_id) for key in keys})
    unusable = unusable_of(connection, {key.site_id for key in keys})
    gathered: dict[SessionKey, tuple[list[Event], Unusable]] = {}
    first_pass: dict[SessionKey, Timeline] = {}
    for key in sorted(keys):
        bad = unusable.get(key.station_id, NOTHING_UNUSABLE)
        gathered[key] = (_relevant(own.get(key, []), faults.get(key.station_id, ()), bad), bad)
        first_pass[key] = _fold(key, *gathered[key], until=None)
    windows = [
        Window(key, timeline.stall, timeline.plugged_in_at)
        for key, timeline in first_pass.items()
        if timeline.ended_at is None and timeline.plugged_in_at is not None and timeline.stall is not None
    ]
    heard = _last_words(connection, windows, gathered) if windows else {}
    return [
        _finish(key, timeline, *gathered[key], heard.get(key), now, project) for key, timeline in first_pass.items()
    ]


def _last_words(
    connection: Connection, windows: Sequence[Window], gathered: Mapping[SessionKey, tuple[list[Event], Unusable]]
) -> dict[SessionKey, tuple[int, int | None]]:
    """When each of these sessions without an unplug was heard of last, and the next plug-in at its stall, if any."""
    shared = others_heard(connection, windows)
    heard = last_heard(connection, [one for one in windows if one.key in shared]) if shared else {}
    for one in windows:
        if one.key not in shared:
            events, bad = gathered[one.key]
            ours = (e.at for e in events if e.stall in (one.stall, None) and e.id not in bad.conflicted | bad.voided)
            heard[one.key] = max((one.plugged_in_at, *ours)), None
    return heard


def _relevant(own: list[Event], faults: Iterable[Event], bad: Unusable) -> list[Event]:
    """The session's own events, the faults of its stall and those of its whole station."""
    if not faults:
        return own
    unusable = bad.conflicted | bad.voided
    plug_in = next((e for e in in_order(own) if e.type is EventType.PLUGGED_IN and e.id not in unusable), None)
    stall = plug_in.stall if plug_in else None
    mine = {(event.id, event.digest) for event in own}
    return own + [
        event
        for event in faults
        if (event.id, event.digest) not in mine
        and ((event.stall is not None and event.stall == stall) or (event.stall is None and event.session is None))
    ]


def _fold(key: SessionKey, events: list[Event], bad: Unusable, until: int | None) -> Timeline:
    session = key.id.split("/", 1)[1]
    return fold(events, session=session, until=until, conflicted=bad.conflicted, voided=bad.voided)


def _finish(
    key: SessionKey,
    timeline: Timeline,
    events: list[Event],
    bad: Unusable,
    heard: tuple[int, int | None] | None,
    now: int,
    project: bool,
) -> Folded:
    """An unplug ends the session; without one it runs to the last event heard, and is over after the time-out."""
    if heard is None:
        return Folded(key, timeline, timeline.ended_at is not None, None, now)
    last, superseded_at = heard
    closed = over_by_silence_at(last, timeline.offset_s) <= now
    until = last
    if project and not closed and superseded_at is None:
        until = max(last, now - timeline.offset_s)
    if until != timeline.until:
        timeline = _fold(key, events, bad, until)
    return Folded(key, timeline, closed, superseded_at, now)


def spans_to_json(timeline: Timeline) -> str:
    """The compact form kept with the snapshot: enough to price the session again."""
    return kept_json({"car": timeline.car, "excused": timeline.excused})


def timeline_from_snapshot(row: Mapping[str, Any] | RowMapping) -> Timeline:
    """The snapshot's timeline, without the events it was folded from."""
    spans = json.loads(row["timeline"] or '{"car":[],"excused":[]}')
    return Timeline(
        plugged_in_at=row["plugged_in_at"],
        ended_at=row["unplugged_at"],
        until=row["until"],
        stall=row["stall"],
        token=row["token_id"],
        car=tuple(starmap(Span, spans["car"])),
        excused=tuple(starmap(Span, spans["excused"])),
        judged=(),
        review=tuple(row["review"].split()) if row["review"] else (),
        offset_s=row["offset_s"],
        not_billable=row["not_billable"],
    )


def refold(
    connection: Connection, keys: Collection[SessionKey], now: int, new: Mapping[SessionKey, list[Event]] | None = None
) -> tuple[list[Folded], dict[SessionKey, Before]]:
    """Fold `keys` and those whose end moves with their plug-ins, and save them; also what the snapshots said before.

    `new` are the events just stored; of a session without a snapshot they are all there is, for any event makes one.
    """
    before = snapshots_before(connection, keys)
    unheard_of = {key: events for key, events in (new or {}).items() if key not in before}
    folded = fold_sessions(connection, keys, now, whole=unheard_of)
    save(connection, folded, before)
    if reach := _plug_ins_moved(folded, before):
        bounded = open_sessions_touched(connection, reach) - set(keys)
        before |= snapshots_before(connection, bounded)
        behind = fold_sessions(connection, bounded, now)
        save(connection, behind, before)
        folded += behind
    return folded, before


def _plug_ins_moved(
    folded: Iterable[Folded], before: Mapping[SessionKey, Before]
) -> dict[tuple[str, str, str | None], tuple[int, int]]:
    """Where and when plug-ins are not any more, or are now: the stall's session before may end elsewhere."""
    reach: dict[tuple[str, str, str | None], tuple[int, int]] = {}
    for one in folded:
        earlier, timeline = before.get(one.key), one.timeline
        if earlier is None or earlier.plugged_in_at is None:
            continue  # a new plug-in is an event, and reaches whoever stands at its stall by itself
        places = {(earlier.stall, earlier.plugged_in_at), (timeline.stall, timeline.plugged_in_at)}
        for stall, at in places if len(places) > 1 else ():
            if at is not None:
                where = one.key.site_id, one.station_id, stall
                first, last = reach.get(where, (at, at))
                reach[where] = min(first, at), max(last, at)
    return reach


def recall(connection: Connection, keys: Collection[SessionKey]) -> list[Folded]:
    """The sessions as they were folded last, from their snapshots, in sorted order."""
    if not keys:
        return []
    remembered = [
        Folded(
            SessionKey(row["site_id"], row["id"]),
            timeline_from_snapshot(row),
            row["closed"],
            row["superseded_at"],
            row["folded_at"],
        )
        for row in snapshots_of(connection, keys)
    ]
    return sorted(remembered, key=lambda one: one.key)


def save(connection: Connection, folded: Iterable[Folded], known: Collection[SessionKey]) -> None:
    """Write the snapshots of `folded`; `known` are those that have one already."""
    write_sessions(connection, [snapshot_of(one) for one in folded], known)


def snapshot_of(one: Folded) -> tuple[Any, ...]:
    """What is kept of a fold, in the order of `SESSION_COLUMNS`."""
    timeline = one.timeline
    return (
        one.key.site_id,
        one.key.id,
        one.station_id,
        timeline.stall,
        timeline.token,
        timeline.plugged_in_at,
        one.completed_at,
        one.full_since,
        timeline.ended_at,
        one.superseded_at,
        timeline.until,
        one.closed,
        one.complete_s,
        timeline.offset_s,
        timeline.not_billable,
        " ".join(timeline.review) or None,
        spans_to_json(timeline),
        one.folded_at,
    )
