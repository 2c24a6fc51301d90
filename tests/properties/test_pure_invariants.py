"""What must hold of every session, whatever the station says and in whatever order: tried on generated events."""

from dataclasses import replace
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from billing.rating import Context, FeeReport, Occupancy, explain, rate, report_from_json, report_to_json
from billing.tariffs import NoFeeHours, Tariff, Tax, Tier
from sessions.events import Event, EventType
from sessions.grace import GraceMode, GracePolicy
from sessions.machine import Span, Timeline, fold

ZONES = [ZoneInfo(name) for name in ("America/Los_Angeles", "Europe/Berlin")]
AUTUMN_NIGHT_S = 1_730_624_400  # 2024-11-03 02:00 in Los Angeles becomes 01:00
TIMES = ("00:00", "01:00", "01:30", "02:00", "03:00", "22:00")

# Few seconds and few names, so that equal stamps, repeated causes and conflicts come often.
moments = st.one_of(st.integers(0, 20), st.integers(0, 5000)).map(lambda at: AUTUMN_NIGHT_S - 1800 + at)
faults = st.sampled_from([EventType.STATION_FAULT, EventType.STATION_RESTORED])
own = st.builds(
    Event,
    at=moments,
    seq=st.none() | st.integers(0, 3),
    type=st.sampled_from(EventType),
    id=st.uuids().map(str),
    stall=st.sampled_from(["1", "1", "1", "2"]),
    session=st.just("s"),
    cause=st.sampled_from(["a", "b"]),
    token=st.sampled_from([None, "t-1", "t-2"]),
    offset_s=st.none() | st.integers(-130, 130),
    digest=st.just(b""),
)
of_the_stall = st.builds(
    Event,
    at=moments,
    seq=st.none(),
    type=faults,
    id=st.uuids().map(str),
    stall=st.sampled_from([None, "1", "2"]),
    session=st.sampled_from([None, "s", "other"]),
    cause=st.sampled_from(["a", "b"]),
    token=st.none(),
    offset_s=st.none(),
    digest=st.just(b""),
)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """A session that most often is one, with anything else thrown in."""
    plugged_in, started, complete, unplugged = sorted(draw(st.lists(moments, min_size=4, max_size=4)))
    skeleton = [
        (EventType.PLUGGED_IN, plugged_in),
        (EventType.CHARGING_STARTED, started),
        (EventType.CHARGE_COMPLETE, complete),
        (EventType.UNPLUGGED, unplugged),
    ]
    kept = draw(st.sets(st.integers(0, 3), min_size=2)) | {0}
    story = [
        Event(skeleton[index][1], None, skeleton[index][0], f"story-{index}", "1", "s", None, None, None, b"")
        for index in sorted(kept)
    ]
    return story + draw(st.lists(own, max_size=6)) + draw(st.lists(of_the_stall, max_size=6))


policies = st.builds(
    GracePolicy,
    mode=st.sampled_from(GraceMode),
    grace_s=st.sampled_from([0, 1, 60, 300]),
    grace_again_after_s=st.sampled_from([120, 600]),
    min_resume_s=st.just(120),
)
windows = st.tuples(st.sampled_from(TIMES), st.sampled_from(TIMES)).filter(lambda pair: pair[0] != pair[1])
tariffs = st.builds(
    Tariff,
    name=st.just("generated"),
    currency=st.sampled_from(["USD", "JPY", "JOD"]),
    rate_minor_per_minute=st.sampled_from([0, 1, 40]),
    grace=policies,
    fragment=st.sampled_from(["completed", "started"]),
    cap_minor=st.none() | st.integers(0, 2000),
    tiers=st.dictionaries(st.integers(1, 100), st.sampled_from([0, 20, 100]), max_size=3).map(
        lambda tiers: tuple(
            Tier(from_percent=percent, rate_minor_per_minute=rate_minor)
            for percent, rate_minor in sorted(tiers.items())
        )
    ),
    no_fee_hours=st.lists(windows.map(lambda pair: NoFeeHours(start=pair[0], end=pair[1])), max_size=2).map(tuple),
    requires_notice=st.booleans(),
    tax=st.none() | st.builds(Tax, code=st.just("vat"), rate_ppm=st.integers(0, 300_000)),
)
excuses = st.tuples(moments, st.integers(1, 2000)).map(lambda span: Span(span[0], span[0] + span[1], "excuse"))
occupancies = st.builds(Occupancy, at=moments, occupied=st.integers(1, 4), in_service=st.integers(0, 4))
contexts = st.builds(
    Context,
    zone=st.sampled_from(ZONES),
    excuses=st.lists(excuses, max_size=3).map(tuple),
    notice_accepted_at=st.none() | moments,
    occupancy=st.lists(occupancies, max_size=4, unique_by=lambda sample: sample.at).map(tuple),
)
stretches = st.integers(0, 6000).map(lambda at: AUTUMN_NIGHT_S - 1800 + at)


