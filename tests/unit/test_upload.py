"""Uploads: which forms are read, that one bad event spoils no neighbour, and what makes a whole body unusable."""

import json
from typing import Any

import pytest

from sessions.events import MAX_EVENTS, EventFault, EventType, SessionEvent, UnusableUpload, parse_batch


def event(number: int, **changes: Any) -> dict[str, Any]:
    fields = {
        "id": f"e-{number}",
        "station": "st-1",
        "stall": "1",
        "session": "s-1",
        "type": "charge_complete",
        "at": "2024-05-01T12:00:00Z",
    }
    return fields | changes


def dumped(*events: Any) -> list[bytes]:
    return [json.dumps(one).encode() for one in events]


def ids(raw: bytes) -> list[str | None]:
    return [one.id for one in parse_batch(raw)]


FORMS = {
    "one": json.dumps(event(1)).encode(),
    "one over several lines": b"\n " + json.dumps(event(1), indent=2).encode() + b"\n",
    "an array": json.dumps([event(1), event(2)]).encode(),
    "an array over several lines": json.dumps([event(1), event(2)], indent=2).encode(),
    "lines": b"\n".join(dumped(event(1), event(2))) + b"\n",
    "lines with blank ones": b"\r\n\r\n".join(dumped(event(1), event(2))) + b"\r\n",
    "an empty array": b" [] ",
}


@pytest.mark.parametrize("form", FORMS)
def test_form(form: str) -> None:
    expected = {"one": 1, "one over several lines": 1, "an empty array": 0}.get(form, 2)
    events = parse_batch(FORMS[form])
    assert [type(one) for one in events] == [SessionEvent] * expected
    assert [one.id for one in events] == [f"e-{number}" for number in range(1, expected + 1)]


def test_one_bad_event_does_not_spoil_its_neighbours() -> None:
    batch = [event(1), event(2, at="2024-05-01T12:00:00"), "what", event(4, seq=True), event(5)]
    for raw in (json.dumps(batch).encode(), b"\n".join(dumped(*batch))):
        answers = parse_batch(raw)
        assert [one.id for one in answers if isinstance(one, SessionEvent)] == ["e-1", "e-5"]
        faults = [one for one in answers if isinstance(one, EventFault)]
        assert [(fault.index, fault.id, fault.code) for fault in faults] == [
            (1, "e-2", "naive_time"),
            (2, None, "not_an_object"),
            (3, "e-4", "invalid_value"),
        ]


def test_a_line_that_is_no_json_does_not_spoil_its_neighbours() -> None:
    good = dumped(event(1), event(3))
    first, second, third = parse_batch(good[0] + b"\n{oops}\n" + good[1])
    assert isinstance(first, SessionEvent)
    assert isinstance(second, EventFault)
    assert (second.index, second.id, second.code) == (1, None, "not_json")
    assert isinstance(third, SessionEvent)


def test_an_event_cannot_reach_over_a_line_break() -> None:
    first, second = dumped(event(1), event(2))
    raw = first + b',{"id":"half\nway' + second[7:]
    with pytest.raises(UnusableUpload) as caught:
        parse_batch(raw)
    assert caught.value.code == "not_json"


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"at": "2024-05-01T12:00:00"}, "naive_time", "at must name its UTC offset, for example Z or +02:00"),
        (
            {"at": "noon"},
            "bad_time",
            "at must be an RFC 3339 string such as 2024-05-01T12:00:00+02:00",
        ),
        (
            {"at": "1999-05-01T12:00:00Z"},
            "absurd_time",
            "at lies before 2010 or after 9999: set the station's clock",
        ),
        ({"stall": None}, "missing_field", "charge_complete needs `stall`"),
        ({"colour": 1}, "unknown_field", "colour is no field of an event: leave it out"),
        (
            {"type": "full"},
            "unknown_type",
            "type must be one of " + ", ".join(EventType),
        ),
        (
            {"station": "a/b"},
            "invalid_value",
            "station must be letters, digits and . _ : - only, and not empty",
        ),
        ({"token": "\0"}, "invalid_value", "token must be printable characters only, and not empty"),
        ({"data": 1}, "not_an_object", "data must be a JSON object"),
        ({"seq": 1.5}, "invalid_value", "seq must be a valid integer"),
        (
            {"seq": -1, "replayed": 1},
            "invalid_value",
            "seq must be greater than or equal to 0; replayed must be a valid boolean",
        ),
    ],
)
def test_a_fault_says_what_to_change(changes: dict[str, Any], code: str, message: str) -> None:
    (fault,) = parse_batch(json.dumps(event(1, **changes)).encode())
    assert fault == EventFault(0, "e-1", code, message)


def test_a_missing_id_is_named() -> None:
    without = event(1)
    del without["id"]
    (fault,) = parse_batch(json.dumps(without).encode())
    assert fault == EventFault(0, None, "missing_field", "id is missing")


@pytest.mark.parametrize("bad", ["e\0", "x" * 129, 7, "\u202e"])
def test_an_id_that_was_refused_is_not_repeated(bad: object) -> None:
    (fault,) = parse_batch(json.dumps(event(1, id=bad, seq=-1)).encode())
    assert isinstance(fault, EventFault)
    assert fault.id is None


NAN = json.dumps(event(1, data={"energy_wh": 1})).replace('"energy_wh": 1', '"energy_wh": NaN').encode()
HUGE = json.dumps(event(1)).replace('"e-1"', "1" + "0" * 4_000).encode()


@pytest.mark.parametrize("raw", [NAN, HUGE, b'{"id": 1e999}', b"[1, 2]", b"[null]", b"true", b'"text"', b"7"])
def test_json_that_is_no_event_is_a_fault_of_its_own(raw: bytes) -> None:
    answers = parse_batch(raw)
    assert answers
    assert all(isinstance(answer, EventFault) for answer in answers)


def test_a_number_of_ten_thousand_digits_spoils_its_own_event_only() -> None:
    huge = json.dumps(event(1)).replace("}", ', "seq": ' + "9" * 10_000 + "}")
    fault, good = parse_batch(f"[{huge}, {json.dumps(event(2))}]".encode())
    assert isinstance(fault, EventFault)
    assert "seq" in fault.message
    assert isinstance(good, SessionEvent)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty_body"),
        (b" \n\t ", "empty_body"),
        (b"{", "not_json"),
        (b"plugged in", "not_json"),
        (b"[{]", "not_json"),
        (b'{"id": "\xff\xfe"}', "not_json"),
        (b"\x00\x01", "not_json"),
        (json.dumps(event(1), indent=2).encode()[:-3], "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b"[" * 100 + b"]" * 100, "too_deep"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "too_deep"),
        (json.dumps([event(1)] * (MAX_EVENTS + 1)).encode(), "too_many_events"),
        (b"\n".join(dumped(*[event(1)] * (MAX_EVENTS + 1))), "too_many_events"),
        (b"{}\n" * (MAX_EVENTS + 1), "too_many_events"),
    ],
)
def test_a_body_that_cannot_be_used(raw: bytes, code: str) -> None:
    with pytest.raises(UnusableUpload) as caught:
        parse_batch(raw)
    assert caught.value.code == code
    assert caught.value.message


def test_sixteen_levels_are_not_too_deep() -> None:
    (fault,) = parse_batch(b'{"a":' * 16 + b"1" + b"}" * 16)
    assert isinstance(fault, EventFault)
    assert fault.code == "missing_field"


def test_the_largest_upload_is_taken() -> None:
    assert ids(json.dumps([event(number) for number in range(MAX_EVENTS)]).encode())[-1] == f"e-{MAX_EVENTS - 1}"
