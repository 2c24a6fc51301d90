"""Sentences of the rules that the table of examples does not show, each with a story of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.model.events import Fact
from tests.model.rules import bill, is_within
from tests.model.stories import (
    NOW,
    SESSION,
    charging,
    complete,
    event,
    fault,
    idle_until,
    neighbour,
    resumed,
    unplugged,
    world,
)

DAY_S = 86_400


def outcome(facts: list[Fact], *, now: int = NOW, **tariff: Any) -> dict[str, Any]:
    return bill(facts, world(**tariff), SESSION, now)


def at_offset(facts: list[Fact], offset_s: int) -> list[Fact]:
    return [{**fact, "sent_at": fact["at"], "received_at": fact["at"] + offset_s} for fact in facts]


# Facts and order


def test_without_a_plug_in_there_is_no_session() -> None:
    found = outcome(idle_until(3000)[1:])
    assert (found["state"], found["not_billable"], found["fee_minor"]) == ("none", "no_plug_in", 0)


def test_an_unplug_before_the_plug_in_goes_to_review_and_ends_nothing() -> None:
    found = outcome([event("unplugged", -5), *idle_until(2520)])
    assert (found["ended_at"], found["billed_s"], found["review"]) == (2520, 420, ["unplug_before_plug_in"])


def test_two_contents_under_one_id_are_both_unused() -> None:
    late = {**complete(1800)[0], "at": 1900}
    found = outcome([*idle_until(2520), late])
    assert (found["not_billable"], found["review"]) == ("no_completion", ["id_conflict"])


def test_the_same_content_again_is_no_conflict() -> None:
    again = {**complete(1800)[0], "replayed": True, "imported": True, "sent_at": 9, "received_at": 9999}
    assert outcome([*idle_until(2520), again]) == outcome(idle_until(2520))


def test_a_void_settles_a_conflict() -> None:
    wrong = event("charge_complete", 1850, id="x")
    void = {"kind": "void", "station": "st", "id": "x"}
    found = outcome([*idle_until(2520), wrong, {**wrong, "at": 1900}, void])
    assert (found["billed_s"], found["review"]) == (420, [])


def test_a_conflict_over_a_fault_of_the_stall_goes_to_review_while_the_session_lasts() -> None:
    opened, closed = fault(2000, 2100)
    assert outcome([*idle_until(2520), opened, closed, {**closed, "at": 2110}])["review"] == ["id_conflict"]
    before = {**opened, "at": -50}
    assert outcome([*idle_until(2520), before, {**before, "at": -40}])["review"] == []


@pytest.mark.parametrize(("seqs", "billed_s"), [((1, 2), 420), ((2, 1), 0), ((None, 1), 0), ((1, None), 0)])
def test_seq_decides_a_second_where_all_its_events_have_it(seqs: tuple[int | None, int | None], billed_s: int) -> None:
    """By type the car resumes last; by `seq` 1, 2 it completes last."""
    second = [event("charging_resumed", 1800, seq=seqs[0]), event("charge_complete", 1800, seq=seqs[1])]
    assert outcome(charging() + second + unplugged(2520))["billed_s"] == billed_s


def test_a_fault_over_the_stall_without_seq_spoils_the_seq_of_a_second() -> None:
    second = [event("charging_resumed", 1800, seq=1), event("charge_complete", 1800, seq=2)]
    beside = fault(1800, 1801)
    assert outcome(charging() + second + unplugged(2520) + beside)["billed_s"] == 0
    elsewhere = [{**happening, "stall": "2"} for happening in beside]
    assert outcome(charging() + second + unplugged(2520) + elsewhere)["billed_s"] == 420


def test_an_event_naming_another_stall_is_ignored() -> None:
    assert outcome([*idle_until(2520), event("unplugged", 2000, stall="2")])["ended_at"] == 2520


# The station


@pytest.mark.parametrize(
    ("scope", "billed_s"),
    [
        ({"stall": "1", "session": None}, 320),
        ({"stall": "1", "session": "other"}, 320),
        ({"stall": None, "session": None}, 320),
        ({"stall": None, "session": "s"}, 320),
        ({"stall": None, "session": "other"}, 420),
        ({"stall": "2", "session": "s"}, 420),
    ],
)
def test_a_fault_covers_what_it_names(scope: dict[str, Any], billed_s: int) -> None:
    beside = [{**happening, **scope} for happening in fault(2000, 2100)]
    assert outcome(idle_until(2520) + beside)["billed_s"] == billed_s


def test_a_cause_closes_in_its_own_scope_only_and_once() -> None:
    opened, closed = fault(2000, 2100)
    again, _ = fault(2050, 2100)
    assert outcome([*idle_until(2520), opened, again, closed])["billed_s"] == 320
    station_wide = {**closed, "stall": None}
    assert outcome([*idle_until(2520), opened, station_wide])["billed_s"] == 0


# The end


def test_a_timed_out_session_ends_at_its_last_event() -> None:
    facts = [*charging(), *complete(1800), event("meter", 2600)]
    running = outcome(facts, now=2600 + DAY_S - 1)
    assert (running["state"], running["ended_at"], running["billed_s"]) == ("running", None, 500)
    ended = outcome(facts, now=2600 + DAY_S)
    assert (ended["state"], ended["ended_at"], ended["billed_s"]) == ("ended", 2600, 500)


def test_what_follows_the_next_plug_in_is_not_waited_for() -> None:
    facts = [*charging(), *complete(1800), event("meter", 2300), *neighbour("1", 2400), event("meter", 9000)]
    assert outcome(facts)["billed_s"] == 200


def test_a_late_unplug_counts_past_the_next_plug_in() -> None:
    assert outcome(idle_until(3000) + neighbour("1", 2400))["billed_s"] == 900


def test_events_of_the_whole_station_keep_a_session_going() -> None:
    station_wide = event("station_restored", 2700, session=None, stall=None, cause="never opened")
    elsewhere = event("meter", 2800, session=None, stall="2")
    assert outcome([*charging(), *complete(1800), station_wide, elsewhere])["billed_s"] == 600


# Exclusions


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2024-11-03 08:29:59", False),
        ("2024-11-03 08:30:00", True),
        ("2024-11-03 08:59:59", True),
        ("2024-11-03 09:00:00", False),
        ("2024-11-03 09:30:00", True),
        ("2024-11-03 10:00:00", False),
        ("2024-11-04 09:30:00", False),
    ],
)
def test_an_hour_that_comes_twice_is_free_twice(moment: str, inside: bool) -> None:
    at = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    window = {"days": [6], "start": "01:30", "end": "02:00"}
    assert is_within(window, at, "America/Los_Angeles") is inside


@pytest.mark.parametrize(
    ("hour", "inside"), [(21, False), (22, True), (24, True), (29, True), (30, False), (46, False)]
)
def test_a_window_past_midnight_belongs_to_the_day_it_starts(hour: int, inside: bool) -> None:
    thursday_night = {"days": [3], "start": "22:00", "end": "06:00"}
    assert is_within(thursday_night, hour * 3600, "UTC") is inside


def test_excuses_and_notices_are_on_our_clock() -> None:
    facts = at_offset(idle_until(2700), 1000)
    excuse = {"kind": "excuse", "site": "site", "stall": None, "start": 3100, "end": 3200}
    assert outcome([*facts, excuse])["billed_s"] == 500
    notices = [{"kind": "notice_accepted", "session": SESSION, "at": at} for at in (2920, 2990)]
    assert outcome([*facts, *notices], requires_notice=True)["billed_s"] == 480


def test_an_excuse_of_a_stall_is_for_that_stall() -> None:
    excuse = {"kind": "excuse", "site": "site", "stall": ("st", "2"), "start": 2000, "end": 2100}
    assert outcome([*idle_until(2700), excuse])["billed_s"] == 600
    assert outcome([*idle_until(2700), {**excuse, "stall": ("st", "1")}])["billed_s"] == 500


# Clocks


def test_the_smallest_live_offset_is_the_offset_and_far_ones_go_to_review() -> None:
    started, begun, done, gone = idle_until(2700)
    near = at_offset([started], 5) + at_offset([begun], 125)
    assert outcome([*near, done, gone])["review"] == []
    far = at_offset([started], 5) + at_offset([begun], 126)
    assert outcome([*far, done, gone])["review"] == ["clock_offsets"]
    replayed = [far[0], {**far[1], "replayed": True}]
    assert outcome([*replayed, done, gone])["review"] == []


# Price


def test_a_stall_out_of_service_counts_in_no_tier() -> None:
    facts = idle_until(2700)
    closed = {"kind": "out_of_service", "stall": ("st", "2"), "start": 2400, "end": None}
    half = world(stalls=2, rate_minor_per_minute=0, tiers=[(100, 100)])
    assert bill([*facts, closed], half, SESSION, NOW)["fee_minor"] == 5_00
    back = {"kind": "back_in_service", "stall": ("st", "2"), "at": 2520}
    assert bill([back, *facts, closed], half, SESSION, NOW)["fee_minor"] == 2_00


def test_a_zero_rate_uses_up_grace_and_minutes() -> None:
    """Free until the neighbour comes at 2160; grace was over at 2100."""
    facts = idle_until(2280) + neighbour("2", 2160)
    half = world(stalls=2, rate_minor_per_minute=0, tiers=[(100, 100)])
    assert bill(facts, half, SESSION, 5000)["fee_minor"] == 2_00


def test_tax_is_in_the_price_or_on_top_of_it() -> None:
    included = outcome(idle_until(2700), tax={"code": "vat", "rate_ppm": 190_000, "included": True})
    assert (included["fee_minor"], included["tax_minor"]) == (4_00, 64)
    on_top = outcome(idle_until(2700), tax={"code": "vat", "rate_ppm": 190_000, "included": False})
    assert (on_top["fee_minor"], on_top["tax_minor"]) == (4_00, 76)


def test_a_fee_waits_only_above_the_limit() -> None:
    assert outcome(idle_until(2700), review_above_minor=4_00)["review"] == []
    assert outcome(idle_until(2700), review_above_minor=3_99)["review"] == ["above_limit"]


def test_the_tariff_is_that_of_the_plug_in_unless_the_last_order_covers_it() -> None:
    here = world()
    here["tariffs"]["dear"] = {**here["tariffs"]["standard"], "rate_minor_per_minute": 100}
    here["tariffs"]["cheap"] = {**here["tariffs"]["standard"], "rate_minor_per_minute": 10}
    assigned: list[Fact] = [{"kind": "assign", "site": "site", "tariff": "standard", "from": None}]
    assigned += [{"kind": "assign", "site": "site", "tariff": "dear", "from": 1}]
    assert bill(idle_until(2700) + assigned, here, SESSION, NOW)["fee_minor"] == 4_00
    assert bill(at_offset(idle_until(2700), 1) + assigned, here, SESSION, NOW)["fee_minor"] == 10_00
    orders = [
        {"kind": "rerate", "site": None, "from": 0, "to": 1, "tariff": tariff, "n": n}
        for tariff, n in (("cheap", 2), ("dear", 1))
    ]
    assert bill(idle_until(2700) + assigned + orders, here, SESSION, NOW)["fee_minor"] == 1_00


# People


def test_the_owner_is_who_held_the_first_token_at_the_plug_in_unless_claimed() -> None:
    here = world()
    here["tokens"] = [
        {"token": "card", "owner": "ada", "from": None, "to": 0},
        {"token": "card", "owner": "ben", "from": 0, "to": None},
    ]
    plug_in, begun, *rest = idle_until(2700)
    facts = [plug_in, {**begun, "token": "card"}, *rest]
    assert bill(facts, here, SESSION, NOW)["owner"] == "ben"
    claims = [{"kind": "claim", "session": SESSION, "owner": who, "n": n} for n, who in enumerate(("x", "y"))]
    assert bill(facts + claims, here, SESSION, NOW)["owner"] == "y"


def test_labels_say_what_people_see_in_each_second() -> None:
    facts = charging() + complete(20) + resumed(330) + complete(340) + fault(340, 345) + unplugged(400)
    shown = bill(facts, world(), SESSION, NOW, with_labels=True)["labels"]
    changes = [(at, label) for at, label in enumerate(shown) if at == 0 or shown[at - 1] != label]
    assert changes == [
        (0, "connected"),
        (10, "charging"),
        (20, "grace"),
        (320, "idle"),
        (330, "charging"),
        (340, "excused:fault"),
        (345, "idle"),
    ]
    assert len(shown) == 400
