"""Every code that the page for vendors names is one that the door answers, and the other way round."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sessions.events import EventType, rfc3339
from sessions.events.wire import SessionEvent
from tests.docs.reading import ROOT, page
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import NOON

STATIONS = ROOT / "docs" / "stations.md"
DAY_S = 24 * 3600


def an_event(without: str = "", **changes: Any) -> dict[str, Any]:
    event = {"id": "new", "station": "h1", "stall": "1", "session": "new", "type": "meter", "at": rfc3339(NOON)}
    return {name: value for name, value in (event | changes).items() if name != without}


# What a station may send, and the code it is answered.
ANSWERED: dict[str, Any] = {
    "accepted": an_event(),
    "duplicate": an_event(id="anns-2", session="anns", type="charging_started", at=rfc3339(NOON + 10)),
    "id_conflict": an_event(id="anns-2", session="anns", type="charging_started", at=rfc3339(NOON + 11)),
    "missing_field": an_event(without="at"),
    "unknown_field": an_event(colour="red"),
    "unknown_type": an_event(type="exploded"),
    "invalid_value": an_event(stall=1),
    "bad_time": an_event(at="noon"),
    "naive_time": an_event(at="2025-05-13T12:00:00"),
    "absurd_time": an_event(at="1999-05-13T12:00:00Z"),
    "time_ahead": an_event(at=rfc3339(NOW + 2 * DAY_S)),
    "not_an_object": 7,
    "wrong_station": an_event(station="h2"),
}
LINES = json.dumps(an_event()) + "\n{"  # the second line is no JSON


@pytest.fixture
def doors(sqlite_url: str) -> Iterator[Doors]:
    with open_doors(sqlite_url) as opened:
        yield opened


def rows() -> dict[str, str]:
    """Code → status, as the page's table of answers has them."""
    table = re.findall(r"^\| `([a-z]+)` \| (`.*?`) \|", page(STATIONS).partition("## The answer")[2], re.MULTILINE)
    return {code: status for status, codes in table for code in re.findall(r"`(\w+)`", codes) if status != "status"}


def test_each_answer_of_the_table_is_given_and_no_other(doors: Doors) -> None:
    def upload(body: bytes, who: str = "h1") -> list[tuple[str, str]]:
        answer = doors.ask(who, "POST", "/v1/events?dry_run=true", content=body)
        assert answer.status_code == 200, answer.text
        return [(one["code"], one["status"]) for one in answer.json()["results"]]

    given = dict(upload(json.dumps(list(ANSWERED.values())).encode()))
    assert list(given) == list(ANSWERED)
    given |= dict(upload(LINES.encode())[1:])
    given |= dict(upload(json.dumps(an_event(station="nobody")).encode(), "operator"))
    assert given == rows()


def test_each_way_in_which_an_upload_is_unusable_is_named(doors: Doors) -> None:
    wrong: list[tuple[str | None, bytes, dict[str, str]]] = [
        ("h1", b"", {}),
        ("h1", b"plug", {}),
        ("h1", b"[" * 99 + b"]" * 99, {}),
        ("h1", json.dumps([an_event()] * 1001).encode(), {}),
        ("h1", b" " * (doors.app.settings.largest_upload_bytes + 1), {}),
        ("h1", b"<event/>", {"Content-Type": "application/xml"}),
        ("h1", b"...", {"Content-Encoding": "gzip"}),
        (None, b"{}", {}),
        ("ann", b"{}", {}),
    ]
    codes = []
    for who, body, headers in wrong:
        answer = doors.ask(who, "POST", "/v1/events", content=body, headers=headers)
        assert 400 <= answer.status_code < 500, answer.text
        codes.append(answer.json()["code"])
    sentence = re.findall(r"with a stable `code`:\n(.*?)\.", page(STATIONS), re.DOTALL)[0]
    assert codes == re.findall(r"`(\w+)`", sentence)


def test_the_table_of_fields_is_the_event_and_names_every_type() -> None:
    table = page(STATIONS).partition("## An event")[2].partition("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(SessionEvent.model_fields)
    assert all(f"`{kind}`" in table for kind in EventType)
