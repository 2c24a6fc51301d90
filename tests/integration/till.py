"""A seller's account at the sandbox beside our database, for tests of reconciling. No tests here.

Payments are made there with our mark, and rows here, with or without anybody telling the one of the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import stripe
from sqlalchemy import insert

from api.sandbox.serving import Sandbox, sandbox_running
from api.wiring import Idlefee
from billing.ledger import trial_balance
from billing.payments.gateway import Gateway
from billing.payments.processor import PaymentSeen
from billing.payments.rows import payment_of, take_look
from billing.payments.seen import OWNER, PAYMENT, converge_payment
from billing.reconcile.cases import Code
from billing.reconcile.differences import Difference, Run, differences_after
from billing.reconcile.running import reconcile
from billing.store.payments import payments
from billing.verify.money import wrong_subjects
from sessions.clock import FixedClock
from tests.integration.small_world import LATER, a_session, post, small_world, told

DAY = 24 * 3600


@dataclass(slots=True)
class Till:
    """The product, the sandbox, and a way to make payments on either side."""

    app: Idlefee
    sandbox: Sandbox
    gateway: Gateway
    customer: str
    numbers: "count[int]"

    def row(self, amount_minor: int = 2_00, *, invoice_id: str | None = None, **more: object) -> str:
        """A payment of Ann's that was sent, as far as we know."""
        id_ = f"pay_{next(self.numbers)}"
        said = {
            "owner_id": "ann",
            "id": id_,
            "seller_id": "acme",
            "currency": "USD",
            "invoice_id": invoice_id,
            "means": "card",
            "amount_minor": amount_minor,
            "state": "sent",
            "author": "idlefee",
            "created_at": LATER,
            "changed_at": LATER,
        }
        with self.app.writing() as connection:
            connection.execute(insert(payments).values(**said | more))
        return id_

    def pay(self, id_: str | None, amount_minor: int = 2_00, card: str = "pm_card_visa") -> PaymentSeen:
        """The payment at the processor, under our mark if it has a name of ours. Nobody here is told."""
        client = stripe.StripeClient(self.sandbox.key, base_addresses={"api": self.sandbox.url}).v1
        method = client.payment_methods.attach(card, {"customer": self.customer}).id
        return self.gateway.create_payment(
            customer_ref=self.customer,
            method_ref=method,
            amount_minor=amount_minor,
            currency="USD",
            description="idle fee",
            metadata={} if id_ is None else {OWNER: "ann", PAYMENT: id_},
            key=f"key-{next(self.numbers)}",
        )

    def paid(
        self, amount_minor: int = 2_00, card: str = "pm_card_visa", invoice_id: str | None = None
    ) -> tuple[str, str]:
        """A payment that both know: our name and theirs."""
        id_ = self.row(amount_minor, invoice_id=invoice_id)
        seen = self.pay(id_, amount_minor, card)
        self.hear(id_, seen.ref)
        return id_, seen.ref

    def hear(self, id_: str, ref: str) -> None:
        """A webhook came through."""
        with self.app.writing() as connection:
            payment = payment_of(connection, "ann", id_)
            assert payment is not None
            look = take_look(connection, payment)
        seen = self.gateway.payment(ref)
        with self.app.writing() as connection:
            converge_payment(connection, seen, self.app.clock.now(), look=look)

    def reconcile(self, since: int = 0) -> Run:
        until = self.sandbox.state.now() + 1
        return reconcile(self.app.engine, self.app.clock, self.gateway, "acme", since, until)

    def open(self) -> dict[str, Code]:
        """What differs: each subject's case. Names of ours and theirs are told by their kind alone."""
        return {one.subject: one.code for one in self.differences()}

    def differences(self) -> list[Difference]:
        with self.app.reading() as connection:
            return differences_after(connection, most=500)

    def standing(self) -> dict[str, int]:
        with self.app.reading() as connection:
            rows = trial_balance(connection)
        assert sum(row.balance_minor for row in rows) == 0
        return {row.account.value: row.balance_minor for row in rows if row.balance_minor}

    def balance_there_minor(self) -> int:
        """What the processor itself says it holds."""
        client = stripe.StripeClient(self.sandbox.key, base_addresses={"api": self.sandbox.url}).v1
        held = client.balance.retrieve()
        return sum(int(one["amount"]) for one in (*held.available, *held.pending))

    def agrees(self) -> bool:
        """Whether the books hold at the processor what it holds, and everywhere what the rows say."""
        with self.app.reading() as connection:
            assert list(wrong_subjects(connection)) == []
        return self.standing().get("processor", 0) == self.balance_there_minor()

    def told(self, statement: str) -> list[tuple[object, ...]]:
        return told(self.app, statement)


@contextmanager
def till(database_url: str, sandbox: Sandbox) -> Iterator[Till]:
    """Ann owes $8.00."""
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"), a_session("h1", "b", at=LATER - 5 * DAY, idle_s=1200))
        gateway = Gateway(sandbox.key, sandbox.url)
        yield Till(app, sandbox, gateway, gateway.create_customer("ann", None, key="customer"), count(1))


@contextmanager
def opened(database_url: str) -> Iterator[Till]:
    """The same with a sandbox of its own."""
    with sandbox_running(FixedClock(LATER)) as sandbox, till(database_url, sandbox) as made:
        yield made
