"""`idlefee serve`: one process with the doors and, unless told otherwise, a worker. Ctrl-C or SIGTERM ends it
cleanly.
"""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn

from api.app import create_app
from api.settings import Settings
from api.wiring import Idlefee, running
from sessions.clock import Clock

if TYPE_CHECKING:
    from api.worker import Worker


class PortBusy(Exception):
    """Another process listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"{host}:{port} is taken by another program: choose a port with --port")


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; raises `PortBusy`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise PortBusy(host, port) from error
    return bound


def serve(
    settings: Settings,
    *,
    clock: Clock | None = None,
    worker: bool = True,
    on_ready: Callable[[Idlefee, str], None] | None = None,
) -> None:
    """Serve until asked to stop. `on_ready` is told the engine and the address once requests are taken."""
    bound = listen(settings.host, settings.port)
    with bound, running(settings, clock) as idlefee:
        address = f"http://{settings.host}:{bound.getsockname()[1]}"
        _serve(idlefee, bound, address, worker, on_ready)


def _serve(
    idlefee: Idlefee,
    bound: socket.socket,
    address: str,
    worker: bool,
    on_ready: Callable[[Idlefee, str], None] | None,
) -> None:
    config = uvicorn.Config(
        create_app(idlefee),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
        server_header=False,
        date_header=False,
    )
    helper = _worker(idlefee) if worker else None
    if helper is not None:
        helper.start()
    try:
        if on_ready is not None:
            on_ready(idlefee, address)
        uvicorn.Server(config).run(sockets=[bound])
    finally:
        if helper is not None:
            helper.stop()


def _worker(idlefee: Idlefee) -> "Worker":
    from api.worker import Worker

    return Worker(idlefee)
