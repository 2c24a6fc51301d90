"""The wire form of an event: what is refused by itself and how it says so, the order, the digest, the schema."""

import json
from datetime import datetime, timedelta, timezone
from itertools import permutations
from typing import Any

import pytest
from pydantic import ValidationError

from sessions.events import (
    EARLIEST_S,
    Event,
    EventType,
    SessionEvent,
    absurd,
    content_digest,
    in_order,
    json_schema,
    rfc3339,
    utc_seconds,
)

NOON = "2024-05-01T12:00:00Z"
NOON_S = 1_714_564_800
EVENT: dict[str, Any] = {
    "id": "e-1",
    "station": "st-1",
    "stall": "1",
    "session": "s-1",
    "type": "charge_complete",
    "at": NOON,
}


def read(**changes: Any) -> SessionEvent:
    fields = {name: value for name, value in (EVENT | changes).items() if value is not ...}
    return SessionEvent.model_validate_json(json.dumps(fields))


def refusal(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        read(**changes)
    error = caught.value.errors()[0]
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['type']}"


@pytest.mark.parametrize(
    ("stamp", "expected_s"),
    [
        ("2024-05-01T12:00:00Z", NOON_S),
        ("2024-05-01t12:00:00z", NOON_S),
        ("2024-05-01 12:00:00Z", NOON_S),
        ("2024-05-01T14:00:00+02:00", NOON_S),
        ("2024-05-01T05:00:00-07:00", NOON_S),
        ("2024-05-01T17:30:00+05:30", NOON_S),
        ("2024-05-01T12:00:00.999Z", NOON_S),
        ("2024-05-01T12:00:00.999999999Z", NOON_S),
        ("2024-02-29T00:00:00Z", 1_709_164_800),
        ("2024-12-31T23:59:59-00:01", 1_735_689_659),
        ("2010-01-01T00:00:00Z", EARLIEST_S),
    ],
)
def test_a_stamp_becomes_whole_utc_seconds(stamp: str, expected_s: int) -> None:
    assert read(at=stamp).at == expected_s


@pytest.mark.parametrize(
    ("stamp", "code"),
    [
        ("2024-05-01T12:00:00", "naive_time"),
        ("2024-05-01 12:00", "naive_time"),
        ("2024-05-01", "bad_time"),
        ("2023-02-29T12:00:00Z", "bad_time"),
        ("2024-05-01T24:00:00Z", "bad_time"),
        ("2024-05-01T12:00:60Z", "bad_time"),
        ("2024-05-01T12:00:00+0200", "bad_time"),
        ("2024-05-01T12:00:00+25:00", "bad_time"),
        ("2024-05-01T12:00Z", "bad_time"),
        ("\u0662\u0660\u0662\u0664-05-01T12:00:00Z", "bad_time"),
        ("1714564800", "bad_time"),
        (1714564800, "bad_time"),
        (True, "bad_time"),
        (None, "bad_time"),
        ("", "bad_time"),
        ("2009-12-31T23:59:59Z", "absurd_time"),
        ("0001-01-01T00:00:00+23:59", "absurd_time"),
        ("9999-12-31T23:59:59-23:59", "absurd_time"),
    ],
)
@pytest.mark.parametrize("field", ["at", "sent_at"])
def test_a_stamp_that_no_station_should_send_is_refused(field: str, stamp: object, code: str) -> None:
    if field == "sent_at" and stamp is None:
        assert read(sent_at=None).sent_at is None
    else:
        assert refusal(**{field: stamp}) == f"{field}: {code}"


def test_an_aware_datetime_is_taken_and_a_naive_one_refused() -> None:
    berlin_summer = timezone(timedelta(hours=2))
    assert utc_seconds(datetime(2024, 5, 1, 14, 0, 0, 999_999, tzinfo=berlin_summer)) == NOON_S
    with pytest.raises(ValidationError, match="UTC offset"):
        SessionEvent.model_validate(EVENT | {"at": datetime(2024, 5, 1, 12)})  # noqa: DTZ001


