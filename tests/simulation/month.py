"""A month of a network whose owners pay by card: late banks, lost words, refunds, disputes, payouts. No tests here.

Every choice comes from one seeded generator, so that a month can be lived again. No webhook ever arrives: whatever
happened at the processor by itself is found by the nightly comparison.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import stripe
from sqlalchemy import select

from api.sandbox.errors import Refusal
from api.sandbox.serving import Sandbox, sandbox_running
from api.settings import Settings
from api.wiring import Idlefee, running
from api.worker import Worker
from billing.owners import Owner, add_owner, give_token
from billing.payments import refunds, setups
from billing.payments.people import Person
from billing.payments.rooms import TooMuch
from billing.reconcile.differences import Run, differences_after
from billing.reconcile.running import reconcile
from billing.store.payments import payments
from sessions.clock import FixedClock
from sessions.sites import add_seller, add_site, add_station
from tests.integration.paying import choose
from tests.integration.small_world import a_session, post

BEGINS = 1_801_440_000  # 2027-02-01
DAY_S = 24 * 3600
DAYS = 28
STATIONS = 8
VISA, SAYS_NO, ASKS, TAKES_BACK = (
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_createDispute",
)
CARDS = (*(VISA,) * 14, *(SAYS_NO,) * 3, ASKS, *(TAKES_BACK,) * 2)
FAULTS = ("drop_before", "drop_after", "error_after", "unavailable", "rate_limit", "conflict")
FINANCE = Person("finance:simulated", "finance")


@dataclass(slots=True)
class Month:
    """The network while it lives through the month."""

    app: Idlefee
    clock: FixedClock
    sandbox: Sandbox
    random: Random
    owners: int
    runs: list[Run] = field(default_factory=list)
    _sessions: int = 0

    def begin(self) -> None:
        """Owners come with their tokens, and most with a card."""
        with self.app.writing() as connection:
            for number in range(self.owners):
                add_owner(connection, Owner(f"o{number}", f"Owner {number}", None), BEGINS)
                give_token(
                    connection, self.app.names, uid=f"T{number}", owner_id=f"o{number}", author="test", now=BEGINS
                )
        for number in range(self.owners):
            if self.random.random() < 0.95:
                self._add_card(f"o{number}", self.random.choice(CARDS))

    def _add_card(self, owner_id: str, card: str) -> None:
        processor = self.app.processor
        assert processor is not None
        engine = self.app.engine
        setup = setups.begin_setup(engine, self.clock, processor, owner_id, "acme", "http://127.0.0.1/b?s={setup}")
        choose(self.sandbox, setup.processor_ref or "", card)
        setups.look_at_setup(engine, self.clock, processor, setup)

    def day(self, number: int) -> None:
        """Cars come and go, invoices are paid or not, somebody gives money back, a bank takes some; then the night."""
        self._charge(number)
        if self.random.random() < 0.5:
            self.sandbox.orders.fault(self.random.choice(FAULTS), on="POST /v1/", times=self.random.randint(1, 3))
        self._until(BEGINS + number * DAY_S + 14 * 3600)
        self._somebody_refunds()
        self._something_happens_there()
        self.sandbox.orders.no_faults()
        self._until(BEGINS + (number + 1) * DAY_S)
        if number % 7 == 6:
            self.sandbox.orders.pay_out()
        self.compare()

    def _charge(self, number: int) -> None:
        """About a third of the owners charge on a day; some stay too long."""
        streams = []
        for owner in range(self.owners):
            if self.random.random() < 0.33:
                self._sessions += 1
                at = BEGINS + number * DAY_S + self.random.randrange(10 * 3600)
                idle_s = self.random.choice((60, 420, 600, 1_500, 3_600))
                station = f"s{self.random.randrange(STATIONS)}"
                streams.append(a_session(station, f"x{self._sessions}", at=at, idle_s=idle_s, token=f"T{owner}"))
        self._until(BEGINS + number * DAY_S + 13 * 3600)
        for at in range(0, len(streams), 100):
            post(self.app, *streams[at : at + 100])

    def _until(self, at: int) -> None:
        """Let time pass, and do what is due on its way."""
        while self.clock.now() < at:
            self.clock.advance(min(6 * 3600, at - self.clock.now()))
            Worker(self.app, channels=[]).run_due()

    def _somebody_refunds(self) -> None:
        """In the product, and now and then in the processor's own dashboard."""
        for row in self._paid(max(1, self.owners // 60)):
            if self.random.random() < 0.6:
                amount = self.random.randint(1, row["captured_minor"])
                try:
                    with self.app.writing() as connection:
                        refunds.ask(
                            connection,
                            row["owner_id"],
                            row["id"],
                            amount,
                            code=refunds.Code.GOODWILL,
                            reason="a kindness",
                            by=FINANCE,
                            now=self.clock.now(),
                        )
                except TooMuch:
                    continue
            else:
                self._elsewhere(row["processor_ref"], row["captured_minor"])

    def _elsewhere(self, ref: str, most_minor: int) -> None:
        client = stripe.StripeClient(self.sandbox.key, base_addresses={"api": self.sandbox.url}, max_network_retries=0)
        try:
            client.v1.refunds.create({"payment_intent": ref, "amount": self.random.randint(1, most_minor)})
        except stripe.StripeError:
            return  # disputed, refunded already, or one of the day's faults

    def _something_happens_there(self) -> None:
        """Disputes are decided, a payment is disputed late, refunds come back."""
        with self.sandbox.state.lock:
            open_ = [one["id"] for one in self.sandbox.state.every("dispute") if one["status"] == "needs_response"]
            under_way = [one["id"] for one in self.sandbox.state.every("refund") if one["status"] == "succeeded"]
        for dispute in self.random.sample(open_, len(open_) // 2):
            self.sandbox.orders.close_dispute(dispute, won=self.random.random() < 0.5)
        for row in self._paid(max(1, self.owners // 200)):
            try:
                self.sandbox.orders.dispute(row["processor_ref"])
            except Refusal:
                continue  # it was disputed before, or refunded
        for refund in self.random.sample(under_way, min(1, len(under_way))):
            try:
                self.sandbox.orders.fail_refund(refund)
            except Refusal:
                continue

    def _paid(self, most: int) -> list[dict[str, Any]]:
        """Some payments that succeeded."""
        statement = select(payments).where(payments.c.state == "succeeded", payments.c.means == "card")
        with self.app.reading() as connection:
            found = [dict(row) for row in connection.execute(statement.order_by(payments.c.id)).mappings()]
        return self.random.sample(found, min(most, len(found)))

    def compare(self) -> None:
        """The night's comparison, of the last three days and of whatever is open."""
        now = self.clock.now()
        since = max(0, (self.runs[-1].until if self.runs else BEGINS) - 3 * DAY_S)
        self.runs.append(reconcile(self.app.engine, self.clock, self.app.processor, "acme", since, now + 1))

    def left(self) -> list[tuple[str, str, str]]:
        """What still differs: case, subject, what is known."""
        with self.app.reading() as connection:
            return [(one.code.value, one.subject, one.detail) for one in differences_after(connection, most=500)]

    def balance_there_minor(self) -> int:
        client = stripe.StripeClient(self.sandbox.key, base_addresses={"api": self.sandbox.url})
        held = client.v1.balance.retrieve()
        return sum(int(one["amount"]) for one in (*held.available, *held.pending))


@contextmanager
def month(url: str, owners: int, seed: int) -> Iterator[Month]:
    """A network at the beginning of its month."""
    clock = FixedClock(BEGINS)
    with sandbox_running(clock) as sandbox:
        settings = Settings(
            database_url=url,
            stripe_key=sandbox.key,
            stripe_url=sandbox.url,
            stripe_webhook_secret=sandbox.webhook_secret,
        )
        with running(settings, clock) as app:
            with app.writing() as connection:
                add_seller(connection, "acme", "Acme", "UTC", BEGINS)
                add_site(connection, "depot", "acme", "Depot", "UTC", BEGINS)
                for number in range(STATIONS):
                    add_station(connection, f"s{number}", "depot", BEGINS)
            yield Month(app, clock, sandbox, Random(seed), owners)
