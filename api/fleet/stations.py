"""Simulated stations: they speak HTTP with their own keys, queue what they cannot send, and send signs of life.

One thread drives them all. They know the address, their keys and the story, and nothing of the engine.
"""

import json
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import structlog

from api.fleet.story import Story
from sessions.clock import Clock
from sessions.events import rfc3339

log = structlog.get_logger()

TICK_S = 0.1  # of real time, whatever the clock's speed
TIMEOUT_S = 10
RETRY_AFTER_S = 1.0
MOST_EVENTS_AN_UPLOAD = 500
BAD_REQUEST, SERVER_ERROR = 400, 500


class NotDelivered(Exception):
    """Nobody answered, or not now: keep it and try again."""


class Station:
    """One station's end of the line."""

    def __init__(self, name: str, key: str, address: str, heartbeat_s: int) -> None:
        self._name, self._key = name, key
        where = urlsplit(address)
        self._host, self._port = where.hostname or "", where.port or 80
        self._heartbeat_s = heartbeat_s
        self._heartbeat_due_at = 0
        self._queue: list[dict[str, Any]] = []
        self._resting_until_s = 0.0

    def say(self, event: Mapping[str, Any]) -> None:
        """Queue an event for the next report."""
        self._queue.append(dict(event))

    def report(self, now: int) -> None:
        """Send what is queued and, when it is due, a sign of life. What cannot be sent waits, marked as replayed."""
        if time.monotonic() < self._resting_until_s:
            return
        sending = self._queue[:MOST_EVENTS_AN_UPLOAD]
        try:
            if sending:
                self._upload(sending, now)
                del self._queue[: len(sending)]
            if now >= self._heartbeat_due_at:
                sign = {"interval_s": self._heartbeat_s, "sent_at": rfc3339(now)}
                self._post(f"/v1/stations/{self._name}/heartbeat", sign)
                self._heartbeat_due_at = now + self._heartbeat_s
        except NotDelivered:
            for event in self._queue:
                event["replayed"] = True
            self._resting_until_s = time.monotonic() + RETRY_AFTER_S

    def _upload(self, events: list[dict[str, Any]], now: int) -> None:
        answer = self._post("/v1/events", [event | {"sent_at": rfc3339(now)} for event in events])
        for result in answer.get("results", ()):
            if result["status"] == "rejected":
                log.warning("event rejected", station=self._name, id=result["id"], code=result["code"])

    def _post(self, path: str, body: object) -> dict[str, Any]:
        """The answer's document; raises `NotDelivered` where trying again may help."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        try:
            with closing(HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)) as connection:
                connection.request("POST", path, json.dumps(body), headers)
                response = connection.getresponse()
                status, answer = response.status, response.read()
        except (OSError, HTTPException) as error:
            raise NotDelivered(str(error)) from error
        if status >= SERVER_ERROR:
            raise NotDelivered(f"{status}")
        if status >= BAD_REQUEST:
            log.warning("request refused", station=self._name, path=path, status=status, answer=answer.decode())
            return {}
        document = json.loads(answer)
        return document if isinstance(document, dict) else {}


class Fleet:
    """All stations, driven by the story and the clock until they are stopped."""

    def __init__(self, story: Story, stations: Mapping[str, Station], clock: Clock) -> None:
        self._story, self._stations, self._clock = story, stations, clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Fall silent; returns when the last request is answered."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_S)

    def _run(self) -> None:
        while not self._stopping.wait(TICK_S):
            for message in self._story.until(self._clock.now()):
                self._stations[message.station].say(message.event)
            for station in self._stations.values():
                if self._stopping.is_set():
                    break
                station.report(self._clock.now())