def timeline_of(events: list[Event], until: int) -> Timeline:
    return fold(events, session="s", until=until)


def covers(spans: tuple[Span, ...], start: int, end: int) -> bool:
    """Whether the spans fill [start, end) without a gap, an overlap or an empty one."""
    edges = [start, *(edge for span in spans for edge in span[:2]), end]
    return all(span.start < span.end for span in spans) and all(
        left == right for left, right in zip(edges[::2], edges[1::2], strict=True)
    )


# -- the fold -----------------------------------------------------------------------------------------------


@given(streams(), stretches, st.randoms(use_true_random=False))
def test_equal_facts_give_equal_timelines_in_whatever_order(events: list[Event], until: int, random: Random) -> None:
    shuffled = events + random.choices(events, k=3)
    random.shuffle(shuffled)
    assert timeline_of(shuffled, until) == timeline_of(events, until)


@given(streams(), stretches)
def test_every_event_is_judged_once(events: list[Event], until: int) -> None:
    judged = [event for event, _ in timeline_of(events, until).judged]
    assert sorted(judged, key=lambda event: event.id) == sorted(events, key=lambda event: event.id)
    assert all(left.at <= right.at for left, right in pairwise(judged))


@given(streams(), stretches)
def test_what_was_ignored_might_as_well_not_have_been_sent(events: list[Event], until: int) -> None:
    timeline = timeline_of(events, until)
    ignored = {event.id for event, reason in timeline.judged if reason}
    numbered = any(event.seq is not None for event in events)
    for event in events:
        # An ignored event without a number still says that its second is not numbered throughout.
        if event.id in ignored and not numbered:
            without = timeline_of([one for one in events if one.id != event.id], until)
            assert (without.car, without.excused, without.token) == (
                timeline.car,
                timeline.excused,
                timeline.token,
            )
            assert (without.plugged_in_at, without.ended_at) == (timeline.plugged_in_at, timeline.ended_at)


@given(streams(), stretches)
def test_the_car_is_somewhere_in_every_second(events: list[Event], until: int) -> None:
    timeline = timeline_of(events, until)
    if timeline.plugged_in_at is None:
        assert (timeline.car, timeline.until, timeline.not_billable) == ((), None, "no_plug_in")
        return
    assert timeline.until == (timeline.ended_at or max(until, timeline.plugged_in_at))
    assert covers(timeline.car, timeline.plugged_in_at, timeline.until)
    assert all(left.label != right.label for left, right in pairwise(timeline.car))


@given(streams(), stretches)
def test_excused_spans_are_apart_and_inside(events: list[Event], until: int) -> None:
    timeline = timeline_of(events, until)
    for span in timeline.excused:
        assert timeline.plugged_in_at is not None
        assert timeline.until is not None
        assert timeline.plugged_in_at <= span.start < span.end <= timeline.until
        assert span.label
    assert all(
        left.end < right.start or (left.end == right.start and left.label != right.label)
        for left, right in pairwise(timeline.excused)
    )


