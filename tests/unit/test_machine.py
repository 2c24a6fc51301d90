"""The tables and the fold: every state meets every event, and what is judged illegal changes nothing."""

from itertools import count, permutations, product
from pathlib import Path
from typing import Any

import pytest

from sessions.events import FAULTS, Event, EventType
from sessions.machine import CAR, IGNORED, STATION, Car, Span, Station, Timeline, fold
from sessions.machine.__main__ import page

E = EventType
NUMBERS = count()
CAR_EVENTS = [kind for kind in EventType if kind not in FAULTS and kind is not E.METER]


def event(kind: EventType, at: int, **changes: Any) -> Event:
    plain = Event(at, None, kind, f"e-{next(NUMBERS)}", "1", "s", None, None, None, b"")
    return plain._replace(**changes)


def fault(at: int, cause: str = "a", **changes: Any) -> Event:
    return event(E.STATION_FAULT, at, **{"session": None, "cause": cause} | changes)


def restored(at: int, cause: str = "a", **changes: Any) -> Event:
    return event(E.STATION_RESTORED, at, **{"session": None, "cause": cause} | changes)


PLUGGED_IN = event(E.PLUGGED_IN, 0)
STARTED = event(E.CHARGING_STARTED, 10)
COMPLETE = event(E.CHARGE_COMPLETE, 1800)
UNPLUGGED = event(E.UNPLUGGED, 3000)
SESSION = [PLUGGED_IN, STARTED, COMPLETE, UNPLUGGED]
REACH = {
    Car.CONNECTED: SESSION[:1],
    Car.CHARGING: SESSION[:2],
    Car.COMPLETE: SESSION[:3],
    Car.ENDED: SESSION,
}


def labels(timeline: Timeline) -> list[tuple[int, int, str]]:
    return [(start, end, str(label)) for start, end, label in timeline.car]


def ignored(timeline: Timeline, judged: Event) -> str | None:
    return next(reason for one, reason in timeline.judged if one == judged)


# -- the tables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "kind"), list(product(Car, CAR_EVENTS)))
def test_every_event_either_moves_the_car_or_is_ignored_for_a_reason(state: Car, kind: EventType) -> None:
    assert ((state, kind) in CAR) != ((state, kind) in IGNORED)


@pytest.mark.parametrize(("state", "kind"), list(product(Station, sorted(FAULTS))))
def test_every_fault_either_moves_the_station_or_is_ignored_for_a_reason(state: Station, kind: EventType) -> None:
    assert ((state, kind) in STATION) != ((state, kind) in IGNORED)


@pytest.mark.parametrize(("state", "kind"), list(product(Car, CAR_EVENTS)))
def test_the_fold_does_what_the_table_says_and_nothing_else(state: Car, kind: EventType) -> None:
    before = fold(REACH[state], session="s", until=5000)
    more = event(kind, 4000)
    after = fold([*REACH[state], more], session="s", until=5000)
    then = CAR.get((state, kind))
    assert ignored(after, more) == IGNORED.get((state, kind))
    if then is None:
        assert (after.car, after.ended_at, after.token) == (before.car, before.ended_at, before.token)
    elif then is Car.ENDED:
        assert (after.ended_at, after.until) == (4000, 4000)
    else:
        assert after.car[-1] == Span(4000, 5000, then)


def test_the_page_with_the_diagrams_is_current() -> None:
    written = Path(__file__).parents[2] / "docs" / "session-states.md"
    cure = "run `python -m sessions.machine > docs/session-states.md`"
    assert written.read_text(encoding="utf-8") == page(), cure


def test_the_page_shows_every_arrow_and_every_reason() -> None:
    lines = page().splitlines()
    for (state, kind), then in [*CAR.items(), *STATION.items()]:
        assert any(line.strip().startswith(f"{state} --> {then}:") and kind in line for line in lines)
    for reason in {*IGNORED.values(), "before_plug_in", "other_stall", "other_session", "conflict", "voided"}:
        assert f"`{reason}`" in page()


# -- the car ------------------------------------------------------------------------------------------------


def test_a_whole_session() -> None:
    timeline = fold(SESSION, session="s")
    assert labels(timeline) == [(0, 10, "connected"), (10, 1800, "charging"), (1800, 3000, "complete")]
    assert (timeline.plugged_in_at, timeline.ended_at, timeline.until, timeline.stall) == (0, 3000, 3000, "1")
    assert (timeline.excused, timeline.review, timeline.offset_s, timeline.not_billable) == ((), (), 0, None)
    assert [one for one, _ in timeline.judged] == SESSION


def test_every_order_of_arrival_gives_the_same_timeline() -> None:
    expected = fold(SESSION, session="s")
    assert all(fold(shuffled, session="s") == expected for shuffled in permutations(SESSION))


def test_without_events_there_is_nothing() -> None:
    assert fold([], session="s") == Timeline(None, None, None, None, None, (), (), (), (), 0, "no_plug_in")


