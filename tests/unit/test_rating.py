"""Rating: pieces, tiers, caps, taxes, conditions and the report."""

import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.rating import (
    Context,
    FeeReport,
    Occupancy,
    PriceLine,
    rate,
    report_from_json,
    report_to_json,
)
from billing.tariffs import NoFeeHours, Tariff, Tax, Tier, preset
from sessions.grace import GraceMode, GracePolicy
from sessions.machine import Car, Span, Timeline

UTC = ZoneInfo("UTC")
STANDARD = preset("standard")
NO_GRACE = GracePolicy(grace_s=0)


def stayed(length_s: int, **changes: Any) -> Timeline:
    """Charging from 0, complete from 1000 for so long, then unplugged."""
    end = 1000 + length_s
    car = (Span(0, 1000, Car.CHARGING), Span(1000, end, Car.COMPLETE))
    return replace(Timeline(0, end, end, "1", None, car, (), (), (), 0, None), **changes)


def tariff(**changes: Any) -> Tariff:
    return STANDARD.model_copy(update={"grace": NO_GRACE} | changes)


def bill(length_s: int, priced: Tariff, **context: Any) -> FeeReport:
    return rate(stayed(length_s), priced, Context(UTC, **context))


TIERS = (Tier(from_percent=50, rate_minor_per_minute=50), Tier(from_percent=100, rate_minor_per_minute=100))
TIERED = tariff(rate_minor_per_minute=10, tiers=TIERS)


def occupied(*changes: tuple[int, int]) -> tuple[Occupancy, ...]:
    """(seconds of the stay, stalls of ten that are occupied)."""
    return tuple(Occupancy(1000 + at, stalls, 10) for at, stalls in changes)


# -- pieces -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length_s", "fragment", "pieces", "fragment_s"),
    [
        (59, "completed", 0, 59),
        (60, "completed", 1, 0),
        (61, "completed", 1, 1),
        (59, "started", 1, 0),
        (60, "started", 1, 0),
        (61, "started", 2, 0),
    ],
)
def test_the_last_fragment(length_s: int, fragment: str, pieces: int, fragment_s: int) -> None:
    report = bill(length_s, tariff(fragment=fragment))
    assert (sum(line.pieces for line in report.lines), report.fragment_s) == (pieces, fragment_s)
    assert report.fee_minor == report.subtotal_minor == pieces * 40
    assert report.billed_s == length_s


def test_a_line_is_a_run_of_equal_pieces() -> None:
    report = bill(400, TIERED, occupancy=occupied((0, 1), (120, 5), (300, 10)))
    assert report.lines == (
        PriceLine(1000, 1120, 2, 10, 20),
        PriceLine(1120, 1300, 3, 50, 1_50),
        PriceLine(1300, 1360, 1, 100, 1_00),
    )
    assert (report.subtotal_minor, report.fragment_s) == (2_70, 40)


def test_a_change_within_a_piece_costs_the_lower_rate_either_way() -> None:
    rising = bill(60, TIERED, occupancy=occupied((0, 1), (59, 10)))
    falling = bill(60, TIERED, occupancy=occupied((0, 10), (59, 1)))
    brief = bill(60, TIERED, occupancy=occupied((0, 10), (30, 1), (31, 10)))
    assert [one.fee_minor for one in (rising, falling, brief)] == [10, 10, 10]


def test_a_piece_glued_over_a_gap_looks_at_billed_seconds_only() -> None:
    blip = (
        Span(0, 1000, Car.CHARGING),
        Span(1000, 1030, Car.COMPLETE),
        Span(1030, 1150, Car.CHARGING),
        Span(1150, 1180, Car.COMPLETE),
    )
    timeline = stayed(180, car=blip)
    cheap_in_the_gap = Context(UTC, occupancy=occupied((0, 10), (30, 1), (150, 10)))
    report = rate(timeline, TIERED, cheap_in_the_gap)
    assert report.billed_s == 60
    assert (report.lines, report.fee_minor) == ((PriceLine(1000, 1180, 1, 100, 1_00),), 1_00)


def test_a_started_fragment_that_spans_a_change_costs_the_lower_rate() -> None:
    started = TIERED.model_copy(update={"fragment": "started"})
    report = bill(90, started, occupancy=occupied((0, 5), (80, 10)))
    assert [(line.pieces, line.rate_minor) for line in report.lines] == [(2, 50)]