@given(streams(), stretches, st.integers(-100_000, 100_000))
def test_a_constant_offset_of_the_clock_cancels(events: list[Event], until: int, shift_s: int) -> None:
    straight = timeline_of(events, until)
    shifted = timeline_of([event._replace(at=event.at + shift_s) for event in events], until + shift_s)
    assert [(end - start, label) for start, end, label in shifted.car] == [
        (end - start, label) for start, end, label in straight.car
    ]
    assert shifted.not_billable == straight.not_billable


# -- the bill -----------------------------------------------------------------------------------------------


@given(streams(), stretches, tariffs, contexts)
def test_every_second_and_every_cent_is_accounted_for(
    events: list[Event], until: int, tariff: Tariff, context: Context
) -> None:
    timeline = timeline_of(events, until)
    report = rate(timeline, tariff, context)
    if timeline.plugged_in_at is not None and timeline.until is not None:
        assert covers(report.spans, timeline.plugged_in_at, timeline.until)
    assert lasting(report, "idle") == report.billed_s
    assert lasting(report, "idle") + lasting(report, "grace") == report.chargeable_s
    assert sum(line.pieces for line in report.lines) == pieces(report, tariff)
    assert all(line.amount_minor == line.pieces * line.rate_minor for line in report.lines)
    assert report.subtotal_minor == sum(line.amount_minor for line in report.lines)
    assert report.fee_minor == report.subtotal_minor - report.capped_minor >= 0
    assert report.cap_minor is None or report.fee_minor <= report.cap_minor
    assert 0 <= report.tax_minor <= report.fee_minor
    assert report.fee_minor == 0 or report.not_billable is None


def lasting(report: FeeReport, label: str) -> int:
    return sum(end - start for start, end, name in report.spans if name == label)


def pieces(report: FeeReport, tariff: Tariff) -> int:
    whole, fragment_s = divmod(report.billed_s, 60)
    if tariff.fragment == "started":
        assert report.fragment_s == 0
        return whole + (fragment_s > 0)
    assert report.fragment_s == fragment_s
    return whole


@given(streams(), stretches, tariffs, contexts, excuses)
def test_no_exclusion_makes_a_flat_fee_higher(
    events: list[Event], until: int, tariff: Tariff, context: Context, more: Span
) -> None:
    timeline = timeline_of(events, until)
    flat = tariff.model_copy(update={"tiers": ()})
    with_more = replace(context, excuses=(*context.excuses, more))
    assert rate(timeline, flat, with_more).fee_minor <= rate(timeline, flat, context).fee_minor


@given(streams(), stretches, tariffs, contexts)
def test_all_exclusions_together_never_make_a_fee_higher(
    events: list[Event], until: int, tariff: Tariff, context: Context
) -> None:
    timeline = timeline_of(events, until)
    counts_all = tariff.model_copy(update={"no_fee_hours": (), "requires_notice": False})
    bare = rate(replace(timeline, excused=()), counts_all, replace(context, excuses=()))
    report = rate(timeline, tariff, context)
    assert report.fee_minor <= bare.fee_minor
    assert not report.without_exclusions or report.fee_minor == bare.fee_minor


@given(streams(), stretches, st.integers(0, 600), tariffs, contexts)
def test_staying_longer_never_costs_less(
    events: list[Event], until: int, longer_s: int, tariff: Tariff, context: Context
) -> None:
    flat = tariff.model_copy(update={"tiers": ()})
    now = rate(timeline_of(events, until), flat, context)
    later = rate(timeline_of(events, until + longer_s), flat, context)
    assert later.fee_minor >= now.fee_minor


@given(streams(), stretches, tariffs, contexts)
def test_a_report_explains_itself_and_is_read_back(
    events: list[Event], until: int, tariff: Tariff, context: Context
) -> None:
    report = rate(timeline_of(events, until), tariff, context)
    assert report_from_json(report_to_json(report)) == report
    sentences = explain(report, context.zone)
    assert all(sentence.endswith(".") for sentence in sentences)
    assert ("You pay" in sentences[-1]) == (report.fee_minor > 0)
