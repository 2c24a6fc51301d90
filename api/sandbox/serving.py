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

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.listening import address_of, answering, listen
from sessions.clock import Clock

from .desk import Desk
from .orders import Orders
from .server import create_sandbox
from .state import State
from .webhooks import Webhooks, new_secret

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


@contextmanager
def sandbox_running(
    clock: Clock,
    *,
    port: int = 0,
    key: str | None = None,
    webhook_secret: str | None = None,
    delivering: bool = False,
) -> Iterator[Sandbox]:
    """A sandbox while the block runs, its events sent by themselves if `delivering`. Raises `PortBusy`."""
    state = State(clock, key)
    webhooks = Webhooks(state, webhook_secret or new_secret())
    desk, orders = Desk(state, webhooks), Orders(state, webhooks)
    with listen(LOOPBACK, port) as bound:
        state.url = address_of(bound)
        with answering(create_sandbox(desk, orders), bound):
            if delivering:
                webhooks.start()
            try:
                yield Sandbox(desk, orders, webhooks, state)
            finally:
                webhooks.stop()