# -- tiers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("occupied_stalls", "in_service", "rate_minor"),
    [
        (1, 10, 10),
        (49, 100, 10),
        (50, 100, 50),
        (1, 2, 50),
        (1, 3, 10),
        (2, 3, 50),
        (99, 100, 50),
        (10, 10, 100),
        (11, 10, 100),
        (1, 1, 100),
        (1, 0, 10),
        (0, 0, 10),
    ],
)
def test_the_highest_threshold_reached_holds(occupied_stalls: int, in_service: int, rate_minor: int) -> None:
    report = bill(60, TIERED, occupancy=(Occupancy(0, occupied_stalls, in_service),))
    assert report.fee_minor == rate_minor


def test_before_anything_is_known_of_the_site_the_base_rate_holds() -> None:
    assert bill(120, TIERED, occupancy=occupied((60, 10))).fee_minor == 10 + 100
    assert bill(120, TIERED).fee_minor == 20


def test_occupancy_may_come_in_any_order() -> None:
    changes = occupied((0, 1), (60, 5), (120, 10))
    assert bill(180, TIERED, occupancy=changes[::-1]) == bill(180, TIERED, occupancy=changes)


def test_a_tier_may_be_cheaper_than_what_is_below_it() -> None:
    odd = tariff(rate_minor_per_minute=100, tiers=(Tier(from_percent=50, rate_minor_per_minute=20),))
    assert bill(120, odd, occupancy=occupied((0, 1), (60, 5))).fee_minor == 1_20


# -- cap and tax --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cap_minor", "fee_minor", "capped_minor"),
    [(None, 4_00, 0), (4_01, 4_00, 0), (4_00, 4_00, 0), (3_99, 3_99, 1), (0, 0, 4_00)],
)
def test_the_cap(cap_minor: int | None, fee_minor: int, capped_minor: int) -> None:
    report = bill(600, tariff(cap_minor=cap_minor))
    assert (report.subtotal_minor, report.fee_minor, report.capped_minor) == (4_00, fee_minor, capped_minor)


@pytest.mark.parametrize(
    ("share_ppm", "included", "fee_minor", "tax_minor"),
    [
        (0, True, 4_00, 0),
        (190_000, True, 4_00, 64),
        (72_500, True, 4_00, 27),
        (1_000_000, True, 4_00, 2_00),
        (190_000, False, 4_76, 76),
        (72_500, False, 4_29, 29),
        (100, False, 4_00, 0),
        (1_300, False, 4_01, 1),
    ],
)
def test_tax_is_in_the_price_or_on_top(share_ppm: int, included: bool, fee_minor: int, tax_minor: int) -> None:
    tax = Tax(code="vat", rate_ppm=share_ppm, included=included)
    report = bill(600, tariff(tax=tax))
    assert (report.fee_minor, report.tax_minor) == (fee_minor, tax_minor)
    assert (report.tax_code, report.tax_included) == ("vat", included)


def test_without_a_tax_there_is_none() -> None:
    report = bill(600, tariff())
    assert (report.tax_code, report.tax_minor, report.tax_included) == (None, 0, True)


def test_half_a_cent_of_tax_goes_up() -> None:
    on_top = Tax(code="vat", rate_ppm=12_500, included=False)
    assert bill(60, tariff(tax=on_top)).tax_minor == 1  # 40 cents at 1.25 % are half a cent


# -- what is not counted ------------------------------------------------------------------------------------


def test_what_is_ours_is_moved_onto_the_stations_clock() -> None:
    behind = stayed(1200, offset_s=3600)
    context = Context(
        UTC,
        excuses=(Span(3600 + 1000, 3600 + 1060, "blocked exit"),),
        notice_accepted_at=3600 + 1120,
        occupancy=(Occupancy(3600 + 1900, 10, 10),),
    )
    priced = TIERED.model_copy(update={"requires_notice": True})
    report = rate(behind, priced, context)
    assert [tuple(span) for span in report.spans] == [
        (0, 1000, "charging"),
        (1000, 1060, "excused:operator blocked exit"),
        (1060, 1120, "excused:no notice"),
        (1120, 2200, "idle"),
    ]
    assert [(line.start, line.pieces, line.rate_minor) for line in report.lines] == [(1120, 13, 10), (1900, 5, 100)]


