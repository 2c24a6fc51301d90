"""A simulated station against a real HTTP server: what cannot be delivered waits, in order, and says so."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from api.fleet import stations
from api.fleet.stations import Station

NOW = 1_800_000_000
HANGS_UP = 0


class Door(ThreadingHTTPServer):
    """Answers with the statuses it was given, then with 200, and remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.heard: list[tuple[str, str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == HANGS_UP:
            self.close_connection = True
            return
        if status == 200:
            self.server.heard.append((self.path, self.headers["Authorization"], body))
        answer = b'{"results": []}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """The test's output is no access log."""


@pytest.fixture
def door() -> Iterator[Door]:
    with Door() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def tries_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stations, "RETRY_AFTER_S", 0.0)


def uploads(door: Door) -> list[Any]:
    return [body for path, _, body in door.heard if path == "/v1/events"]


def test_a_station_speaks_with_its_own_key_and_says_when_a_message_left(door: Door) -> None:
    station = Station("st-1", "secret", door.address, 30)
    station.say({"id": "e-1", "at": "2027-01-15T08:00:00Z"})
    station.report(NOW)
    assert door.heard == [
        (
            "/v1/events",
            "Bearer secret",
            [{"id": "e-1", "at": "2027-01-15T08:00:00Z", "sent_at": "2027-01-15T08:00:00Z"}],
        ),
        ("/v1/stations/st-1/heartbeat", "Bearer secret", {"interval_s": 30, "sent_at": "2027-01-15T08:00:00Z"}),
    ]


def test_what_was_delivered_is_not_sent_again_and_signs_of_life_keep_their_interval(door: Door) -> None:
    station = Station("st-1", "secret", door.address, 30)
    station.say({"id": "e-1"})
    for now in (NOW, NOW + 29, NOW + 30):
        station.report(now)
    assert [path for path, _, _ in door.heard] == [
        "/v1/events",
        "/v1/stations/st-1/heartbeat",
        "/v1/stations/st-1/heartbeat",
    ]


def test_what_the_server_cannot_take_now_is_sent_again_later_in_order_and_marked_as_replayed(door: Door) -> None:
    door.statuses = [503]
    station = Station("st-1", "secret", door.address, 30)
    station.say({"id": "e-1"})
    station.report(NOW)
    assert uploads(door) == []
    station.say({"id": "e-2"})
    station.report(NOW + 5)
    assert [[(event["id"], event.get("replayed", False)) for event in upload] for upload in uploads(door)] == [
        [("e-1", True), ("e-2", False)]
    ]


def test_what_was_sent_to_a_server_that_hung_up_is_sent_again(door: Door) -> None:
    door.statuses = [HANGS_UP]
    station = Station("st-1", "secret", door.address, 30)
    station.say({"id": "e-1"})
    station.report(NOW)
    assert uploads(door) == []
    station.report(NOW + 5)
    assert [event["id"] for event in uploads(door)[0]] == ["e-1"]


def test_what_is_refused_for_good_is_not_sent_for_ever(door: Door) -> None:
    door.statuses = [401, 200]
    station = Station("st-1", "wrong", door.address, 30)
    station.say({"id": "e-1"})
    station.report(NOW)
    station.report(NOW + 1)
    assert uploads(door) == []
