"""`kill -9` of the server while stations upload: what was acknowledged is there, once, and every bill is right."""

import random
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.nursery import Nursery
from tests.crash.stations import Station, at_work, go_home, look_at_what_is_left, registered, wait_for_news
from tests.databases import PostgresDatabases, postgres_server

pytestmark = pytest.mark.crash

KILLS = 20


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def kill_again_and_again(url: str, outbox: Path) -> list[Station]:
    """Stations upload while the server is killed and started again; they stop when it has been well for a moment."""
    key, begins_at = registered(url, outbox)
    port, chance = free_port(), random.Random(2016)
    with Nursery(url, port, outbox) as nursery:
        nursery.start()
        stations = at_work(port, key, begins_at)
        for _ in range(KILLS):
            wait_for_news(stations)
            time.sleep(chance.uniform(0, 0.15))
            nursery.kill()
            nursery.start()
        wait_for_news(stations)
        go_home(stations)
    return stations


def test_nothing_acknowledged_is_lost_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    look_at_what_is_left(sqlite_url, kill_again_and_again(sqlite_url, tmp_path / "outbox"))


def test_nothing_acknowledged_is_lost_on_postgresql(tmp_path: Path) -> None:
    with (
        postgres_server(durable=True) as server,
        closing(PostgresDatabases(server)) as databases,
        databases.migrated() as url,
    ):
        look_at_what_is_left(url, kill_again_and_again(url, tmp_path / "outbox"))
