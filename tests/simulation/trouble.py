"""What happens beside the cars: money given back here and there, disputes, refunds that fail weeks later, credits,
corrections, payments by hand and bank, payouts, and what nobody will ever explain. No tests here.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import stripe
from sqlalchemy import select

from api.sandbox.errors import Refusal
from billing import decisions
from billing.decisions import AmountTooSmall
from billing.invoices.standing import standings
from billing.ledger import owner_balances
from billing.payments import refunds, rows
from billing.payments.amounts import from_stripe
from billing.payments.by_hand import BadRecord, Received, record
from billing.payments.credits import Code as CreditCode
from billing.payments.credits import NothingOwed, Wanted
from billing.payments.credits import ask as ask_for_credit
from billing.payments.elsewhere import to_decide_after
from billing.payments.paying import NothingToPay, pay_here
from billing.payments.people import Deed, NotAllowed, Person
from billing.payments.rooms import TooMuch
from billing.payments.seen import AUTHENTICATE
from billing.reconcile.bank.lines import OPEN, accept, import_lines
from billing.reconcile.bank.listing import lines_after, proposals_of, to_record
from billing.reconcile.bank.reading import BankLine
from billing.reconcile.nightly import account_holder
from billing.store.payments import payments
from billing.store.tables import charges
from sessions.store.queries import SessionKey
from tests.integration.paying import confirm_at_bank
from tests.simulation.month import DAY_S, Month
from tests.simulation.network import BEGINS, VISA, Driver, add_card

SUPPORT, FINANCE, SECOND = (
    Person("support:sue", "support"),
    Person("finance:fay", "finance"),
    Person("finance:fred", "finance"),
)
NOT_POSSIBLE = (
    *(TooMuch, NotAllowed, AmountTooSmall, refunds.NotRefundable, NothingOwed),
    *(NothingToPay, decisions.NothingToDecide, Refusal),
)
WEEK_S = 7 * DAY_S


class Trouble:
    """Everything that goes on beside, a day at a time. `unexplained` is what was injected for good."""

    def __init__(self, here: Month) -> None:
        self.here = here
        self.unexplained: set[tuple[str, str]] = set()
        self._by_id = {one.id: one for one in here.drivers}
        self._some = max(1, len(here.drivers) // 300)  # how many of a kind on a day
        self._payouts: dict[str, dict[str, Any]] = {}

    def live(self, days: int) -> None:
        """Day after day, each with its trouble."""
        for day in range(days):
            for part, _ in enumerate(self.here.cars(day)):
                if self.here.random.random() < 0.6:
                    self.here.break_something()
                self._part(day, part)
                if (day, part) == (days // 2, 1):
                    self._what_nobody_explains(day)
        self.here.come_to_rest()
        self._decide_about_the_dashboard()
        self.here.come_to_rest()

    def _part(self, day: int, part: int) -> None:
        if part == 0:
            self._refunds()
            self._credits_and_corrections()
        elif part == 1:
            self._disputes_and_failing_refunds()
            self._owners_come_back()
        else:
            self._money_by_hand_and_bank(day)
            if day % 7 == 3:
                self._payouts |= {one["id"]: one for one in self.here.sandbox.orders.pay_out()}

    # -- money given back -----------------------------------------------------------------------------------

    def _refunds(self) -> None:
        self._decide_about_the_dashboard()
        for row in self._paid(self._some):
            amount = self.here.random.randint(1, row["captured_minor"])
            if self.here.random.random() < 0.3:
                self._refund_elsewhere(row["processor_ref"])
                continue
            by = self.here.random.choice((SUPPORT, FINANCE))
            with suppress(*NOT_POSSIBLE):
                self._refund(row, amount - amount % 10 or amount, by)

    def _decide_about_the_dashboard(self) -> None:
        """Finance says of each refund that was made there whether it was meant."""
        with self.here.app.writing() as connection:
            for one in to_decide_after(connection, 500):
                decide = refunds.approve if self.here.random.random() < 0.7 else refunds.refuse
                decide(connection, str(one["owner_id"]), str(one["id"]), FINANCE, "looked at", self.here.clock.now())

    def _refund(self, row: dict[str, Any], amount_minor: int, by: Person) -> None:
        with self.here.app.writing() as connection:
            now = self.here.clock.now()
            refund, _ = refunds.ask(
                connection,
                row["owner_id"],
                row["id"],
                amount_minor,
                code=refunds.Code.GOODWILL,
                reason="a kindness",
                by=by,
                now=now,
            )
            if refund.state == "asked":
                decide = refunds.approve if self.here.random.random() < 0.8 else refunds.refuse
                decide(connection, row["owner_id"], refund.id, SECOND, "looked at", now)
        self.here.counted["refunds asked for here"] += 1

    def _refund_elsewhere(self, ref: str) -> None:
        """In the processor's own dashboard."""
        try:
            there = self._client().v1.payment_intents.retrieve(ref)
            amount = self.here.random.randint(1, there.amount_received) // 10 * 10 or 10
            self._client().v1.refunds.create({"payment_intent": ref, "amount": amount})
            self.here.counted["refunds made elsewhere"] += 1
        except stripe.StripeError:
            return  # disputed, refunded already, or one of the day's faults

    def _credits_and_corrections(self) -> None:
        random, now = self.here.random, self.here.clock.now()
        for one in random.sample(self.here.drivers, self._some):
            with self.here.app.reading() as connection:
                owes = owner_balances(connection, one.id)
            for (seller_id, currency), amount in owes.items():
                if amount > 1:
                    deed = random.choice((Deed.CREDIT, Deed.CREDIT, Deed.WRITE_OFF))
                    code = CreditCode.GOODWILL if deed is Deed.CREDIT else CreditCode.UNCOLLECTIBLE
                    wanted = Wanted(
                        owner_id=one.id,
                        seller_id=seller_id,
                        currency=currency,
                        deed=deed,
                        amount_minor=random.randint(1, amount),
                        code=code,
                        reason="it was our fault",
                    )
                    with suppress(*NOT_POSSIBLE), self.here.app.writing() as connection:
                        ask_for_credit(connection, wanted, FINANCE, now)
                        self.here.counted["credits and write-offs"] += 1
        for key, owner_id in self._billed(self._some):
            with self.here.app.writing() as connection:
                if owner_id is None:
                    to = random.choice(self.here.drivers).id
                    decisions.claim(connection, key, to, author="support:sue", reason="it was theirs", now=now)
                elif random.random() < 0.2:
                    decisions.claim(connection, key, None, author="support:sue", reason="it was not theirs", now=now)
                else:
                    decisions.waive(
                        connection, key, random.randint(1, 300), author="support:sue", reason="a doubt", now=now
                    )
                self.here.counted["corrections"] += 1

    def _billed(self, most: int) -> Iterator[tuple[SessionKey, str | None]]:
        """Some sessions with a fee of the last days, those first that nobody claimed."""
        recent = charges.c.settled_at >= self.here.clock.now() - 2 * DAY_S
        statement = select(charges.c.site_id, charges.c.session_id, charges.c.owner_id).where(
            charges.c.fee_minor > 0, recent
        )
        with self.here.app.reading() as connection:
            found = connection.execute(statement.order_by(charges.c.site_id, charges.c.session_id)).all()
        lost = [row for row in found if row.owner_id is None]
        some = lost[:most] + self.here.random.sample(found, min(most, len(found)))
        for site_id, session_id, owner_id in dict.fromkeys(some):
            yield SessionKey(site_id, session_id), owner_id

    # -- banks ----------------------------------------------------------------------------------------------

    def _disputes_and_failing_refunds(self) -> None:
        random, sandbox, now = self.here.random, self.here.sandbox, self.here.clock.now()
        with sandbox.state.lock:
            open_ = [one["id"] for one in sandbox.state.every("dispute") if one["status"] == "needs_response"]
            old = [
                one["id"]
                for one in sandbox.state.every("refund")
                if one["status"] == "succeeded" and one["created"] < now - WEEK_S
            ]
        for dispute in random.sample(open_, len(open_) // 5):
            sandbox.orders.close_dispute(dispute, won=random.random() < 0.5)
        for row in self._paid(max(1, self._some // 4)):
            with suppress(*NOT_POSSIBLE):
                sandbox.orders.dispute(row["processor_ref"])
        for refund in random.sample(old, min(max(1, self._some // 8), len(old))):
            with suppress(*NOT_POSSIBLE):
                sandbox.orders.fail_refund(refund)
                self.here.counted["refunds that failed later"] += 1

    def _owners_come_back(self) -> None:
        """Some confirm what their bank wants confirmed, some bring another card."""
        waiting = select(payments).where(
            payments.c.means == rows.CARD, payments.c.state.in_((rows.NEEDS_OWNER, rows.FAILED))
        )
        with self.here.app.reading() as connection:
            found = [dict(row) for row in connection.execute(waiting.order_by(payments.c.id)).mappings()]
        for row in self.here.random.sample(found, len(found) // 6):
            with self.here.bad_luck(), suppress(*NOT_POSSIBLE):
                if row["failure_code"] == AUTHENTICATE:
                    self._confirm(row)
                elif self.here.random.random() < 0.4:
                    add_card(self.here.app, self.here.sandbox, self._by_id[row["owner_id"]], VISA)
                    self.here.counted["new cards"] += 1

    def _confirm(self, row: dict[str, Any]) -> None:
        app, processor = self.here.app, self.here.app.processor
        assert processor is not None
        tried = pay_here(app.engine, app.clock, processor, row["owner_id"], row["id"], "http://127.0.0.1/back")
        if tried.state == rows.NEEDS_OWNER:
            confirm_at_bank(self.here.sandbox, tried.processor_ref or "", passed=self.here.random.random() < 0.8)
            self.here.counted["confirmed by their owner"] += 1

    def _money_by_hand_and_bank(self, day: int) -> None:
        """Who has no card pays within days, and the bank books it; the bank books payouts, too."""
        lines: dict[str, list[BankLine]] = {}
        today = BEGINS + day * DAY_S
        paying = [one for one in self.here.drivers if one.means in ("hand", "bank")]
        for one in self.here.random.sample(paying, min(len(paying), 1 + len(paying) // 8)):
            for line in self._pays(one, today):
                lines.setdefault(one.firm.id, []).append(line)
        with self.here.app.reading() as connection:
            holder = account_holder(connection)
        for ref, payout in list(self._payouts.items()):
            if payout["arrival_date"] <= today + DAY_S:
                del self._payouts[ref]
                currency = payout["currency"].upper()
                came = BankLine(f"{ref}", today, currency, from_stripe(payout["amount"], currency), "STRIPE PAYOUT")
                lines.setdefault(holder or "", []).append(came)
        for seller_id, booked in lines.items():
            import_lines(self.here.app.engine, self.here.clock, seller_id, booked, author="finance")
            self.here.counted["bank lines"] += len(booked)
            self._look_at_bank_lines(seller_id)

    def _look_at_bank_lines(self, seller_id: str) -> None:
        """Finance believes a line that names an open invoice, where somebody paid as much by hand; of one that names an
        invoice which is settled meanwhile, that it is its owner's money.
        """
        app = self.here.app
        with app.reading() as connection:
            open_ = lines_after(connection, seller_id=seller_id, state=OPEN)
        for row in open_:
            named = [one for one in proposals_of(row) if one.because.startswith("names ")]
            owner_id = row["text"].rpartition(" ")[2]
            if named or owner_id in self._by_id:
                said = {"author": "finance:fay", "reason": "it names the invoice"}
                with suppress(BadRecord):
                    what = named[0] if named else to_record(owner_id)
                    accept(app.engine, app.clock, seller_id, row["id"], what, **said)
                    self.here.counted["bank lines decided"] += 1

    def _pays(self, one: Driver, today: int) -> Iterator[BankLine]:
        with self.here.app.reading() as connection:
            stands = standings(connection, [one.id])
        for side, standing in stands.items():
            for document in standing.documents:
                asked = standing.asked_minor(document)
                if not asked:
                    continue
                if one.means == "bank" and document.due_minor == asked == document.total_minor:
                    name = f"{document.name} {one.id}"
                    yield BankLine(f"{document.id}", today, side.currency, asked, f"Invoice {document.name}, {name}")
                else:
                    with self.here.app.writing() as connection:
                        came = Received(
                            **side._asdict(),
                            amount_minor=asked,
                            reference=document.name,
                            received_at=today,
                            invoice_id=document.id,
                        )
                        record(connection, came, author="finance:fay", now=self.here.clock.now())
                    self.here.counted["paid by hand"] += 1

    def _what_nobody_explains(self, day: int) -> None:
        """A payment that somebody made at the processor by hand, and a gift."""
        self.here.sandbox.orders.no_faults()
        made = self._client().v1.payment_intents.create(
            {"amount": 777, "currency": "usd", "payment_method": VISA, "confirm": True, "off_session": True}
        )
        gift = BankLine("gift", BEGINS + day * DAY_S, "EUR", 12_34, "from somebody")
        import_lines(self.here.app.engine, self.here.clock, "volt", [gift], author="finance")
        self.unexplained = {("unknown_payment", f"payment {made.id}"), ("bank_line_unknown", "bank gift")}

    # -- helpers --------------------------------------------------------------------------------------------

    def _paid(self, most: int) -> list[dict[str, Any]]:
        """Some card payments that succeeded within three weeks."""
        lately = payments.c.succeeded_at >= self.here.clock.now() - 3 * WEEK_S
        statement = select(payments).where(payments.c.state == rows.SUCCEEDED, payments.c.means == rows.CARD, lately)
        with self.here.app.reading() as connection:
            found = connection.execute(statement.order_by(payments.c.id)).mappings().all()
        return [dict(row) for row in self.here.random.sample(list(found), min(most, len(found)))]

    def _client(self) -> stripe.StripeClient:
        sandbox = self.here.sandbox
        return stripe.StripeClient(sandbox.key, base_addresses={"api": sandbox.url}, max_network_retries=0)
