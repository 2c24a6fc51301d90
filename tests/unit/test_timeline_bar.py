"""The timeline bar: what it draws of a fee report, what it says in words, and that nothing gets out of its text."""

import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from api.pages.timeline import FULL, MOST_SPANS, SHAPES, Bar, Moment, Scale, _labels, describe, draw, draw_row, parts
from billing.rating import Context, rate
from billing.tariffs import Tariff, preset
from sessions.events import Event, EventType
from sessions.machine import Span, fold

SVG = "{http://www.w3.org/2000/svg}"
NINE = 1_800_000_000  # 2027-01-15, 09:00 in Berlin
BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = 60

Story = list[tuple[str, int]]  # (type, or type and cause, seconds after nine)

IN_TIME: Story = [("plugged_in", 0), ("charging_started", 0), ("charge_complete", 1800), ("unplugged", 2000)]
FIVE_IDLE_MINUTES: Story = [*IN_TIME[:3], ("unplugged", 2400)]
TWO_HOURS_BEFORE: Story = [*IN_TIME[:2], ("charge_complete", 7200), ("unplugged", 7800)]
FAULT: Story = [
    *IN_TIME[:3],
    ("station_fault ground_fault", 1920),
    ("station_restored ground_fault", 2520),
    ("unplugged", 2880),
]


def bar_of(
    story: Story,
    *,
    title: str = "Harbour",
    tariff: Tariff | None = None,
    until: int | None = None,
    context: Context | None = None,
    offset_s: int | None = None,
) -> Bar:
    events = [
        Event(
            NINE + at,
            number,
            EventType(kind.partition(" ")[0]),
            f"e{number}",
            "1",
            "s",
            kind.partition(" ")[2] or None,
            None,
            offset_s,
            b"",
        )
        for number, (kind, at) in enumerate(story)
    ]
    timeline = fold(events, session="s", until=None if until is None else NINE + until)
    report = rate(timeline, tariff or preset("standard"), context or Context(BERLIN))
    moments = [Moment(one.event.at + report.offset_s, one.event.type) for one in timeline.judged if not one.ignored]
    return Bar(title, report, BERLIN, moments, running=until is not None)


def drawn(bar: Bar) -> Element:
    return fromstring(draw(bar))


def of_class(picture: Element, name: str) -> list[Element]:
    return [element for element in picture.iter() if name in element.get("class", "").split()]


