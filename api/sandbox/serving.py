"""The sandbox as a running server, on loopback: in a thread beside a test or the demo, or as a program of its own.

    with sandbox_running(FixedClock(NOW)) as sandbox:
        sandbox.url, sandbox.key, sandbox.webhook_secret   # what the product is told
        sandbox.orders.listen("http://127.0.0.1:8000/…")   # where events go, signed with that secret
        sandbox.orders.dispute("pi_…")                     # what a tester orders: see `orders`
        sandbox.orders.fault("timeout_after", on="POST /v1/refunds")
        sandbox.webhooks.deliver()                         # events go out when told to, or by themselves: `delivering`
        sandbox.desk.log                                   # every request there was, with its status

Time is the clock's that is handed in; `orders.advance` moves it ahead here alone.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from api.server import address_of, listen
from sessions.clock import Clock

from .desk import Desk
from .orders import Orders
from .server import create_sandbox
from .state import State
from .webhooks import Webhooks

STARTED_WITHIN_S = 20
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that takes requests."""

    desk: Desk
    orders: Orders
    webhooks: Webhooks
    state: State

    @property
    def url(self) -> str:
        return self.state.url

    @property
    def key(self) -> str:
        return self.state.key

    @property
    def webhook_secret(self) -> str:
        return self.webhooks.secret


class _Server(uvicorn.Server):
    """Tells when it takes requests, and ends when told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()

    async def main_loop(self) -> None:
        await self._ended.wait()  # the server's own looks ten times a second whether it should end

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)


@contextmanager
def sandbox_running(clock: Clock, *, port: int = 0, delivering: bool = False) -> Iterator[Sandbox]:
    """A sandbox while the block runs, its events sent by themselves if `delivering`. Raises `PortBusy`."""
    state = State(clock)
    webhooks = Webhooks(state)
    desk, orders = Desk(state, webhooks), Orders(state, webhooks)
    config = uvicorn.Config(
        create_sandbox(desk, orders),
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    with listen(LOOPBACK, port) as bound:
        state.url = address_of(bound)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="sandbox")
        thread.start()
        try:
            if not server.ready.wait(STARTED_WITHIN_S):
                raise TimeoutError("the sandbox did not start")
            if delivering:
                webhooks.start()
            yield Sandbox(desk, orders, webhooks, state)
        finally:
            webhooks.stop()
            server.should_exit = True
            if server.ready.is_set():
                server.end()
            thread.join()
