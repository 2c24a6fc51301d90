"""The product served for real, in a thread of the test: an address on loopback, requests over a socket."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.app import create_app
from api.server import address_of, listen
from api.wiring import Idlefee

STARTED_WITHIN_S = 20
ENDED_WITHIN_S = 5


class _Server(uvicorn.Server):
    """Tells when it takes requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """At once: the server's own waits a tenth of a second for browsers to hang up, in every test anew."""
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=ENDED_WITHIN_S)

    async def main_loop(self) -> None:
        await self._ended.wait()  # the server's own looks ten times a second whether it should end

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def served(app: Idlefee) -> Iterator[str]:
    """The address of `app`'s doors while the block runs."""
    server = _Server(uvicorn.Config(create_app(app), log_level="critical", access_log=False, lifespan="off"))
    with listen("127.0.0.1", 0) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="served")
        thread.start()
        try:
            if not server.ready.wait(STARTED_WITHIN_S):
                raise TimeoutError("the server did not start")
            yield address_of(bound)
        finally:
            server.should_exit = True
            if server.ready.is_set():
                server.end()
            thread.join()