def test_a_stamp_is_written_back_in_utc() -> None:
    assert rfc3339(NOON_S) == NOON
    written = json.loads(read(at="2024-05-01T14:00:00.5+02:00").model_dump_json(exclude_none=True))
    assert (written["at"], written.get("sent_at")) == (NOON, None)


def test_a_stamp_is_absurd_before_2010_and_over_a_day_ahead() -> None:
    assert [absurd(at, NOON_S) for at in (EARLIEST_S - 1, EARLIEST_S, NOON_S)] == [True, False, False]
    assert [absurd(NOON_S + ahead_s, NOON_S) for ahead_s in (86_400, 86_401)] == [False, True]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"id": ...}, "id: missing"),
        ({"id": ""}, "id: string_pattern_mismatch"),
        ({"id": "e\0"}, "id: string_pattern_mismatch"),
        ({"id": "e\n"}, "id: string_pattern_mismatch"),
        ({"id": 7}, "id: string_type"),
        ({"id": "x" * 129}, "id: string_too_long"),
        ({"session": "x" * 129}, "session: string_too_long"),
        ({"session": "s\0"}, "session: string_pattern_mismatch"),
        ({"stall": "x" * 65}, "stall: string_too_long"),
        ({"stall": "\0"}, "stall: string_pattern_mismatch"),
        ({"cause": "x" * 65}, "cause: string_too_long"),
        ({"cause": "a\0b"}, "cause: string_pattern_mismatch"),
        ({"token": "x" * 129}, "token: string_too_long"),
        ({"token": "\0"}, "token: string_pattern_mismatch"),
        ({"station": "x" * 65}, "station: string_too_long"),
        ({"station": "a/b"}, "station: string_pattern_mismatch"),
        ({"station": "a b"}, "station: string_pattern_mismatch"),
        ({"station": "st\u00e9"}, "station: string_pattern_mismatch"),
        ({"type": "unplug"}, "type: enum"),
        ({"type": True}, "type: enum"),
        ({"seq": True}, "seq: int_type"),
        ({"seq": 1.0}, "seq: int_type"),
        ({"seq": "1"}, "seq: int_type"),
        ({"seq": -1}, "seq: greater_than_equal"),
        ({"seq": 2**53 + 1}, "seq: less_than_equal"),
        ({"seq": 10**4000}, "seq: less_than_equal"),
        ({"replayed": 1}, "replayed: bool_type"),
        ({"replayed": "yes"}, "replayed: bool_type"),
        ({"colour": "red"}, "colour: extra_forbidden"),
        ({"data": []}, "data: model_type"),
        ({"data": {"soc_percent": True}}, "data.soc_percent: float_type"),
        ({"data": {"soc_percent": "50"}}, "data.soc_percent: float_type"),
        ({"data": {"soc_percent": 100.1}}, "data.soc_percent: less_than_equal"),
        ({"data": {"soc_percent": -1}}, "data.soc_percent: greater_than_equal"),
        ({"data": {"energy_wh": float("nan")}}, "data.energy_wh: finite_number"),
        ({"data": {"power_w": float("inf")}}, "data.power_w: finite_number"),
        ({"data": {"power_w": 10**400}}, "data.power_w: finite_number"),
        ({"data": {"volts": 400}}, "data.volts: extra_forbidden"),
    ],
)
def test_what_is_wrong_by_itself_is_refused(changes: dict[str, Any], error: str) -> None:
    assert refusal(**changes) == error


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x" * 128, "session": "s" * 128, "stall": "9" * 64, "station": "A.b_c:d-" * 8},
        {"seq": 0},
        {"seq": 2**53},
        {"replayed": True},
        {"token": "Zoë 🚗"},
        {"type": "meter", "session": None, "data": {"soc_percent": 100, "energy_wh": 12.5, "power_w": -7_000}},
        {"type": "station_fault", "stall": None, "session": None, "cause": "overheating"},
        {"type": "station_restored", "stall": ..., "session": ..., "cause": "overheating"},
    ],
)
def test_what_a_station_may_say_is_taken(changes: dict[str, Any]) -> None:
    event = read(**changes)
    said = {name: value for name, value in changes.items() if value not in (..., None)}
    assert event.model_dump(include=set(said), exclude_none=True) == said


