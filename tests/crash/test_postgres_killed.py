"""`kill -9` of PostgreSQL under a running server: 503 until it is back, then on as if nothing had been."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import make_url

from api.settings import Settings
from api.wiring import running
from api.worker import working
from tests.crash.stations import PATIENCE_S, at_work, go_home, look_at_what_is_left, registered, wait_for_news
from tests.databases import PostgresDatabases, postgres_server
from tests.serving import served

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads from /proc how PostgreSQL was started"),
]

ANSWERED_WITHIN_S = 15


class Postgres:
    """The server behind a URL, taken over from whoever started it: killed without warning, and started again over what
    it left on the disk.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._home = Path(str(make_url(url).query["host"]))
        pid = (self._home / "data" / "postmaster.pid").read_text().split()[0]
        self._command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        os.kill(int(pid), signal.SIGINT)
        eventually(lambda: not (self._home / "data" / "postmaster.pid").exists())
        self.start()

    def start(self) -> None:
        """Start it, again and again until the last processes of the killed one are gone."""
        self._process = self._begin()
        eventually(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE_S)

    def _begin(self) -> subprocess.Popen[bytes]:
        owner = self._home.stat()
        user, group = (owner.st_uid, owner.st_gid) if os.geteuid() == 0 else (None, None)
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        with (self._home / "log").open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=self._home,
                env=environment,
                stdout=log,
                stderr=log,
                user=user,
                group=group,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            self._process = self._begin()
        try:
            psycopg.connect(self._url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


@contextmanager
def killable(url: str) -> Iterator[Postgres]:
    postgres = Postgres(url)
    try:
        yield postgres
    finally:
        postgres.stop()


def answer_of(address: str, key: str) -> tuple[int, str | None]:
    """The status of an upload, and after how many seconds to come again."""
    event = (
        b'{"id": "probe", "station": "st0", "stall": "9", "session": "probe",'
        b' "type": "plugged_in", "at": "2024-01-01T00:00:00Z"}'
    )
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=ANSWERED_WITHIN_S)
    try:
        connection.request("POST", "/v1/events?dry_run=true", event, {"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After")
    finally:
        connection.close()


@contextmanager
def killable_database() -> Iterator[tuple[str, Postgres]]:
    with (
        postgres_server(durable=True) as server,
        killable(server) as postgres,
        closing(PostgresDatabases(server)) as databases,
        databases.migrated() as url,
    ):
        yield url, postgres


def test_a_killed_postgresql_is_waited_for_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    with killable_database() as (url, postgres):
        key, begins_at = registered(url, outbox)
        with running(Settings(database_url=url, outbox=outbox)) as app, served(app) as address, working(app):
            stations = at_work(urlsplit(address).port or 0, key, begins_at)
            wait_for_news(stations)
            postgres.kill()
            status, retry_after = answer_of(address, key)
            assert status == http.HTTPStatus.SERVICE_UNAVAILABLE
            assert int(retry_after or 0) >= 1
            postgres.start()
            wait_for_news(stations)
            assert answer_of(address, key)[0] == http.HTTPStatus.OK
            go_home(stations)
        look_at_what_is_left(url, stations)
