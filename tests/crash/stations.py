"""Stations that upload whatever happens to the server, and a look at what is left when it is over. No tests here."""

import http.client
import json
import threading
import time
from pathlib import Path

from sqlalchemy import func, select

from api.access.keys import Role, issue
from api.settings import Settings
from api.wiring import running
from billing.owners import Owner, add_owner, give_token
from billing.store.tables import transfers
from billing.verify import Difference, verify
from sessions.clock import SystemClock
from sessions.database import connect, reading
from sessions.events import rfc3339
from sessions.sites import add_seller, add_site, add_station
from sessions.store.tables import events

STATIONS = 4
STORY = (("plugged_in", 0), ("charging_started", 10), ("charge_complete", 1800), ("unplugged", 2460))
PATIENCE_S = 60


class Station(threading.Thread):
    """Uploads whole sessions one after the other, and each again until it is acknowledged, as a real one does."""

    def __init__(self, name: str, port: int, key: str, begins_at: int) -> None:
        super().__init__(name=name, daemon=True)
        self._port, self._key, self._begins_at = port, key, begins_at
        self.acknowledged: list[str] = []
        self.again = 0
        self.stop = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            upload = self._session(number)
            while not self._acknowledged(upload) and not self.stop.is_set():
                self.again += 1
                time.sleep(0.02)
            number += 1

    def _session(self, number: int) -> list[dict[str, str]]:
        plugged_in_at = self._begins_at + number * 3000
        return [
            {
                "id": f"{number}-{kind}",
                "station": self.name,
                "stall": "1",
                "session": str(number),
                "type": kind,
                "at": rfc3339(plugged_in_at + after),
                "token": "card",
            }
            for kind, after in STORY
        ]

    def _acknowledged(self, upload: list[dict[str, str]]) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("POST", "/v1/events", json.dumps(upload), {"Authorization": f"Bearer {self._key}"})
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                return False
            results = json.loads(answer.read())["results"]
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        assert {one["status"] for one in results} <= {"accepted", "duplicate"}, results
        self.acknowledged += [one["id"] for one in results]
        return True


def registered(url: str, outbox: Path) -> tuple[str, int]:
    """A site with stations and an owner; an operator's key, and when its stations begin."""
    with running(Settings(database_url=url, outbox=outbox)) as idlefee, idlefee.writing() as connection:
        now = idlefee.clock.now()
        add_seller(connection, "seller", "Seller", "UTC", now)
        add_site(connection, "site", "seller", "Site", "Europe/Berlin", now)
        for number in range(STATIONS):
            add_station(connection, f"st{number}", "site", now)
        add_owner(connection, Owner("ann", "Ann", "ann@example.test"), now)
        give_token(connection, idlefee.names, uid="card", owner_id="ann", author="test", now=now)
        return issue(connection, Role.OPERATOR, label="gateway", now=now).text, now - 10**8


def at_work(port: int, key: str, begins_at: int) -> list[Station]:
    """Stations that upload to the port from now on."""
    stations = [Station(f"st{number}", port, key, begins_at) for number in range(STATIONS)]
    for station in stations:
        station.start()
    return stations


def go_home(stations: list[Station]) -> None:
    for station in stations:
        station.stop.set()
    for station in stations:
        station.join(PATIENCE_S)


def wait_for_news(stations: list[Station]) -> None:
    """Until the running server has acknowledged something."""
    before, patience = sum(len(station.acknowledged) for station in stations), time.monotonic() + PATIENCE_S
    while sum(len(station.acknowledged) for station in stations) == before:
        if time.monotonic() > patience:
            raise TimeoutError("the server acknowledges nothing")
        time.sleep(0.01)


def look_at_what_is_left(url: str, stations: list[Station]) -> None:
    """Every acknowledged event is there, none twice, each session is billed once, and the books verify."""
    engine = connect(url)
    differences: list[Difference] = []
    try:
        with reading(engine) as connection:
            stored = [tuple(row) for row in connection.execute(select(events.c.station_id, events.c.id))]
            most = (
                select(func.count())
                .select_from(transfers)
                .group_by(transfers.c.session_id)
                .order_by(func.count().desc())
                .limit(1)
            )
            assert connection.execute(most).scalar_one() == 1
        assert len(stored) == len(set(stored))
        acknowledged = {(station.name, id_) for station in stations for id_ in station.acknowledged}
        assert acknowledged - set(stored) == set()
        assert sum(station.again for station in stations) > 0, "no upload was ever interrupted"
        verified = verify(engine, SystemClock().now(), differences.append)
        assert differences == []
        assert verified.transfers == verified.charges == len(stored) // len(STORY)
    finally:
        engine.dispose()