@pytest.mark.parametrize("kind", EventType)
def test_an_event_names_what_its_type_needs(kind: EventType) -> None:
    needs = {EventType.METER: {"stall"}, EventType.STATION_FAULT: {"cause"}, EventType.STATION_RESTORED: {"cause"}}
    full = {"stall": "1", "session": "s-1", "cause": "overheating"}
    for field in full:
        lacking = full | {field: None}
        if field in needs.get(kind, {"stall", "session"}):
            assert refusal(type=kind, **lacking) == ": missing_field"
        else:
            assert read(type=kind, **lacking).type is kind


def test_a_resend_has_the_digest_of_the_event() -> None:
    first = content_digest(read(sent_at=NOON), None)
    assert content_digest(read(sent_at="2024-05-02T12:00:00Z", replayed=True), None) == first
    assert content_digest(read(at="2024-05-01T14:00:00.7+02:00"), None) == first
    assert len(first) == 16


def test_any_other_content_has_another_digest() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"id": "e-2"},
        {"station": "st-2"},
        {"stall": "2"},
        {"session": "s-2"},
        {"type": "unplugged"},
        {"at": "2024-05-01T12:00:01Z"},
        {"seq": 1},
        {"cause": "1"},
        {"data": {"soc_percent": 1}},
        {"data": {"energy_wh": 1}},
        {"data": {"power_w": 1}},
    ]
    digests = [content_digest(read(**change), None) for change in changes]
    assert len({*digests, content_digest(read(), "t-1")}) == len(changes) + 1


def test_an_event_is_live_if_it_says_when_it_was_sent_and_was_not_replayed() -> None:
    assert read(sent_at=NOON).live_offset_s(NOON_S + 7) == 7
    assert read(sent_at=NOON).live_offset_s(NOON_S - 7) == -7
    assert read(sent_at=NOON, replayed=True).live_offset_s(NOON_S + 7) is None
    assert read().live_offset_s(NOON_S + 7) is None


def made(kind: EventType, at: int = 0, seq: int | None = None, name: str = "e") -> Event:
    return Event(at, seq, kind, name, "1", "s", None, None, None, b"")


def test_equal_stamps_are_read_in_the_order_of_the_types() -> None:
    declared = [made(kind) for kind in EventType]
    assert in_order(reversed(declared)) == declared


def test_seq_orders_the_seconds_in_which_every_event_has_it() -> None:
    numbered = [made(EventType.UNPLUGGED, 5, 1), made(EventType.METER, 5, 2), made(EventType.PLUGGED_IN, 5, 3)]
    mixed = [made(EventType.PLUGGED_IN, 6, 9), made(EventType.METER, 6), made(EventType.UNPLUGGED, 6, 1)]
    for shuffled in permutations(numbered):
        assert in_order([*mixed[::-1], *shuffled]) == [*numbered, *mixed]


def test_equal_numbers_fall_back_on_the_type_and_then_the_id() -> None:
    events = [made(EventType.METER, 5, 1, "a"), made(EventType.METER, 5, 1, "b"), made(EventType.UNPLUGGED, 5, 1)]
    for shuffled in permutations(events):
        assert in_order(shuffled) == events


def test_the_schema_says_what_the_model_holds() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(SessionEvent.model_fields)
    assert set(schema["required"]) == {"id", "station", "type", "at"}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["at"]["format"] == "date-time"
    needs = {rule["if"]["properties"]["type"]["const"]: rule["then"]["required"] for rule in schema["allOf"]}
    assert needs["meter"] == ["stall"]
    assert set(needs) == set(EventType)
    for example in schema["examples"]:
        assert SessionEvent.model_validate_json(json.dumps(example)).id == "e-1"
