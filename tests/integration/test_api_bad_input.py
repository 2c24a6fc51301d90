"""What is wrong is refused with what to change; nothing of it is stored, nothing beside it lost, no trace shown."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sessions.events import MAX_EVENTS, rfc3339
from tests.conftest import ENGINES
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import NOON, told

TABLES = (
    "events",
    "sessions",
    "facts",
    "charges",
    "transfers",
    "owners",
    "vehicles",
    "sites",
    "stations",
    "tariffs",
    "jobs",
)
ROWS = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in TABLES)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", params=ENGINES)
def doors(request: pytest.FixtureRequest) -> Iterator[Doors]:
    """One network for all of this: what is refused leaves it as it was."""
    databases = request.getfixturevalue("sqlite_databases" if request.param == "sqlite" else "postgres_databases")
    with databases.migrated() as url, open_doors(url) as doors:
        yield doors


def event(id_: str, **changes: Any) -> dict[str, Any]:
    good = {"id": id_, "station": "h1", "stall": "1", "session": "bad", "type": "meter", "at": rfc3339(NOON)}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def refused(doors: Doors, response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document, which says what to change and shows nothing of the inside."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code), response.text
    assert problem["title"]
    assert problem["detail"]
    for inside in ("Traceback", 'File "', "sqlalchemy", "psycopg", "sqlite3"):
        assert inside not in response.text
    return problem


# -- whole uploads ------------------------------------------------------------------------------------------

UPLOADS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "nothing": (b"", JSON, 400, "empty_body"),
    "blanks": (b" \n ", JSON, 400, "empty_body"),
    "half an object": (b'{"id": "1"', JSON, 400, "not_json"),
    "no JSON": (b"hello", JSON, 400, "not_json"),
    "bytes that are no text": (b'[{"id": "\xff\xfe"}]', JSON, 400, "not_json"),
    "UTF-16": ('[{"id": "1"}]'.encode("utf-16"), JSON, 400, "not_json"),
    "a NUL between tokens": (b"[\0]", JSON, 400, "not_json"),
    "arrays in arrays": (b"[" * 100_000, JSON, 400, "too_deep"),
    "arrays in arrays, closed": (b"[" * 500 + b"]" * 500, JSON, 400, "too_deep"),
    "objects in objects": (b'{"data":' * 500 + b"1" + b"}" * 500, JSON, 400, "too_deep"),
    "a deep field of one event": (
        json.dumps([event("1", data={})]).encode().replace(b"{}", b'{"a":' * 50 + b"1" + b"}" * 50),
        JSON,
        400,
        "too_deep",
    ),
    "too many events": (
        json.dumps([event(str(n)) for n in range(MAX_EVENTS + 1)]).encode(),
        JSON,
        413,
        "too_many_events",
    ),
    "too many lines": (b"{}\n" * (MAX_EVENTS + 1), JSON, 413, "too_many_events"),
    "too many bytes": (b" " * (4 * 1024 * 1024 + 1), JSON, 413, "too_large"),
    "packed garbage": (b"\x1f\x8b garbage", JSON | {"Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
    "packed events": (gzip.compress(b"[]"), JSON | {"Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
    "packed and not said so": (gzip.compress(b"[]"), JSON, 400, "not_json"),
    "a form": (b"--x\r\n\r\n--x--", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "unsupported_media_type"),
    "a table": (b"id;type\n1;meter\n", {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_an_upload_that_cannot_be_used_says_why(doors: Doors, name: str) -> None:
    content, headers, status, code = UPLOADS[name]
    before = told(doors.app, ROWS)
    refused(doors, doors.ask("h1", "POST", "/v1/events", content=content, headers=headers), status, code)
    assert told(doors.app, ROWS) == before


def decider(path: str) -> str:
    """A role that may use the door: what it is refused is for what it sent."""
    return "finance" if path == "/v1/waivers" else "operator"


@pytest.mark.parametrize("path", ["/v1/events", "/v1/waivers", "/v1/tariffs"])
def test_a_body_without_a_length_is_not_read_beyond_the_limit(doors: Doors, path: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 65_536

    refused(doors, doors.ask(decider(path), "POST", path, content=endless(), headers=JSON), 413, "too_large")


@pytest.mark.parametrize("asked", ["maybe", "2", "%00"])
def test_a_dry_run_is_asked_for_clearly(doors: Doors, asked: str) -> None:
    code = "bad_characters" if asked == "%00" else "invalid_request"
    response = doors.ask("h1", "POST", f"/v1/events?dry_run={asked}", json=[event("1")])
    assert (response.status_code, response.json()["code"]) == (400, code)


# -- one event among good ones ------------------------------------------------------------------------------

EVENTS: dict[str, tuple[object, str]] = {
    "an unknown type": (event("bad", type="exploded"), "unknown_type"),
    "a type that is a number": (event("bad", type=1), "unknown_type"),
    "a naive time": (event("bad", at="2026-05-01T12:00:00"), "naive_time"),
    "a time before 2010": (event("bad", at="1999-12-31T23:59:59Z"), "absurd_time"),
    "a time over a day ahead": (event("bad", at=rfc3339(NOW + 86_401)), "time_ahead"),
    "a sending over a day ahead": (event("bad", sent_at=rfc3339(NOW + 86_401)), "time_ahead"),
    "a time that is a number": (event("bad", at=1_800_000_000), "bad_time"),
    "a day that does not exist": (event("bad", at="2026-02-30T12:00:00Z"), "bad_time"),
    "a time of thousands of digits": (event("bad", at="9" * 5_000), "bad_time"),
    "true for a number": (event("bad", seq=True), "invalid_value"),
    "one for true": (event("bad", replayed=1), "invalid_value"),
    "a text for a number": (event("bad", seq="1"), "invalid_value"),
    "an integer beyond 64 bits": (event("bad", seq=2**64), "invalid_value"),
    "an integer of thousands of digits": (event("bad", seq="HUGE"), "invalid_value"),
    "an infinite number": (event("bad", data={"power_w": float("inf")}), "invalid_value"),
    "NaN": (event("bad", data={"power_w": float("nan")}), "invalid_value"),
    "a NUL in its id": (event("b\0ad"), "invalid_value"),
    "a NUL in its stall": (event("bad", stall="1\0"), "invalid_value"),
    "a NUL in its token": (event("bad", token="\0"), "invalid_value"),
    "a line break in its session": (event("bad", session="a\nb"), "invalid_value"),
    "half a surrogate pair": (event("bad", token="\ud800"), "invalid_value"),
    "half a surrogate pair for a name": (event("bad", **{"\udfff": 1}), "invalid_value"),
    "a slash in its station": (event("bad", station="h1/x"), "invalid_value"),
    "an empty id": (event(""), "invalid_value"),
    "an id too long": (event("x" * 129), "invalid_value"),
    "a field nobody knows": (event("bad", colour="red"), "unknown_field"),
    "no id": (event("bad", id=...), "missing_field"),
    "no stall": (event("bad", stall=...), "missing_field"),
    "no cause": (event("bad", type="station_fault"), "missing_field"),
    "a number": (5, "not_an_object"),
    "null": (None, "not_an_object"),
    "an array": ([], "not_an_object"),
    "another station": (event("bad", station="m1"), "wrong_station"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_one_bad_event_is_rejected_and_its_neighbours_are_stored(doors: Doors, name: str) -> None:
    bad, code = EVENTS[name]
    neighbours = [event(f"{name}, before"), event(f"{name}, behind")]
    content = json.dumps([neighbours[0], bad, neighbours[1]]).replace('"HUGE"', "9" * 5_000)
    for status in ("accepted", "duplicate"):
        answer = doors.ask("h1", "POST", "/v1/events", content=content, headers=JSON)
        assert answer.status_code == 200, answer.text
        results = json.loads(answer.content.decode())["results"]
        assert [result["status"] for result in results] == [status, "rejected", status]
        assert (results[1]["code"], results[1]["retry"]) == (code, False)
        assert len(results[1]["message"]) > 10
    stored = {row[0] for row in told(doors.app, "SELECT id FROM events WHERE session_id = 'h1/bad'")}
    assert {one["id"] for one in neighbours} <= stored
    assert "bad" not in stored


def test_lines_are_read_each_by_itself(doors: Doors) -> None:
    content = b"\n".join(
        [json.dumps(event("line 1")).encode(), b'{"id": ', b"\xff", json.dumps(event("line 4")).encode()]
    )
    answer = doors.ask("h1", "POST", "/v1/events", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert [(result["status"], result["code"]) for result in answer.json()["results"]] == [
        ("accepted", "accepted"),
        ("rejected", "not_json"),
        ("rejected", "not_json"),
        ("accepted", "accepted"),
    ]


def test_an_unknown_station_may_come_again_once_it_is_registered(doors: Doors) -> None:
    (result,) = doors.send("operator", "/v1/events", event("1", station="new"))["results"]
    assert (result["status"], result["code"], result["retry"]) == ("rejected", "unknown_station", True)
    assert "idlefee station add new" in result["message"]


# -- other doors --------------------------------------------------------------------------------------------

WAIVER = {"session": "m1/bobs", "amount_minor": 1, "reason": "x"}
EXCUSE = {"site": "market", "starts_at": rfc3339(NOON), "ends_at": rfc3339(NOON + 60), "reason": "x"}


def sent(good: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(good | changes).encode()


BODIES: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "nothing": ("/v1/waivers", b"", JSON, 422, "invalid_request"),
    "half an object": ("/v1/waivers", b'{"session": ', JSON, 400, "not_json"),
    "bytes that are no text": ("/v1/waivers", b'{"session": "\xff"}', JSON, 400, "unreadable_body"),
    "arrays in arrays": ("/v1/waivers", b"[" * 100_000, JSON, 400, "unreadable_body"),
    "an array": ("/v1/waivers", b"[]", JSON, 422, "invalid_request"),
    "a number of thousands of digits": ("/v1/waivers", b"9" * 5_000, JSON, 400, "unreadable_body"),
    "another type": ("/v1/waivers", sent(WAIVER), {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    "no type": ("/v1/waivers", sent(WAIVER), {}, 415, "unsupported_media_type"),
    "packed garbage": ("/v1/waivers", b"\x1f\x8b", JSON | {"Content-Encoding": "gzip"}, 415, "unsupported_encoding"),
    "too many bytes": ("/v1/waivers", b" " * (4 * 1024 * 1024 + 1), JSON, 413, "too_large"),
    "an amount of true": ("/v1/waivers", sent(WAIVER, amount_minor=True), JSON, 422, "invalid_request"),
    "an amount of 0.5": ("/v1/waivers", sent(WAIVER, amount_minor=0.5), JSON, 422, "invalid_request"),
    "an amount of NaN": ("/v1/waivers", sent(WAIVER, amount_minor=float("nan")), JSON, 422, "invalid_request"),
    "an amount beyond 64 bits": ("/v1/waivers", sent(WAIVER, amount_minor=2**64), JSON, 422, "invalid_request"),
    "an amount below zero": ("/v1/waivers", sent(WAIVER, amount_minor=-1), JSON, 422, "invalid_request"),
    "a NUL in a reason": ("/v1/waivers", sent(WAIVER, reason="a\0b"), JSON, 422, "invalid_request"),
    "half a surrogate pair": ("/v1/waivers", sent(WAIVER, reason="\ud800"), JSON, 422, "invalid_request"),
    "half a surrogate pair for a name": ("/v1/waivers", sent(WAIVER, **{"\ud800": 1}), JSON, 422, "invalid_request"),
    "a reason too long": ("/v1/waivers", sent(WAIVER, reason="x" * 501), JSON, 422, "invalid_request"),
    "a field nobody knows": ("/v1/waivers", sent(WAIVER, colour="red"), JSON, 422, "invalid_request"),
    "a naive time": ("/v1/excuses", sent(EXCUSE, ends_at="2027-01-15T08:00:00"), JSON, 422, "invalid_request"),
    "a time before 2010": ("/v1/excuses", sent(EXCUSE, starts_at="1999-01-01T00:00:00Z"), JSON, 422, "invalid_request"),
    "a time that is a number": ("/v1/excuses", sent(EXCUSE, starts_at=1), JSON, 422, "invalid_request"),
    "a NUL in a name": (
        "/v1/sites",
        b'{"id": "x", "seller": "acme", "name": "\\u0000", "zone": "UTC"}',
        JSON,
        422,
        "invalid_request",
    ),
    "a zone that is a path": (
        "/v1/sellers",
        sent({"id": "x", "name": "x", "zone": "../../etc/passwd"}),
        JSON,
        422,
        "invalid_request",
    ),
    "TOML too deep": (
        "/v1/tariffs",
        b"a = " + b"[" * 5_000,
        {"Content-Type": "application/toml"},
        422,
        "tariff_faults",
    ),
    "TOML with a huge number": (
        "/v1/tariffs",
        b"a = " + b"9" * 5_000,
        {"Content-Type": "application/toml"},
        422,
        "tariff_faults",
    ),
    "TOML that is no text": ("/v1/tariffs", b"\xff", {"Content-Type": "application/toml"}, 400, "unreadable_body"),
    "a tariff too deep": ("/v1/tariffs", b"[" * 100_000, JSON, 422, "tariff_faults"),
    "a tariff that is a table": ("/v1/tariffs", b"a;b", {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
    "a rate of true": (
        "/v1/tariffs",
        b'{"name": "x", "currency": "USD", "rate_minor_per_minute": true}',
        JSON,
        422,
        "tariff_faults",
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_used_says_why(doors: Doors, name: str) -> None:
    path, content, headers, status, code = BODIES[name]
    before = told(doors.app, ROWS)
    refused(doors, doors.ask(decider(path), "POST", path, content=content, headers=headers), status, code)
    assert told(doors.app, ROWS) == before


def test_all_faults_of_a_body_are_named_at_once(doors: Doors) -> None:
    response = doors.ask(
        "operator", "POST", "/v1/excuses", json=EXCUSE | {"starts_at": "2027-01-15T08:00:00", "x": 1, "reason": ""}
    )
    problem = refused(doors, response, 422, "invalid_request")
    assert {fault["where"] for fault in problem["faults"]} == {"body.starts_at", "body.x", "body.reason"}
    assert "must name its UTC offset" in problem["detail"]


QUESTIONS: dict[str, tuple[str, int, str]] = {
    "a NUL in a path": ("/v1/owners/a%00b", 400, "bad_characters"),
    "a line break in a path": ("/v1/sessions/h1/a%0Ab", 400, "bad_characters"),
    "a NUL in a query": ("/v1/sessions?site=%00", 400, "bad_characters"),
    "a query that is no text": ("/v1/sessions?site=%ff", 400, "bad_characters"),
    "half a surrogate pair in a query": ("/v1/sessions?site=%ed%a0%80", 400, "bad_characters"),
    "half a surrogate pair in a path": ("/v1/sessions/h1/%ed%a0%80", 404, "not_found"),
    "an id that is a path": ("/v1/owners/..%2f..%2fetc", 404, "not_found"),
    "an id too long": ("/v1/owners/" + "x" * 65, 422, "invalid_request"),
    "a session nobody heard of": ("/v1/sessions/h1/none", 404, "not_found"),
    "a station nobody heard of": ("/v1/stations/none", 404, "not_found"),
    "a naive time": ("/v1/sessions?from=2026-05-01T12:00:00", 422, "invalid_request"),
    "a time before 2010": ("/v1/sessions?to=1999-05-01T12:00:00Z", 422, "invalid_request"),
    "a state nobody knows": ("/v1/sessions?state=exploded", 422, "invalid_request"),
    "no limit at all": ("/v1/sessions?limit=0", 422, "invalid_request"),
    "a limit beyond reason": ("/v1/sessions?limit=501", 422, "invalid_request"),
    "a limit of thousands of digits": ("/v1/sessions?limit=" + "9" * 5_000, 422, "invalid_request"),
    "a cursor of other letters": ("/v1/sessions?cursor=%21%21", 422, "invalid_request"),
    "a cursor that is no base64": ("/v1/sessions?cursor=a", 422, "bad_cursor"),
    "a cursor of another list": ("/v1/sessions?cursor=WyJhIl0", 422, "bad_cursor"),
    "a cursor with a NUL": ("/v1/owners?cursor=WyJcdTAwMDAiXQ", 422, "bad_cursor"),
    "a cursor with half a surrogate pair": ("/v1/owners?cursor=WyJcdWQ4MDAiXQ", 422, "bad_cursor"),
    "a cursor with a huge integer": ("/v1/decisions?site=harbour&cursor=WzFlNDAwXQ", 422, "bad_cursor"),
    "a cursor beyond 64 bits": ("/v1/decisions?site=harbour&cursor=WzE4NDQ2NzQ0MDczNzA5NTUxNjE2XQ", 422, "bad_cursor"),
    "a door that is not there": ("/v1/nothing", 404, "not_found"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_that_cannot_be_answered_says_why(doors: Doors, name: str) -> None:
    path, status, code = QUESTIONS[name]
    refused(doors, doors.ask("operator", "GET", path), status, code)


def test_a_plus_in_a_query_may_stay_a_plus(doors: Doors) -> None:
    written, meant = ("/v1/sessions?from=2027-01-15T09:00:00+01:00", "/v1/sessions?from=2027-01-15T09:00:00%2B01:00")
    answers = [doors.ask("operator", "GET", path).json() for path in (written, meant)]
    assert answers[0] == answers[1]
    assert answers[0]["items"]


def test_a_method_that_is_not_there_says_so(doors: Doors) -> None:
    response = doors.ask("operator", "PATCH", "/v1/sites")
    refused(doors, response, 405, "method_not_allowed")
    assert response.headers["allow"] in {"GET", "POST", "GET, POST", "POST, GET"}


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 129])
def test_an_idempotency_key_is_printable_and_short(doors: Doors, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode(), b"Authorization": f"Bearer {doors.keys['support']}".encode()}
    response = doors.client.post("/v1/waivers", json=WAIVER, headers=headers)
    refused(doors, response, 422, "invalid_request")
