"""A seller, an owner with a card, and invoices to pay, with our Stripe behind it all. No tests here."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from api.sandbox import payments as sandbox_payments
from api.sandbox import setups as sandbox_setups
from api.sandbox.serving import Sandbox, sandbox_running
from api.wiring import Idlefee, running
from api.worker import Worker
from billing.jobs import schedule
from billing.ledger import owner_balances, trial_balance
from billing.owners import Owner, add_owner
from billing.payments import rows, setups
from billing.payments.collecting import collect_job
from billing.payments.methods import Method, default_method
from billing.payments.processor import Processor
from billing.payments.rows import Payment
from billing.store.invoices import invoices
from billing.store.payments import payments
from sessions.clock import FixedClock
from sessions.sites import add_seller
from tests.integration.small_world import settings_with

NOW = 1_800_000_000
VISA, DECLINES, AUTHENTICATES, DISPUTES = (
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_createDispute",
)


@dataclass(frozen=True, slots=True)
class Till:
    """A running product whose cards are charged at the sandbox."""

    app: Idlefee
    clock: FixedClock
    sandbox: Sandbox

    @property
    def processor(self) -> Processor:
        assert self.app.processor is not None
        return self.app.processor

    def work(self, at: int | None = None) -> int:
        """Do everything that is due."""
        if at is not None:
            self.clock.advance(at - self.clock.now())
        return Worker(self.app, []).run_due()

    def add_card(self, card: str = VISA, owner_id: str = "ann") -> Method:
        """Through the processor's page, as an owner does."""
        engine, clock = self.app.engine, self.clock
        setup = setups.begin_setup(engine, clock, self.processor, owner_id, "acme", "http://127.0.0.1/back?s={setup}")
        choose(self.sandbox, setup.processor_ref or "", card)
        setups.look_at_setup(engine, clock, self.processor, setup)
        with self.app.reading() as connection:
            method = default_method(connection, owner_id, "acme")
        assert method is not None
        return method

    def invoice(self, amount_minor: int = 1000, *, owner_id: str = "ann", currency: str = "USD") -> str:
        """Issue an invoice over this amount, and have it collected by the next work."""
        with self.app.writing() as connection:
            number = len(connection.execute(select(invoices.c.id)).all()) + 1
            connection.execute(
                insert(invoices).values(
                    owner_id=owner_id,
                    id=f"inv{number}",
                    seller_id="acme",
                    currency=currency,
                    kind="invoice",
                    series="ACME",
                    number=number,
                    name=f"ACME-{number}",
                    issued_at=self.clock.now(),
                    total_minor=amount_minor,
                    tax_minor=0,
                    due_minor=amount_minor,
                    body=json.dumps({}),
                )
            )
            schedule(connection, [collect_job(owner_id, f"inv{number}", self.clock.now())], self.clock.now())
        return f"inv{number}"

    def payments(self, owner_id: str = "ann") -> list[Payment]:
        with self.app.reading() as connection:
            ids = connection.execute(
                select(payments.c.id).where(payments.c.owner_id == owner_id).order_by(payments.c.created_at)
            ).scalars()
            found = [rows.payment_of(connection, owner_id, id_) for id_ in ids.all()]
        return [one for one in found if one is not None]

    def payment(self) -> Payment:
        (one,) = self.payments()
        return one

    def balances(self) -> dict[str, int]:
        """What stands on each account of the accounts' and sessions' books together."""
        with self.app.reading() as connection:
            return {row.account.value: row.balance_minor for row in trial_balance(connection) if row.balance_minor}

    def owed(self, owner_id: str = "ann") -> dict[tuple[str, str], int]:
        with self.app.reading() as connection:
            return owner_balances(connection, owner_id)

    def at_stripe(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a kind, as the sandbox holds it."""
        with self.sandbox.state.lock:
            return [dict(one) for one in self.sandbox.state.every(kind)]


def choose(sandbox: Sandbox, session_ref: str, card: str) -> None:
    """The owner picks a test card on the hosted page, and confirms it where the bank asks."""
    state = sandbox.state
    with state.lock:
        intent = sandbox_setups.choose(state, state.get("checkout.session", session_ref), card)
        sandbox_setups.authenticated(state, intent, passed=True)


def confirm_at_bank(sandbox: Sandbox, payment_ref: str, *, passed: bool = True) -> None:
    """The owner is on the bank's page, and confirms the payment or does not."""
    state = sandbox.state
    with state.lock:
        sandbox_payments.authenticated(state, state.get("payment_intent", payment_ref), passed=passed)


@contextmanager
def till(url: str, now: int = NOW) -> Iterator[Till]:
    """Acme and Ann, at a sandbox of their own."""
    clock = FixedClock(now)
    with sandbox_running(clock) as sandbox, running(settings_with(url, sandbox), clock) as app:
        with app.writing() as connection:
            add_seller(connection, "acme", "Acme", "UTC", now)
            add_owner(connection, Owner("ann", "Ann", "ann@example.com"), now)
        yield Till(app, clock, sandbox)
