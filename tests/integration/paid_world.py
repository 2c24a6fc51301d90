"""A small world with a sandbox of the processor beside it, and payments as collecting leaves them. No tests here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select

from api.sandbox.serving import Sandbox, sandbox_running
from api.wiring import Idlefee
from billing.jobs import Lease, lease
from billing.ledger import owner_balances, trial_balance
from billing.payments.gateway import Gateway
from billing.payments.people import Person
from billing.payments.processor import Processor
from billing.payments.seen import OWNER, PAYMENT, converge_payment
from billing.store.payments import payments
from sessions.clock import FixedClock
from tests.integration.small_world import LATER, small_world

SUPPORT = Person("support:s1", "support")
FINANCE = Person("finance:f1", "finance")
SECOND = Person("finance:f2", "finance")


@dataclass(frozen=True, slots=True)
class PaidWorld:
    """The product, the sandbox, and what stands between them."""

    app: Idlefee
    sandbox: Sandbox
    processor: Processor
    _names: list[str] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.app.clock.now()

    def pass_time(self, seconds: int) -> None:
        """Both clocks are one."""
        clock = self.app.clock
        assert isinstance(clock, FixedClock)
        clock.advance(seconds)

    def pay(
        self, amount_minor: int, *, owner_id: str = "ann", card: str = "pm_card_visa", currency: str = "USD"
    ) -> str:
        """A payment that was asked for and confirmed, as the processor and the books have it; answers its id."""
        payment_id = f"pay_{len(self._names) + 1}"
        self._names.append(payment_id)
        customer = self.processor.create_customer(owner_id, None, key=f"customer-{payment_id}")
        with self.app.writing() as connection:
            row = {
                "owner_id": owner_id,
                "id": payment_id,
                "seller_id": "acme",
                "currency": currency,
                "means": "card",
                "amount_minor": amount_minor,
                "state": "sent",
                "author": "idlefee",
                "created_at": self.now,
                "changed_at": self.now,
            }
            connection.execute(insert(payments).values(**row))
        seen = self.processor.create_payment(
            customer_ref=customer,
            method_ref=card,
            amount_minor=amount_minor,
            currency=currency,
            description="an invoice",
            metadata={OWNER: owner_id, PAYMENT: payment_id},
            key=f"pay-{payment_id}",
        )
        with self.app.writing() as connection:
            converge_payment(connection, seen, self.now, attempt=True)
        return payment_id

    def see(self, payment_id: str, owner_id: str = "ann") -> None:
        """Look the payment up, as a webhook or the poller would."""
        ref = self.payment(payment_id, owner_id)["processor_ref"]
        seen = self.processor.payment(ref)
        with self.app.writing() as connection:
            converge_payment(connection, seen, self.now)

    def payment(self, payment_id: str, owner_id: str = "ann") -> Mapping[str, Any]:
        statement = select(payments).where(payments.c.owner_id == owner_id, payments.c.id == payment_id)
        with self.app.reading() as connection:
            return dict(connection.execute(statement).mappings().one())

    def owed(self, owner_id: str = "ann", currency: str = "USD") -> int:
        with self.app.reading() as connection:
            return owner_balances(connection, owner_id).get(("acme", currency), 0)

    def books(self) -> dict[str, int]:
        """Every account's balance; they sum to zero."""
        with self.app.reading() as connection:
            found = {row.account.value: row.balance_minor for row in trial_balance(connection)}
        assert sum(found.values()) == 0
        return {name: balance for name, balance in found.items() if balance}

    def leases(self, kind: str) -> Iterator[Lease]:
        """Every due step of a kind, one by one, as a worker takes it."""
        for _ in range(50):
            with self.app.writing() as connection:
                taken = lease(connection, "test", self.now, 1, kind)
            if not taken:
                return
            yield Lease(self.app.engine, self.app.clock, "test", taken)
        raise AssertionError(f"steps of {kind} do not end")


@contextmanager
def paid_world(url: str, now: int = LATER) -> Iterator[PaidWorld]:
    """Ann has paid nothing yet; `pay` changes that."""
    with small_world(url, now) as app, sandbox_running(app.clock) as sandbox:
        yield PaidWorld(app, sandbox, Gateway(sandbox.key, sandbox.url))
