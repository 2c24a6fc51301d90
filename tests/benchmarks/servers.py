"""Processes under test: the real server, or an empty one, each in a process of its own on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from api.access.keys import Role, issue
from api.settings import Settings
from api.wiring import running
from billing.owners import Owner, add_owner, give_token
from sessions.sites import add_seller, add_site, add_station
from tests.benchmarks.load import FIRST_PLUG_IN, Target

OWNERS = 10


def prepare(url: str, stations: int) -> str:
    """Register what the load speaks of; answers an operator's key."""
    with running(Settings(database_url=url)) as idlefee, idlefee.writing() as connection:
        now = idlefee.clock.now()
        add_seller(connection, "seller", "Seller", "UTC", now)
        for site in range(5):
            add_site(connection, f"site{site}", "seller", f"Site {site}", "Europe/Berlin", now)
        for number in range(stations):
            add_station(connection, f"st{number}", f"site{number % 5}", now)
        for number in range(OWNERS):
            add_owner(connection, Owner(f"owner{number}", f"Owner {number}", None), now)
            give_token(
                connection,
                idlefee.names,
                uid=f"token-{number}",
                owner_id=f"owner{number}",
                author="benchmark",
                now=now,
                valid_from=FIRST_PLUG_IN - 10**8,
            )
        return issue(connection, Role.OPERATOR, label="benchmark", now=now).text


@contextmanager
def serving(what: str, url: str = "", key: str = "", settings: Mapping[str, str] | None = None) -> Iterator[Target]:
    """Run `what` (`idlefee`, `idlefee+worker`, `fastapi` or `asgi`) in a process of its own until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.servers", what, str(port), url]
    process = subprocess.Popen(command, env={**os.environ, **(settings or {})})
    try:
        _wait_for(port, process)
        yield Target("127.0.0.1", port, "/v1/events", key, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError("the server under test ended by itself")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server under test does not answer")


def main(what: str, port: int, url: str) -> None:
    if what.startswith("idlefee"):
        from api.server import serve

        serve(Settings(database_url=url, port=port), worker=what == "idlefee+worker")
        return
    from tests.benchmarks.ceilings import empty_asgi, empty_fastapi

    app = empty_fastapi if what == "fastapi" else empty_asgi
    uvicorn.run(app, port=port, log_level="warning", access_log=False, lifespan="off")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
