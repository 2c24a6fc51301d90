"""`idlefee serve`: one process with the doors and, unless told otherwise, a worker. Ctrl-C or SIGTERM ends it
cleanly.
"""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from api.app import create_app
from api.listening import BACKLOG, address_of, listen
from api.settings import Settings
from api.wiring import Idlefee, running
from sessions.clock import Clock

# How long one thread may keep the interpreter from another. The writer waits for the database two dozen times a commit,
# and with Python's default of 5 ms it would wait again each time for the event loop to let go: five times slower.
SWITCH_INTERVAL_S = 0.0005
HANG_UP_AFTER_S = 4  # a request that takes longer than this to answer is not waited for
EVENT_STREAM = b"text/event-stream"


def serve(
    settings: Settings,
    *,
    clock: Clock | None = None,
    worker: bool = True,
    on_ready: Callable[[Idlefee, str], None] | None = None,
    bound: socket.socket | None = None,
) -> None:
    """Serve until asked to stop, on `bound` if there is one. `on_ready` is told the engine and the address once
    requests are taken.
    """
    with bound or listen(settings.host, settings.port) as listening, running(settings, clock) as idlefee:
        _serve(idlefee, listening, worker, on_ready)


def _serve(
    idlefee: Idlefee, listening: socket.socket, worker: bool, on_ready: Callable[[Idlefee, str], None] | None
) -> None:
    from api.worker import Worker

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    spare_collections()
    config = uvicorn.Config(
        create_app(idlefee),
        log_level="warning",
        access_log=False,
        lifespan="off",
        backlog=BACKLOG,
        timeout_graceful_shutdown=5,
        server_header=False,
        date_header=False,
        # By itself it would believe whatever reaches it from this machine: here only whom somebody named.
        proxy_headers=idlefee.settings.trusted_proxies is not None,
        forwarded_allow_ips=idlefee.settings.trusted_proxies or "",
    )
    helper = Worker(idlefee) if worker else None
    if helper is not None:
        helper.start()
    server = _Server(config)
    try:
        with server.capture_signals():  # from before anybody is told that it runs
            if on_ready is not None:
                on_ready(idlefee, address_of(listening))
            server.run(sockets=[listening])
    finally:
        if helper is not None:
            helper.stop()


def spare_collections() -> None:
    """What is loaded by now lives as long as the process, and two thousand open pages are a million objects: to look
    all of them through for garbage takes the better part of a second, and is done seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


class _Server(uvicorn.Server):
    """Ends on a signal and leaves the rest of the process to end in its own order."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Uvicorn's own would raise the signal again after the server: SIGTERM would kill what is not closed yet."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams of live pages are cut at once: they would never end by themselves, and browsers come back."""
        for connection in list(self.server_state.connections):
            if _is_stream(connection):
                connection.transport.close()
        asyncio.get_running_loop().call_later(HANG_UP_AFTER_S, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.close()


def _is_stream(connection: Any) -> bool:
    """Whether the browser asked for events, as `EventSource` does."""
    headers = (getattr(connection, "scope", None) or {}).get("headers", ())
    return any(name == b"accept" and EVENT_STREAM in value for name, value in headers)