def test_no_fee_hours_are_compared_with_corrected_time() -> None:
    window = (NoFeeHours(start="01:20", end="01:25"),)
    shifted = rate(stayed(1200, offset_s=3600), tariff(no_fee_hours=window), Context(UTC))
    assert Span(1200, 1500, "excused:no-fee hours") in shifted.spans
    straight = rate(stayed(1200), tariff(no_fee_hours=window), Context(UTC))
    assert straight.billed_s == 1200


@pytest.mark.parametrize(
    ("accepted_at", "billed_s"), [(None, 0), (0, 600), (1000, 600), (1300, 300), (1600, 0), (9999, 0)]
)
def test_before_the_notice_nothing_is_counted(accepted_at: int | None, billed_s: int) -> None:
    report = bill(600, tariff(requires_notice=True), notice_accepted_at=accepted_at)
    assert report.billed_s == billed_s


def test_a_notice_means_nothing_where_none_is_required() -> None:
    assert bill(600, tariff(), notice_accepted_at=1300).billed_s == 600


def test_the_order_of_excuses_changes_nothing() -> None:
    excuses = (Span(1000, 1200, "b"), Span(1100, 1300, "a"), Span(1000, 1200, "a"))
    assert bill(600, tariff(), excuses=excuses[::-1]) == bill(600, tariff(), excuses=excuses)


def test_no_exclusion_raises_a_fee() -> None:
    timeline = stayed(90, excused=(Span(1000, 1030, "a"),))
    free_first = tariff(rate_minor_per_minute=0, tiers=TIERS)
    report = rate(timeline, free_first, Context(UTC, occupancy=occupied((0, 1), (30, 5))))
    assert (report.fee_minor, report.billed_s, report.without_exclusions) == (0, 90, True)
    assert report.spans == (Span(0, 1000, "charging"), Span(1000, 1090, "idle"))


def test_of_two_equal_bills_the_one_with_exclusions_holds() -> None:
    timeline = stayed(120, excused=(Span(1000, 1001, "a"),))
    report = rate(timeline, TIERED.model_copy(update={"cap_minor": 5}), Context(UTC))
    assert (report.fee_minor, report.without_exclusions) == (5, False)


# -- the report ---------------------------------------------------------------------------------------------

WHOLE = rate(
    stayed(1200, excused=(Span(1400, 1430, "a"),), offset_s=7),
    TIERED.model_copy(
        update={
            "grace": GracePolicy(GraceMode.WAIVE),
            "cap_minor": 3_00,
            "tax": Tax(code="vat", rate_ppm=190_000),
            "name": "whole",
            "version": 3,
        }
    ),
    Context(UTC, excuses=(Span(1000, 1200, "blocked exit"),), occupancy=occupied((0, 5), (700, 10))),
)


def test_a_report_accounts_for_every_second() -> None:
    assert WHOLE.spans[0].start == WHOLE.plugged_in_at
    assert WHOLE.spans[-1].end == WHOLE.until
    assert all(left.end == right.start for left, right in zip(WHOLE.spans, WHOLE.spans[1:], strict=False))
    assert WHOLE.chargeable_s == 1200 - 30 - 193  # the excuse lies 7 s earlier on the station's clock
    assert WHOLE.billed_s == sum(line.pieces for line in WHOLE.lines) * 60 + WHOLE.fragment_s


def test_a_report_names_what_it_was_made_with() -> None:
    assert (WHOLE.rules_version, WHOLE.tariff, WHOLE.tariff_version, WHOLE.currency) == (1, "whole", 3, "USD")
    assert (WHOLE.offset_s, WHOLE.cap_minor, WHOLE.grace.mode) == (7, 3_00, GraceMode.WAIVE)


def test_a_report_is_read_back_as_it_was_stored() -> None:
    assert report_from_json(json.loads(json.dumps(report_to_json(WHOLE)))) == WHOLE


def test_a_session_that_is_none_costs_nothing() -> None:
    nothing = Timeline(None, None, None, None, None, (), (), (), (), 0, "no_plug_in")
    priced = tariff(requires_notice=True, no_fee_hours=(NoFeeHours(start="00:00", end="24:00"),))
    report = rate(nothing, priced, Context(UTC, excuses=(Span(0, 10, "x"),)))
    assert (report.fee_minor, report.spans, report.stays, report.lines) == (0, (), (), ())
    assert report.not_billable == "no_plug_in"
    assert report_from_json(report_to_json(report)) == report
