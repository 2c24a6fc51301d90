"""Finance's day in a real Chromium: money that came, a card that is declined, a dispute, a refund that wants a second
person, a step that was given up, money that moved elsewhere, a month to close. Every page of the way is looked at.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select, text

from api.access.keys import KeyKind, Role, issue
from api.sandbox.serving import Sandbox, sandbox_running
from api.worker import Worker
from billing.jobs import Job, schedule
from billing.owners import Owner, add_owner, give_token
from billing.payments import refunds
from billing.payments.people import Person
from billing.payments.setups import begin_setup, look_at_setup
from billing.store.payments import payments
from sessions.clock import FixedClock
from tests.browser.looking import DESK, PHONE, look, tab
from tests.integration.page_visits import Visits, event, until, visits
from tests.integration.small_world import NOON, a_session, post

pytestmark = pytest.mark.browser

DAY_S = 24 * 3600
CARDS = {"ann": "pm_card_chargeCustomerFail", "bob": "pm_card_visa", "cleo": "pm_card_createDispute"}


class Desk:
    """January behind it: what each owner's card made of their session, and what waits for finance in February."""

    def __init__(self, visited: Visits, sandbox: Sandbox) -> None:
        self.visited, self.sandbox, self.app = visited, sandbox, visited.app
        with self.app.writing() as connection:
            add_owner(connection, Owner("cleo", "Cleo", None), NOON)
            give_token(connection, self.app.names, uid="CLEO", owner_id="cleo", author="test", now=NOON)
        sandbox.orders.listen(f"{visited.address}/v1/webhooks/stripe")
        for owner_id, card in CARDS.items():
            self._saves(owner_id, card)
        until(visited, NOON + 9000)
        twice: list[dict[str, Any]] = a_session("m1", "odd", at=NOON - 5000)
        post(
            self.app,
            a_session("h1", "anns", idle_s=680),
            a_session("m1", "bobs", idle_s=3600, token="BOB"),
            a_session("h2", "nobodys", idle_s=600, at=NOON + 4000, token=None),
            twice,
            [twice[1] | {"type": "meter"}],
        )
        self.works()
        self._money_moves_elsewhere()
        until(visited, NOON + 16 * DAY_S)
        post(self.app, a_session("h2", "cleos", idle_s=960, at=NOON + 16 * DAY_S - 3000, token="CLEO"))
        self.works()
        until(visited, NOON + 19 * DAY_S)
        self.works()
        self._something_waits()

    def works(self) -> None:
        """Whatever is due, what the processor tells us of it, and what follows from that."""
        Worker(self.app).run_due()
        self.sandbox.webhooks.deliver()
        Worker(self.app).run_due()

    def _saves(self, owner_id: str, card: str) -> None:
        engine, clock, processor = self.app.engine, self.app.clock, self.app.processor
        assert processor is not None
        setup = begin_setup(engine, clock, processor, owner_id, "acme", f"{self.visited.address}/me/payment")
        self.sandbox.orders.choose(setup.processor_ref or "", card)
        look_at_setup(engine, clock, processor, setup)

    def _money_moves_elsewhere(self) -> None:
        client = stripe.StripeClient(self.sandbox.key, base_addresses={"api": self.sandbox.url}).v1
        customer = client.customers.create({"name": "Somebody"})
        method = client.payment_methods.attach("pm_card_visa", {"customer": customer.id})
        client.payment_intents.create(
            {
                "amount": 990,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": method.id,
                "confirm": True,
                "off_session": True,
            }
        )

    def _something_waits(self) -> None:
        now = self.visited.clock.now()
        plugged_in = event("plugged_in", now - 3600, "stands", token="ANN")
        started, full = event("charging_started", now - 3590, "stands"), event("charge_complete", now - 1800, "stands")
        post(self.app, [plugged_in, started, full])
        with self.app.writing() as connection:
            bobs = connection.execute(select(payments.c.id).where(payments.c.owner_id == "bob")).scalar_one()
            by, why = Person("support:s1", "support"), refunds.Code.GOODWILL
            refunds.ask(connection, "bob", bobs, 22_00, code=why, reason="the barrier was shut", by=by, now=now)
            schedule(connection, [Job("odd:1", "odd", now, {})], now)
            connection.execute(text("UPDATE jobs SET dead = true, last_error = 'no such step' WHERE kind = 'odd'"))
            link = issue(connection, Role.FINANCE, label="Fiona", now=now, kind=KeyKind.LINK)
        self.visited.links["finance"] = link.text


@pytest.fixture
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    url = request.getfixturevalue(request.param)
    with sandbox_running(FixedClock(NOON)) as sandbox, visits(url, sandbox=sandbox) as visited:
        yield Desk(visited, sandbox)


@pytest.mark.parametrize(
    ("desk", "size", "dark"),
    [
        pytest.param("postgres_url", PHONE, True, id="phone-dark"),
        pytest.param("sqlite_url", DESK, False, id="desk-light"),
    ],
    indirect=["desk"],
)
def test_a_day_of_finance(chromium: Browser, desk: Desk, size: tuple[int, int], dark: bool) -> None:
    with tab(chromium, desk.visited, "finance", size, dark=dark) as page:
        _sees_today(page)
        _finds_charges(page)
        _reads_a_story(page)
        _works_through_the_queues(page, desk)
        _asks_what_another_tariff_would_bring(page)
        _reconciles(page, desk)
        _explains_the_bank(page)
        _closes_the_month(page)
        _takes_the_ledger_along(page)


