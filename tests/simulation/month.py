"""A month of a network: cars come and go, time passes, webhooks are lost, doubled and shuffled, the worker works.

Every choice comes from one seeded generator, so that a month can be lived again. What people, banks and the processor
do beside it is `trouble`'s. No tests here.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any

from api.sandbox.serving import Sandbox
from api.wiring import Idlefee
from api.worker import RECURRING, Worker
from billing.payments import objects
from billing.payments.looking import poll_later, store_events
from billing.payments.processor import ProcessorError
from sessions.clock import FixedClock
from tests.integration.small_world import a_session, post
from tests.simulation.network import (
    BEGINS,
    CARDS,
    FIRMS,
    Driver,
    add_card,
    drivers_of,
    network,
    settle_in,
    stations_of,
)

HOUR_S, DAY_S = 3600, 24 * 3600
STEP_S = 4 * HOUR_S
SLOT_S = 2 * HOUR_S  # one car after the other at each station
IDLE_S = (60, 340, 365, 480, 700, 1_100, 1_900, 3_600)
FAULTS = ("drop_before", "drop_after", "error_before", "error_after", "unavailable", "rate_limit", "conflict")
UPLOADED_AT_ONCE = 100
ASKS = ("POST /v1/", "POST /v1/payment_intents", "POST /v1/refunds", "GET /v1/payment_intents", "GET /v1/")


@dataclass(slots=True)
class Month:
    """The network while it lives through the month."""

    app: Idlefee
    clock: FixedClock
    sandbox: Sandbox
    random: Random
    drivers: list[Driver]
    a_day: float  # how many sessions an owner has on a day
    counted: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=monotonic)
    _heard: list[dict[str, Any]] = field(default_factory=list)
    _deaf: bool = False  # no webhook arrives today

    def begin(self) -> None:
        """Owners come, most of them with a card; the worker is asked for all that recurs."""
        settle_in(self.app, len(self.drivers), self.drivers)
        for one in self.drivers:
            if one.means == "card":
                add_card(self.app, self.sandbox, one, self.random.choice(CARDS))
        self.clock.advance(BEGINS - self.clock.now())
        self.sandbox.state.listeners.append(self._heard.append)
        with self.app.writing() as connection:
            for ask in (*RECURRING, poll_later):
                ask(connection, self.clock.now())

    def cars(self, day: int) -> Iterator[None]:
        """The day's sessions, in three uploads; between them something else may happen."""
        self._deaf = self.random.random() < 0.1
        starts_at = BEGINS + day * DAY_S
        streams = list(self._sessions(starts_at))
        third = len(streams) // 3 + 1
        for part in range(3):
            self.until(starts_at + (part + 1) * 6 * HOUR_S)
            some = streams[part * third : (part + 1) * third]
            for at in range(0, len(some), UPLOADED_AT_ONCE):
                post(self.app, *some[at : at + UPLOADED_AT_ONCE])
            yield
        self.until(starts_at + DAY_S)

    def _sessions(self, starts_at: int) -> Iterator[list[dict[str, Any]]]:
        for firm in FIRMS:
            stations = stations_of(firm, len(self.drivers))
            here = [one for one in self.drivers if one.firm is firm and self.random.random() < self.a_day]
            # A station's slots of a day are all in the past when the first upload comes.
            for number, one in enumerate(here[: len(stations) * 6]):
                at = starts_at + number // len(stations) * SLOT_S + self.random.randrange(HOUR_S // 4) - 6 * HOUR_S
                idle_s = self.random.choice(IDLE_S)
                token = f"?{one.token}" if self.random.random() < 0.02 else one.token  # a card nobody knows
                self.counted["sessions"] += 1
                name = f"x{self.counted['sessions']}"
                yield a_session(stations[number % len(stations)], name, at=at, idle_s=idle_s, token=token)

    def until(self, at: int) -> None:
        """Let time pass, and do what is due on its way."""
        worker = Worker(self.app, channels=[])
        while self.clock.now() < at:
            self.clock.advance(min(STEP_S, at - self.clock.now()))
            self._hear()
            self.counted["steps"] += worker.run_due()

    def _hear(self) -> None:
        """Webhooks, as the network has them: some never, some twice, some a while later, in no order."""
        with self.sandbox.state.lock:
            told, self._heard[:] = list(self._heard), []
        arriving = []
        for event in told:
            luck = self.random.random()
            if self._deaf or luck < 0.1:
                self.counted["webhooks lost"] += 1
            elif luck < 0.2:
                self._heard.append(event)
            else:
                arriving += [event] * (2 if luck < 0.25 else 1)
        self.random.shuffle(arriving)
        self.counted["webhooks"] += len(arriving)
        for at in range(0, len(arriving), 100):
            with self.app.writing() as connection:
                store_events(connection, map(objects.event, arriving[at : at + 100]), self.clock.now())

    def break_something(self) -> None:
        """Trouble for a few of the next requests."""
        times = self.random.randint(1, 2 + len(self.drivers) // 500)
        fault, on = self.random.choice(FAULTS), self.random.choice(ASKS)
        self.sandbox.orders.fault(fault, on=on, times=times, skip=self.random.randint(0, 30))
        self.counted["faults"] += times

    def come_to_rest(self) -> None:
        """Nothing breaks any more and nobody comes: whatever is under way ends, and two nights compare."""
        self.sandbox.orders.no_faults()
        self._deaf = False
        self.until(self.clock.now() + 2 * DAY_S + 6 * HOUR_S)

    @contextmanager
    def bad_luck(self) -> Iterator[None]:
        """Somebody asks while the processor gives no answer, and leaves it at that."""
        try:
            yield
        except ProcessorError:
            self.counted["asked in vain"] += 1


@contextmanager
def month(url: str, owners: int, seed: int, a_day: float) -> Iterator[Month]:
    """A network at the beginning of its month."""
    random = Random(seed)
    with network(url) as (app, clock, sandbox):
        yield Month(app, clock, sandbox, random, drivers_of(random, owners), a_day)