def texts(picture: Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def percent(element: Element, name: str) -> float:
    return float((element.get(name) or "").removesuffix("%"))


# -- what is drawn ------------------------------------------------------------------------------------------


def test_five_idle_minutes_are_drawn_with_their_money_under_them() -> None:
    picture = drawn(bar_of(FIVE_IDLE_MINUTES))
    charging, grace, idle = (of_class(picture, name)[0] for name in ("charging", "grace", "idle"))
    assert percent(charging, "x") == 0
    assert percent(idle, "x") + percent(idle, "width") == pytest.approx(100)
    assert percent(grace, "width") == pytest.approx(percent(idle, "width"), abs=0.02)
    assert [element.text for element in of_class(picture, "amount")] == ["$2.00"]
    across = of_class(picture, "bracket")[0]
    assert (percent(across, "x1"), percent(across, "x2")) == (percent(idle, "x"), 100)


def test_every_stretch_has_a_tick_a_minute() -> None:
    picture = drawn(bar_of(FIVE_IDLE_MINUTES))
    grace, idle = (of_class(picture, name)[0] for name in ("grace", "idle"))
    for stretch in (grace, idle):
        left, right = percent(stretch, "x"), percent(stretch, "x") + percent(stretch, "width")
        inside = [tick for tick in of_class(picture, "tick") if left < percent(tick, "x1") < right]
        assert len(inside) == 4  # the fifth minute ends with the stretch


def test_the_money_stands_under_whole_minutes_only() -> None:
    picture = drawn(bar_of([*IN_TIME[:3], ("unplugged", 2100 + 90)]))
    idle, across = of_class(picture, "idle")[0], of_class(picture, "bracket")[0]
    assert [element.text for element in of_class(picture, "amount")] == ["$0.40"]
    share = (percent(across, "x2") - percent(across, "x1")) / percent(idle, "width")
    assert share == pytest.approx(60 / 90, abs=0.01)


def test_states_differ_in_shape_and_not_in_colour_alone() -> None:
    assert len(set(SHAPES.values())) == len(SHAPES)
    shapes = [(rect.get("y"), rect.get("height")) for rect in drawn(bar_of(FAULT)).iter(f"{SVG}rect")]
    assert len(set(shapes)) == 4  # charging, grace, excused, idle


def test_every_event_has_its_mark_and_its_name() -> None:
    picture = drawn(bar_of(FAULT))
    marks = [(mark.findtext(f".//{SVG}title") or "").partition(",")[0] for mark in of_class(picture, "moment")]
    assert sorted(marks) == sorted(kind.partition(" ")[0] for kind, _ in FAULT)


def test_a_long_charge_is_folded_so_that_the_minutes_that_count_stay_legible() -> None:
    picture = drawn(bar_of(TWO_HOURS_BEFORE))
    assert percent(of_class(picture, "charging")[0], "width") == pytest.approx(50, abs=0.1)
    assert len(of_class(picture, "break")) == 1
    assert "2\u00a0h" in texts(picture)


def test_a_charge_that_is_no_longer_than_what_counts_is_to_scale() -> None:
    story: Story = [*IN_TIME[:2], ("charge_complete", 600), ("unplugged", 1200)]
    picture = drawn(bar_of(story))
    assert percent(of_class(picture, "charging")[0], "width") == pytest.approx(50, abs=0.1)
    assert not of_class(picture, "break")


def test_what_is_excused_is_not_under_the_money() -> None:
    story: Story = [*IN_TIME[:3], ("station_fault x", 2160), ("station_restored x", 2460), ("unplugged", 2760)]
    picture = drawn(bar_of(story))
    excused = of_class(picture, "excused")[0]
    left, right = percent(excused, "x"), percent(excused, "x") + percent(excused, "width")
    level = [line for line in of_class(picture, "bracket") if line.get("y1") == line.get("y2")]
    assert len(level) == 2
    assert not [line for line in level if percent(line, "x1") < right and left < percent(line, "x2")]


def test_a_cap_is_one_amount() -> None:
    tariff = preset("standard").model_copy(update={"cap_minor": 3_00})
    picture = drawn(bar_of([*IN_TIME[:3], ("unplugged", 3600)], tariff=tariff))
    assert [element.text for element in of_class(picture, "amount")] == ["$3.00"]


def test_a_running_bar_ends_now() -> None:
    picture = drawn(bar_of(IN_TIME[:3], until=2000))
    assert "now" in texts(picture)
    assert percent(of_class(picture, "now")[0], "x1") == 100
    assert not of_class(drawn(bar_of(IN_TIME)), "now")


def test_the_bar_is_on_our_clock_however_wrong_the_stations_is() -> None:
    behind = bar_of(FIVE_IDLE_MINUTES, offset_s=3600)
    assert "10:00" in texts(drawn(behind))
    assert "$2.00" in texts(drawn(behind))
    assert "10:35" in describe(behind)


def test_a_bar_that_passes_midnight_names_the_days() -> None:
    late = bar_of([("plugged_in", 0), ("charging_started", 0), ("charge_complete", 16 * 3600), ("unplugged", 57_900)])
    assert {"Fri 09:00", "Sat 01:05"} <= set(texts(drawn(late)))


def test_a_session_without_a_second_can_be_drawn() -> None:
    assert fromstring(draw_row(bar_of(IN_TIME[:1]))) is not None
    assert describe(bar_of(IN_TIME[:1])) == "Harbour: nothing yet."


# -- in words -----------------------------------------------------------------------------------------------


def test_the_text_says_what_the_bar_shows() -> None:
    assert [part.text.replace("\u00a0", " ") for part in parts(bar_of(FAULT))] == [
        "Charging, 09:00 to 09:30, 30 min",
        "Grace, 09:30 to 09:32, 2 min",
        "Excused, fault of the charger (ground fault), 09:32 to 09:42, 10 min",
        "Grace, 09:42 to 09:45, 3 min",
        "Idle fee, 09:45 to 09:48, 3 min, $1.20",
    ]


def test_the_picture_carries_its_text_for_those_who_do_not_see_it() -> None:
    bar = bar_of(FIVE_IDLE_MINUTES)
    for picture in (drawn(bar), fromstring(draw_row(bar))):
        assert picture.get("role") == "img"
        assert picture.get("aria-label") == describe(bar)


def test_seconds_are_told_where_minutes_would_hide_them() -> None:
    assert parts(bar_of([*IN_TIME[:3], ("unplugged", 2401)]))[-1].end == "09:40:01"
    assert parts(bar_of(FIVE_IDLE_MINUTES))[-1].end == "09:40"


# -- what comes from outside stays text ---------------------------------------------------------------------

HOSTILE = '<script>alert("1")</script>&\'><img src=x onerror=alert(2)>'


@pytest.mark.parametrize("draws", [draw, draw_row])
def test_a_site_named_script_is_only_a_name(draws: Callable[[Bar], Markup]) -> None:
    bar = bar_of(FIVE_IDLE_MINUTES, title=HOSTILE)
    markup = str(draws(bar))
    assert "<script" not in markup
    assert "<img" not in markup
    assert fromstring(markup).get("aria-label", "").startswith(HOSTILE)


def test_a_reason_and_a_cause_are_only_words() -> None:
    context = Context(BERLIN, excuses=(Span(NINE + 1800, NINE + 1900, HOSTILE),))
    story: Story = [*IN_TIME[:3], (f"station_fault {HOSTILE}", 1950), ("unplugged", 2400)]
    bar = bar_of(story, context=context)
    picture = drawn(bar)
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= {
        *("svg", "rect", "line", "text", "path", "title")
    }
    assert HOSTILE in (picture.get("aria-label") or "")


def test_an_events_name_is_only_a_name() -> None:
    bar = bar_of(IN_TIME)
    named = Bar(bar.title, bar.report, bar.zone, [Moment(NINE, HOSTILE)])
    assert HOSTILE in (of_class(drawn(named), "moment")[0].findtext(f".//{SVG}title") or "")


# -- any session at all -------------------------------------------------------------------------------------

LABELS = ("connected", "charging", "grace", "idle", "excused:fault x")
spans = st.lists(st.tuples(st.integers(1, 400_000), st.sampled_from(LABELS)), min_size=1, max_size=40).map(
    lambda lasting: [
        Span(start, end, label)
        for (start, end), (_, label) in zip(
            pairwise([sum(seconds for seconds, _ in lasting[:place]) for place in range(len(lasting) + 1)]),
            lasting,
            strict=True,
        )
    ]
)


@given(spans)
def test_the_stretches_fill_the_bar_in_order(spans: list[Span]) -> None:
    scale = Scale(spans)
    assert (scale.edges[0], scale.edges[-1]) == (0, FULL)
    assert all(left < right for left, right in pairwise(scale.edges))
    places = [scale.place(at) for at in range(0, spans[-1].end + 1, max(1, spans[-1].end // 97))]
    assert places == sorted(places)
    ticks = list(scale.ticks())
    assert ticks == sorted(ticks)


@given(spans)
def test_time_that_counts_is_never_folded_and_keeps_half_the_bar(spans: list[Span]) -> None:
    scale = Scale(spans)
    counted = [span.label in {"grace", "idle"} for span in spans]
    assert not [fold for fold, counts in zip(scale.folded, counted, strict=True) if fold and counts]
    if any(scale.folded) and sum(s.end - s.start for s in spans if s.label in {"grace", "idle"}) >= 600:
        widths = [right - left for left, right in pairwise(scale.edges)]
        assert sum(width for width, counts in zip(widths, counted, strict=True) if counts) > FULL // 4


def test_a_thousand_blips_are_a_picture_that_can_be_sent() -> None:
    story: Story = [("plugged_in", 0), ("charging_started", 10)]
    for blip in range(1000):
        story += [("charge_complete", 600 + 60 * blip), ("charging_resumed", 630 + 60 * blip)]
    bar = bar_of([*story, ("unplugged", 62_000)])
    markup = draw(bar)
    assert len(bar.spans) <= MOST_SPANS
    assert len(markup) < 40_000
    assert sum(part.length_s for part in parts(bar)) == 62_000


@pytest.mark.parametrize("story", [IN_TIME, FIVE_IDLE_MINUTES, TWO_HOURS_BEFORE, FAULT])
def test_no_two_times_touch(story: Story) -> None:
    bar = bar_of(story)
    places = sorted(at for at, _ in _labels(bar, Scale(bar.spans)))
    assert places[0] == 0
    assert places[-1] == FULL
    assert all(right - left > 1_000 for left, right in pairwise(places))


def test_places_are_exact_decimals() -> None:
    assert not re.search(r'="\d+\.\d{3,}%"', draw(bar_of(FAULT)))
