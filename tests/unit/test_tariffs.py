"""Tariffs: files with all their faults named at once, presets, no-fee hours in local time."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from billing.tariffs import (
    NO_FEE_HOURS,
    NoFeeHours,
    Tariff,
    TariffFaults,
    Tax,
    Tier,
    UnknownPreset,
    load_tariff,
    no_fee_spans,
    preset,
    preset_names,
    tariff_from_json,
    tariff_to_json,
    tariff_to_toml,
)
from sessions.grace import GraceMode, GracePolicy

LEAST = 'name = "plain"\ncurrency = "USD"\nrate_minor_per_minute = 40\n'
FULL = Tariff(
    name="full",
    version=7,
    currency="EUR",
    rate_minor_per_minute=10,
    grace=GracePolicy(GraceMode.WAIVE, 600, 900, 60),
    fragment="started",
    cap_minor=20_00,
    tiers=(Tier(from_percent=50, rate_minor_per_minute=40), Tier(from_percent=100, rate_minor_per_minute=80)),
    no_fee_hours=(
        NoFeeHours(days=("sat", "sun"), start="22:00", end="06:00"),
        NoFeeHours(start="00:00", end="24:00"),
    ),
    requires_notice=True,
    review_above_minor=15_00,
    tax=Tax(code="de-vat", rate_ppm=190_000, included=False),
    sources='A decision of "May"\n\tas written: C:\\tariffs, Zoë 🚗 """quoted"""\n',
)


# -- files --------------------------------------------------------------------------------------------------


def test_what_a_file_leaves_out_is_as_in_standard() -> None:
    assert load_tariff(LEAST) == preset("standard").model_copy(update={"name": "plain", "sources": ""})


@pytest.mark.parametrize("tariff", [FULL, *(preset(name) for name in preset_names())], ids=lambda one: one.name)
def test_a_tariff_is_read_back_as_it_was_written(tariff: Tariff) -> None:
    assert load_tariff(tariff_to_toml(tariff)) == tariff
    assert tariff_from_json(tariff_to_json(tariff)) == tariff


def test_json_keeps_the_defaults_of_its_day() -> None:
    assert set(json.loads(tariff_to_json(load_tariff(LEAST)))) == set(Tariff.model_fields)


def test_all_faults_are_named_at_once() -> None:
    text = """
        name = "No Spaces"
        version = true
        currency = "usd"
        rate_minor_per_minute = 0.4
        fragment = "begun"
        cap_minor = -1
        requires_notice = "yes"
        colour = "red"
        sources = 2016-12-16
        [grace]
        mode = "forgive"
        grace_s = "300"
        patience_s = 1
        [tax]
        code = ""
        [[tiers]]
        from_percent = 0
        rate_minor_per_minute = nan
        [[no_fee_hours]]
        days = ["monday"]
        start = "24:00"
        end = "6:00"
    """
    with pytest.raises(TariffFaults) as caught:
        load_tariff(text)
    assert [where for where, _ in caught.value.faults] == [
        "name",
        "version",
        "currency",
        "rate_minor_per_minute",
        "grace.mode",
        "grace.grace_s",
        "grace.patience_s",
        "fragment",
        "cap_minor",
        "tiers.0.from_percent",
        "tiers.0.rate_minor_per_minute",
        "no_fee_hours.0.days.0",
        "no_fee_hours.0.start",
        "no_fee_hours.0.end",
        "requires_notice",
        "tax.code",
        "tax.rate_ppm",
        "sources",
        "colour",
    ]
    assert all(what and "Input" not in what for _, what in caught.value.faults)


@pytest.mark.parametrize(
    ("more", "where", "what"),
    [
        ("[grace]\ngrace_s = -1", "grace", "grace_s must not be negative"),
        ("[grace]\nmin_resume_s = 0", "grace", "min_resume_s must be above 0"),
        ("[grace]\ngrace_again_after_s = 119", "grace", "must be at least min_resume_s"),
        ("[grace]\ngrace_s = true", "grace.grace_s", "must be a valid integer"),
        ("tiers = 5", "tiers", "must be a valid array"),
        ("version = 0", "version", "must be greater than or equal to 1"),
        ("cap_minor = 9223372036854775807", "cap_minor", "must be less than or equal to"),
        ('no_fee_hours = [{start = "22:00", end = "22:00"}]', "no_fee_hours.0", "00:00 to 24:00"),
        ('no_fee_hours = [{days = [], start = "22:00", end = "23:00"}]', "no_fee_hours.0.days", "at least one"),
        (
            "tiers = [{from_percent = 50, rate_minor_per_minute = 1}, {from_percent = 50, rate_minor_per_minute = 2}]",
            "tiers",
            "ascending order",
        ),
        (
            "tiers = [{from_percent = 100, rate_minor_per_minute = 1}, {from_percent = 50, rate_minor_per_minute = 2}]",
            "tiers",
            "ascending order",
        ),
        ('sources = "a\\u0000b"', "sources", "must match pattern"),
        ("colour = 1", "colour", "is no field of a tariff"),
    ],
)
def test_a_fault_says_where_and_what(more: str, where: str, what: str) -> None:
    with pytest.raises(TariffFaults) as caught:
        load_tariff(f"{LEAST}{more}\n")
    assert [place for place, _ in caught.value.faults] == [where]
    assert what in caught.value.faults[0][1]
    assert f"{where}: " in str(caught.value)


@pytest.mark.parametrize("text", ["name", "a = [", "\0", "name = 1\nname = 2"])
def test_what_is_no_toml_is_one_fault(text: str) -> None:
    with pytest.raises(TariffFaults, match="file: is not TOML"):
        load_tariff(text)


@pytest.mark.parametrize("text", ["", "[", "[]", "null", "1"])
def test_what_is_no_json_object_is_one_fault(text: str) -> None:
    with pytest.raises(TariffFaults) as caught:
        tariff_from_json(text)
    assert [where for where, _ in caught.value.faults] == ["file"]


def test_a_tariff_is_never_edited() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        FULL.rate_minor_per_minute = 0


# -- presets ------------------------------------------------------------------------------------------------


def test_the_presets_that_are_shipped() -> None:
    assert preset_names() == (
        "deduct_completed",
        "deduct_started",
        "standard",
        "tesla_2016_deduct",
        "tesla_2016_waive",
        "tiers_2018_cad",
        "tiers_2018_eur",
        "tiers_2018_gbp",
        "tiers_2018_jod",
        "tiers_2018_jpy",
        "tiers_2018_nok",
        "tiers_2018_usd",
        "waive_completed",
    )
    for name in preset_names():
        assert (preset(name).name, preset(name).version) == (name, 1)
        assert preset(name).sources


def terms(name: str) -> Tariff:
    return preset(name).model_copy(update={"name": "", "sources": ""})


def test_the_readings_differ_in_one_thing_each() -> None:
    standard = terms("standard")
    waive = standard.model_copy(update={"grace": GracePolicy(GraceMode.WAIVE)})
    assert terms("deduct_completed") == terms("tesla_2016_deduct") == standard
    assert terms("deduct_started") == standard.model_copy(update={"fragment": "started"})
    assert terms("waive_completed") == terms("tesla_2016_waive") == waive


@pytest.mark.parametrize(
    ("currency", "half_full_minor", "full_minor"),
    [
        ("USD", 50, 1_00),
        ("CAD", 65, 1_30),
        ("EUR", 40, 80),
        ("GBP", 35, 70),
        ("NOK", 4_05, 8_10),
        ("JPY", 55, 110),
        ("JOD", 350, 700),
    ],
)
def test_the_tiers_of_2018(currency: str, half_full_minor: int, full_minor: int) -> None:
    tariff = preset(f"tiers_2018_{currency.lower()}")
    assert (tariff.currency, tariff.rate_minor_per_minute, tariff.grace) == (currency, 0, GracePolicy())
    tiers = [(tier.from_percent, tier.rate_minor_per_minute) for tier in tariff.tiers]
    assert tiers == [(50, half_full_minor), (100, full_minor)]


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(UnknownPreset, match=r"no preset is called '\.\./x'; there are deduct_completed, "):
        preset("../x")


# -- no-fee hours -------------------------------------------------------------------------------------------

ANGELES = ZoneInfo("America/Los_Angeles")
BERLIN = ZoneInfo("Europe/Berlin")


def hours(*windows: NoFeeHours) -> Tariff:
    return FULL.model_copy(update={"no_fee_hours": windows})


def utc(text: str, zone: ZoneInfo) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def free(tariff: Tariff, zone: ZoneInfo, start: str, end: str) -> list[tuple[int, int]]:
    """Free spans as seconds from `start`."""
    begin = utc(start, zone)
    spans = no_fee_spans(tariff, zone, begin, utc(end, zone))
    assert all(span.label == NO_FEE_HOURS for span in spans)
    return [(span.start - begin, span.end - begin) for span in spans]


H = 3600
NIGHT = NoFeeHours(start="01:00", end="03:00")


@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        (ANGELES, "2024-05-01T00:00", "2024-05-02T00:00", [(H, 3 * H)]),
        (ANGELES, "2024-03-10T00:00", "2024-03-10T12:00", [(H, 2 * H)]),
        (ANGELES, "2024-11-03T00:00", "2024-11-03T12:00", [(H, 4 * H)]),
        (BERLIN, "2024-03-31T00:00", "2024-03-31T12:00", [(H, 2 * H)]),
        (BERLIN, "2024-10-27T00:00", "2024-10-27T12:00", [(H, 4 * H)]),
        (ANGELES, "2024-02-28T12:00", "2024-03-01T12:00", [(13 * H, 15 * H), (37 * H, 39 * H)]),
        (BERLIN, "2024-12-31T12:00", "2025-01-01T12:00", [(13 * H, 15 * H)]),
        (ZoneInfo("Asia/Kolkata"), "2024-05-01T00:00", "2024-05-01T12:00", [(H, 3 * H)]),
    ],
)
def test_free_hours_are_those_of_the_clock_on_the_wall(
    zone: ZoneInfo, start: str, end: str, expected: list[tuple[int, int]]
) -> None:
    assert free(hours(NIGHT), zone, start, end) == expected


def test_an_hour_that_never_occurs_frees_nothing_and_one_that_occurs_twice_is_two() -> None:
    skipped = hours(NoFeeHours(start="02:00", end="03:00"))
    repeated = hours(NoFeeHours(start="01:15", end="01:45"))
    assert free(skipped, ANGELES, "2024-03-10T00:00", "2024-03-10T12:00") == []
    assert free(repeated, ANGELES, "2024-11-03T00:00", "2024-11-03T12:00") == [(4500, 6300), (8100, 9900)]


def test_half_an_hour_of_daylight_saving_is_half_an_hour() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert free(hours(NIGHT), lord_howe, "2024-04-07T00:00", "2024-04-07T12:00") == [(H, 3 * H + 1800)]
    assert free(hours(NIGHT), lord_howe, "2024-10-06T00:00", "2024-10-06T12:00") == [(H, 3 * H - 1800)]


def test_hours_past_midnight_belong_to_the_day_on_which_they_begin() -> None:
    friday_night = hours(NoFeeHours(days=("fri",), start="22:00", end="06:00"))
    week = free(friday_night, BERLIN, "2024-05-01T00:00", "2024-05-08T00:00")  # from a Wednesday on
    assert week == [(70 * H, 78 * H)]
    assert free(friday_night, BERLIN, "2024-05-04T05:00", "2024-05-04T07:00") == [(0, H)]


@pytest.mark.parametrize("number", range(7))
def test_every_day_has_its_name(number: int) -> None:
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[number]
    tariff = hours(NoFeeHours.model_validate_json(json.dumps({"days": [day], "start": "12:00", "end": "13:00"})))
    start = (24 * number + 12) * H
    assert free(tariff, BERLIN, "2024-04-29T00:00", "2024-05-06T00:00") == [(start, start + H)]


def test_windows_that_touch_or_overlap_are_one_span() -> None:
    tariff = hours(
        NoFeeHours(start="10:00", end="12:00"),
        NoFeeHours(start="11:00", end="13:00"),
        NoFeeHours(start="13:00", end="14:00"),
    )
    assert free(tariff, ANGELES, "2024-05-01T00:00", "2024-05-02T00:00") == [(10 * H, 14 * H)]


def test_a_whole_day_is_a_whole_day_on_every_night() -> None:
    always = hours(NoFeeHours(start="00:00", end="24:00"))
    for start, end in (("2024-03-09T12:00", "2024-03-11T12:00"), ("2024-11-02T12:00", "2024-11-04T12:00")):
        assert free(always, ANGELES, start, end) == [(0, utc(end, ANGELES) - utc(start, ANGELES))]


def test_spans_are_cut_to_what_was_asked() -> None:
    tariff = hours(NIGHT)
    assert free(tariff, BERLIN, "2024-05-01T02:00", "2024-05-01T02:30") == [(0, 1800)]
    assert free(tariff, BERLIN, "2024-05-01T03:00", "2024-05-02T01:00") == []
    assert free(tariff, BERLIN, "2024-05-01T02:00", "2024-05-01T02:00") == []
    assert no_fee_spans(hours(), BERLIN, 0, 10**9) == []