def _sees_today(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Finance").click()
    expect(page.get_by_role("row", name="Not coming")).to_contain_text("$2.40")
    expect(page.get_by_role("row", name="Running up")).to_contain_text("$10.00")
    expect(page.get_by_role("img", name=re.compile("Collected a day"))).to_be_visible()
    look(page, "01-today")


def _finds_charges(page: Page) -> None:
    page.get_by_role("link", name="Charges").click()
    expect(page.locator("tfoot")).to_contain_text("5 charges")
    look(page, "02-charges")
    page.get_by_label("State").select_option("posted")
    page.get_by_label("Fee from").fill("3")
    page.get_by_label("From", exact=True).fill("2027-01-01")
    page.get_by_label("To", exact=True).fill("2027-01-31")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tfoot")).to_contain_text("2 charges$26.40")
    page.get_by_role("button", name="Posted").click()
    expect(page.locator("tbody tr td:first-child")).to_have_text(["h2/cleos", "m1/bobs"])
    address = page.get_by_role("link", name="CSV of this filter").get_attribute("href")
    assert address is not None
    assert page.request.get(address).text().count("\n") == 3
    look(page, "03-charges-of-a-filter")


def _reads_a_story(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Charge of h2/cleos")).to_be_visible()
    for told in ("Plugged in", "Posted", "Invoice ACME-2027-", "Paid", "Disputed"):
        expect(page.locator("#story").get_by_text(told).first).to_be_visible()
    look(page, "04-the-whole-story")


def _works_through_the_queues(page: Page, desk: Desk) -> None:
    page.get_by_role("link", name="Queues").click()
    expect(page.locator("#review")).to_contain_text("m1/odd")
    expect(page.locator("#arrears")).to_contain_text("$2.40")
    look(page, "05-queues")
    refund = page.locator("#approve article")
    expect(refund).to_contain_text("the barrier was shut")
    refund.get_by_label("Reason").fill("the log of the barrier agrees")
    refund.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Nobody asked for money")).to_be_visible()
    page.locator("#disputes").get_by_label("Reason").fill("her session is on record")
    page.get_by_role("button", name="Contest").click()
    expect(page.locator("#disputes")).to_contain_text("$4.40")
    page.locator("#parked").get_by_label("Reason").fill("nobody waits for it")
    page.get_by_role("button", name="Drop").click()
    expect(page.get_by_text("Every step was done.")).to_be_visible()
    desk.works()
    page.goto("/finance/charges/m1/bobs")
    expect(page.locator("#refunds")).to_contain_text("$22.00 succeeded: the barrier was shut")
    look(page, "06-the-story-of-a-refund")


def _asks_what_another_tariff_would_bring(page: Page) -> None:
    page.get_by_role("link", name="What if").click()
    look(page, "07-what-if-nothing-asked")
    page.get_by_label("Tariff").select_option("waive_completed")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("tfoot")).to_contain_text("In all")
    look(page, "08-what-if")


def _reconciles(page: Page, desk: Desk) -> None:
    page.get_by_role("link", name="Reconciliation").click()
    expect(page.get_by_text("Nothing was compared yet.")).to_be_visible()
    look(page, "09-nothing-compared")
    page.get_by_role("button", name="Compare now").click()
    page.wait_for_url("**#runs")
    desk.works()
    page.reload()
    differs = page.locator("#differences article").filter(has_text="$9.90").first
    differs.get_by_text("What this means").click()
    differs.get_by_label("Who looks into it").fill("Fiona")
    differs.get_by_label("Note").fill("the shop's own till, I believe")
    look(page, "10-differences")
    differs.get_by_role("button", name="Keep").click()
    expect(page.locator("#differences")).to_contain_text("Fiona looks into it.")


def _explains_the_bank(page: Page) -> None:
    page.get_by_role("link", name="Bank").click()
    expect(page.get_by_text("No line waits.")).to_be_visible()
    booked = b"date,amount,currency,text\n2027-02-03,-9.00,USD,account fee\n2027-02-04,31.00,USD,Bob paid at the desk\n"
    file = page.get_by_label("File, CSV")
    file.set_input_files({"name": "february.csv", "mimeType": "text/csv", "buffer": booked})
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("status")).to_contain_text("2 lines new")
    look(page, "11-the-bank")
    for text_of_line in ("account fee", "Bob paid"):
        line = page.locator("article", has_text=text_of_line)
        line.get_by_label("What it is").select_option(label="None of ours")
        line.get_by_label("Reason").fill("of another business")
        line.get_by_role("button", name="Decide").click()
    expect(page.get_by_text("No line waits.")).to_be_visible()
    hand = page.locator("#by-hand form")
    for label, said in (("Owner", "ann"), ("Amount", "1.00"), ("Currency", "USD"), ("Reference", "receipt 7")):
        hand.get_by_label(label).fill(said)
    hand.get_by_role("button", name="Record").click()
    written = page.locator("#by-hand article")
    expect(written).to_contain_text("$1.00 of ann")
    look(page, "12-a-payment-by-hand")
    written.get_by_label("Reason").fill("it was Bob's")
    written.get_by_role("button", name="Take back").click()
    expect(written).to_contain_text("Taken back: it was Bob's")


def _closes_the_month(page: Page) -> None:
    page.get_by_role("link", name="Close").click()
    expect(page.get_by_role("heading", name="Acme, January 2027")).to_be_visible()
    look(page, "13-before-the-close")
    page.get_by_label("Reason").fill("January is over")
    page.get_by_role("button", name="Close January 2027").click()
    expect(page.locator("#closed")).to_contain_text("January is over")
    page.get_by_role("link", name="2027-01").click()
    expect(page.get_by_role("row", name="Owners owe")).to_be_visible()
    look(page, "14-the-closed-month")


def _takes_the_ledger_along(page: Page) -> None:
    page.get_by_role("link", name="Exports").click()
    look(page, "15-exports")
    page.get_by_label("Format").select_option("beancount")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the ledger").click()
    assert "Assets:S-acme:Processor" in download.value.path().read_text()
