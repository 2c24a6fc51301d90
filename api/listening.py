"""Listening on a socket, and answering on it from a thread: what every server here begins with. Knows no door."""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

BACKLOG = 2048
STARTED_WITHIN_S = 20
HANG_UP_AFTER_S = 1


class PortBusy(Exception):
    """The address cannot be listened on: mostly because another process does."""

    def __init__(self, host: str, port: int, why: OSError) -> None:
        taken = why.errno == errno.EADDRINUSE
        reason = "it is taken by another program" if taken else str(why.strerror or why).lower()
        super().__init__(f"cannot listen on {host}:{port}, {reason}: choose a port with --port")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket: who connects from now on waits for the server. Raises `PortBusy`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)  # two that only bind to one port both succeed
    except OSError as error:
        bound.close()
        raise PortBusy(host, port, error) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Where a browser on this machine finds a listening socket."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def answering(app: Callable[..., Any], bound: socket.socket) -> Iterator[None]:
    """`app` answers on a listening socket, from a thread, while the block runs."""
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=HANG_UP_AFTER_S
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="answering")
    thread.start()
    try:
        if not server.ready.wait(STARTED_WITHIN_S):
            raise TimeoutError("the server did not start")
        yield
    finally:
        server.end()
        thread.join()


class _Server(uvicorn.Server):
    """Tells when it takes requests, and ends at once when told to: uvicorn's own loop looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()

    async def main_loop(self) -> None:
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Who is still connected is cut off: a server's own way is to wait a tenth of a second, then for them."""
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=HANG_UP_AFTER_S)

    def end(self) -> None:
        self.should_exit = True
        if self.ready.is_set():
            self._loop.call_soon_threadsafe(self._ended.set)