def test_without_a_plug_in_nothing_is_counted_and_nothing_is_to_review() -> None:
    timeline = fold([STARTED, COMPLETE, UNPLUGGED._replace(offset_s=0), fault(20, offset_s=999)], session="s")
    assert (timeline.car, timeline.excused, timeline.until) == ((), (), None)
    assert (timeline.not_billable, timeline.review, timeline.stall) == ("no_plug_in", (), "1")
    assert ignored(timeline, UNPLUGGED._replace(offset_s=0)) == "before_plug_in"


def test_without_an_unplug_the_spans_stop_where_they_are_told() -> None:
    assert fold(SESSION[:3], session="s", until=2600).car[-1] == Span(1800, 2600, Car.COMPLETE)
    assert fold(SESSION[:3], session="s", until=1000).car == (
        Span(0, 10, Car.CONNECTED),
        Span(10, 1000, Car.CHARGING),
    )
    assert fold(SESSION[:3], session="s", until=-5).car == ()


def test_without_an_unplug_and_unless_told_the_spans_stop_at_the_last_event() -> None:
    assert fold([*SESSION[:3], event(E.METER, 2200)], session="s").until == 2200


def test_an_unplug_counts_however_far_it_was_told() -> None:
    assert fold(SESSION, session="s", until=2000).until == 3000


@pytest.mark.parametrize("at", [-60, 0])
def test_an_unplug_before_the_plug_in_ends_nothing(at: int) -> None:
    early = event(E.UNPLUGGED, at, seq=1)
    plug_in = PLUGGED_IN._replace(seq=2)
    timeline = fold([early, plug_in, *SESSION[1:]], session="s")
    assert (timeline.ended_at, timeline.review) == (3000, ("unplug_before_plug_in",))
    assert ignored(timeline, early) == "before_plug_in"


def test_a_second_plug_in_changes_nothing() -> None:
    again = event(E.PLUGGED_IN, 2000, stall="1")
    timeline = fold([*SESSION, again], session="s")
    assert ignored(timeline, again) == "second_plug_in"
    assert timeline.car == fold(SESSION, session="s").car


def test_the_first_plug_in_says_where_the_session_is() -> None:
    elsewhere = event(E.PLUGGED_IN, 5, stall="2")
    timeline = fold([*SESSION, elsewhere], session="s")
    assert (timeline.stall, ignored(timeline, elsewhere)) == ("1", "other_stall")


@pytest.mark.parametrize("kind", [E.CHARGE_COMPLETE, E.UNPLUGGED, E.METER])
def test_an_event_that_names_another_stall_does_not_count(kind: EventType) -> None:
    stray = event(kind, 100, stall="2", offset_s=5000, token="t")
    timeline = fold([*SESSION, stray], session="s")
    assert ignored(timeline, stray) == "other_stall"
    assert (timeline.car, timeline.offset_s, timeline.token) == (fold(SESSION, session="s").car, 0, None)


def test_a_stray_event_does_not_spoil_the_numbers_of_its_second() -> None:
    numbered = [
        event(E.CHARGE_COMPLETE, 2000, seq=2),
        event(E.CHARGING_RESUMED, 2000, seq=1),
        event(E.CHARGE_COMPLETE, 2000, stall="2"),
    ]
    timeline = fold([PLUGGED_IN, STARTED, COMPLETE, *numbered, UNPLUGGED], session="s")
    assert labels(timeline)[-1] == (1800, 3000, "complete")


def test_the_token_is_the_first_that_an_event_which_counts_has_named() -> None:
    tokens = [
        event(E.PLUGGED_IN, 5, token="second plug-in"),
        event(E.METER, 20, token="sample"),
        event(E.METER, 15, session="other", token="other"),
        fault(1, token="nobody"),
    ]
    assert fold([*SESSION, *tokens], session="s").token == "sample"
    late = event(E.METER, 3001, token="late")
    assert fold([*SESSION, late], session="s").token is None


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (SESSION[:2], "no_completion"),
        ([PLUGGED_IN, COMPLETE, UNPLUGGED], "no_completion"),
        ([PLUGGED_IN, STARTED, COMPLETE._replace(at=3000), UNPLUGGED], "no_completion"),
        ([PLUGGED_IN, STARTED, COMPLETE._replace(at=3001), UNPLUGGED], "complete_after_unplug"),
        (SESSION[1:], "no_plug_in"),
        (SESSION, None),
    ],
)
def test_why_a_session_is_not_billable(events: list[Event], reason: str | None) -> None:
    assert fold(events, session="s").not_billable == reason


# -- the station --------------------------------------------------------------------------------------------


def excused(*faults: Event) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in fold([*SESSION, *faults], session="s").excused]


def test_open_causes_are_named_together() -> None:
    faults = [fault(100, "b"), fault(200, "a"), restored(300, "b"), restored(400, "a")]
    assert excused(*faults) == [(100, 200, "b"), (200, 300, "a+b"), (300, 400, "a")]


def test_a_fault_is_cut_to_the_session() -> None:
    assert excused(fault(-500), restored(100), fault(2900)) == [(0, 100, "a"), (2900, 3000, "a")]
    assert excused(fault(-500), restored(-100)) == []
    assert excused(fault(3000), restored(4000)) == []


def test_a_fault_that_lasts_no_second_did_not_happen() -> None:
    assert excused(fault(100), restored(100)) == []
    assert excused(fault(100), fault(200, "b"), restored(200, "b"), restored(300)) == [(100, 300, "a")]


def test_a_cause_is_open_once_and_closed_once() -> None:
    again, nothing = fault(150), restored(350)
    timeline = fold([*SESSION, fault(100), again, restored(300), nothing], session="s")
    assert timeline.excused == (Span(100, 300, "a"),)
    assert (ignored(timeline, again), ignored(timeline, nothing)) == ("already_open", "nothing_open")


def test_a_cause_of_the_station_and_one_of_the_stall_are_two() -> None:
    opened, closed = fault(200, stall=None), restored(400, stall=None)
    assert excused(fault(100), opened, restored(300), closed) == [(100, 400, "a")]
    assert excused(fault(100), restored(200, stall=None), restored(300)) == [(100, 300, "a")]


def test_a_fault_that_names_the_session_only_is_of_its_stall() -> None:
    assert excused(fault(100, stall=None, session="s"), restored(200)) == [(100, 200, "a")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stall": "2"}, "other_stall"),
        ({"stall": "2", "session": "s"}, "other_stall"),
        ({"stall": None, "session": "other"}, "other_session"),
        ({"stall": "1", "session": "other"}, None),
        ({"stall": "1", "session": "s"}, None),
        ({"stall": None, "session": "s"}, None),
        ({"stall": None, "session": None}, None),
    ],
)
def test_whom_a_fault_concerns(changes: dict[str, Any], reason: str | None) -> None:
    opened = fault(100, **changes)
    timeline = fold([*SESSION, opened], session="s")
    assert ignored(timeline, opened) == reason
    assert bool(timeline.excused) == (reason is None)


# -- what may not be used -----------------------------------------------------------------------------------


def test_two_contents_under_one_id_use_neither() -> None:
    other = UNPLUGGED._replace(at=9000, digest=b"other")
    timeline = fold([*SESSION, other], session="s", until=2000)
    assert (timeline.ended_at, timeline.review) == (None, ("id_conflict",))
    assert ignored(timeline, UNPLUGGED) == ignored(timeline, other) == "conflict"


def test_a_conflict_may_be_known_from_elsewhere() -> None:
    timeline = fold(SESSION, session="s", until=2000, conflicted={UNPLUGGED.id})
    assert (timeline.ended_at, timeline.review) == (None, ("id_conflict",))


def test_a_void_settles_a_conflict() -> None:
    other = UNPLUGGED._replace(at=9000, digest=b"other")
    timeline = fold([*SESSION, other], session="s", until=2000, voided={UNPLUGGED.id})
    assert (timeline.ended_at, timeline.review) == (None, ())
    assert ignored(timeline, other) == "voided"


def test_the_same_event_twice_is_judged_once() -> None:
    live = [one._replace(offset_s=7) for one in SESSION]
    again = [one._replace(offset_s=3600) for one in SESSION]
    for events in (live + again, again + live):
        timeline = fold(events, session="s")
        assert [one for one, _ in timeline.judged] == live
        assert (timeline.offset_s, timeline.review) == (7, ())


@pytest.mark.parametrize(
    ("changes", "concerns"),
    [
        ({"session": "s", "at": 99_999}, True),
        ({"session": "other"}, False),
        ({"stall": "2"}, False),
        ({"stall": None}, True),
        ({"at": -1}, False),
        ({"at": 0}, True),
        ({"at": 3000}, True),
        ({"at": 3001}, False),
    ],
)
def test_a_conflict_is_reviewed_where_it_matters(changes: dict[str, Any], concerns: bool) -> None:
    doubtful = fault(100)._replace(**changes)
    timeline = fold([*SESSION, doubtful], session="s", conflicted={doubtful.id})
    assert (timeline.review == ("id_conflict",)) is concerns


# -- clocks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offsets", "offset_s", "review"),
    [
        ((None, None, None, None), 0, ()),
        ((None, 30, None, None), 30, ()),
        ((3600, 3605, 3601, 3720), 3600, ()),
        ((-40, 80, None, 0), -40, ()),
        ((0, 121, 0, 0), 0, ("clock_offsets",)),
        ((0, None, None, -121), -121, ("clock_offsets",)),
    ],
)
def test_the_smallest_live_offset_holds(
    offsets: tuple[int | None, ...], offset_s: int, review: tuple[str, ...]
) -> None:
    events = [one._replace(offset_s=offset) for one, offset in zip(SESSION, offsets, strict=True)]
    timeline = fold(events, session="s")
    assert (timeline.offset_s, timeline.review) == (offset_s, review)


def test_an_offset_of_what_is_not_used_says_nothing() -> None:
    voided = event(E.METER, 50, offset_s=9999)
    foreign = fault(60, offset_s=-9999)
    timeline = fold([*SESSION, voided, foreign], session="s", voided={voided.id})
    assert (timeline.offset_s, timeline.review) == (0, ())
