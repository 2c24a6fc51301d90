"""How an owner pays, from the first card to the month's statement, in a real Chromium and at our Stripe: a card that
pays, one that wants its owner at the bank, one that is declined. Every page of the way is looked at, the processor's
own among them, on a phone and a desk, in the light and in the dark.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from api.sandbox.serving import Sandbox, sandbox_running
from api.worker import Worker
from sessions.clock import FixedClock
from tests.browser.looking import DESK, PHONE, keep, look, tab
from tests.integration.page_visits import Visits, until, visits
from tests.integration.small_world import NOON, a_session, post

pytestmark = pytest.mark.browser

HOUR_S = 3600
PAYS, WANTS_ITS_OWNER, IS_DECLINED = "Succeeds •", "Asks for authentication every time", "Can be saved, is declined"


@dataclass
class Month:
    """The product, the card processor beside it, and sessions that Bob leaves behind."""

    visited: Visits
    sandbox: Sandbox
    sessions: int = 0

    def passes(self, seconds: int) -> None:
        until(self.visited, self.visited.clock.now() + seconds)
        Worker(self.visited.app).run_due()

    def charges(self, station: str = "h1") -> None:
        """Bob's car stood for eleven minutes after it was full: $2.40, which is invoiced and asked for at once."""
        self.passes(HOUR_S)
        self.sessions += 1
        at = self.visited.clock.now() - 2500
        post(self.visited.app, a_session(station, f"s{self.sessions}", idle_s=680, at=at, token="BOB"))
        self.passes(1)


@pytest.fixture
def month(request: pytest.FixtureRequest) -> Iterator[Month]:
    url = request.getfixturevalue(request.param)
    with sandbox_running(FixedClock(NOON)) as sandbox, visits(url, sandbox=sandbox) as visited:
        yield Month(visited, sandbox)


@pytest.mark.parametrize(
    ("month", "size", "dark"),
    [
        pytest.param("sqlite_url", PHONE, False, id="phone-light"),
        pytest.param("postgres_url", PHONE, True, id="phone-dark"),
        pytest.param("postgres_url", DESK, False, id="desk-light"),
        pytest.param("sqlite_url", DESK, True, id="desk-dark"),
    ],
    indirect=["month"],
)
def test_a_month_of_paying(chromium: Browser, month: Month, size: tuple[int, int], dark: bool) -> None:
    with tab(chromium, month.visited, "bob", size, dark=dark, processor=month.sandbox.url) as page:
        _saves_a_card(page)
        _is_charged_when_not_there(page, month)
        _keeps_the_invoice(page)
        _confirms_at_the_bank(page, month)
        _is_declined_and_pays_with_another_card(page, month)
        _reads_the_statement(page)


def _saves_a_card(page: Page) -> None:
    page.goto("/me/account")
    page.get_by_role("link", name="Payment").click()
    expect(page.get_by_text("None yet. Without a card")).to_be_visible()
    look(page, "01-no-card-yet")
    _to_the_processor(page)
    expect(page.get_by_text("No money moves.")).to_be_visible()
    look(page, "02-the-processors-page")
    page.get_by_role("link", name="Back without saving").click()
    expect(page.get_by_text("None yet. Without a card")).to_be_visible()
    _add(page, PAYS)
    expect(page.get_by_role("heading", name="Visa ending in 4242", exact=True)).to_be_visible()
    page.get_by_text("What you agreed to").click()
    expect(page.get_by_text("I agree that Acme charges this card").first).to_be_visible()
    look(page, "03-a-card-with-consent")


def _to_the_processor(page: Page) -> None:
    page.get_by_role("button", name="Add a card").click()
    page.wait_for_url("**/c/pay/**")


def _add(page: Page, card: str) -> None:
    _to_the_processor(page)
    page.get_by_label(card).check()
    page.get_by_role("button", name="Save card").click()


def _is_charged_when_not_there(page: Page, month: Month) -> None:
    month.charges()
    page.reload()
    expect(page.get_by_role("listitem").filter(has_text="Acme: paid")).to_contain_text("$2.40")
    look(page, "04-paid")


def _keeps_the_invoice(page: Page) -> None:
    page.goto("/me/account")
    look(page, "05-account")
    page.get_by_role("link", name="Invoices").click()
    expect(page.get_by_role("row", name="ACME")).to_contain_text("paid")
    look(page, "06-invoices")
    page.get_by_role("link", name="ACME").click()
    expect(page.get_by_role("row", name="Total")).to_contain_text("$2.40")
    look(page, "07-invoice")
    page.emulate_media(media="print")
    keep(page, "08-invoice-on-paper")
    page.emulate_media(media="screen")
    for name, begins in (("As PDF", b"%PDF-"), ("CSV", b"document,")):
        address = page.get_by_role("link", name=name).get_attribute("href")
        assert address is not None
        assert page.request.get(address).body().startswith(begins), name


def _confirms_at_the_bank(page: Page, month: Month) -> None:
    page.goto("/me/payment")
    _add(page, WANTS_ITS_OWNER)
    expect(page.get_by_role("heading", name="Is it you?")).to_be_visible()
    look(page, "09-the-bank-asks-about-the-card")
    page.get_by_role("button", name="Yes, it is me").click()
    _make_default(page, "3184")
    month.charges("h2")
    page.goto("/me/payment")
    expect(page.get_by_text("Your bank wants you to confirm this payment.")).to_be_visible()
    look(page, "10-waits-for-its-owner")
    page.get_by_role("button", name="Confirm at your bank").click()
    page.wait_for_url("**/authenticate/**")
    expect(page.get_by_text("2.40 USD")).to_be_visible()
    look(page, "11-the-bank-asks-about-the-payment")
    page.get_by_role("button", name="Yes, it is me").click()
    expect(page.get_by_role("listitem").filter(has_text="Acme: paid")).to_have_count(2)
    expect(page.get_by_role("heading", name="Waits for you")).to_have_count(0)


def _make_default(page: Page, last4: str) -> None:
    card = page.locator("li.card").filter(has=page.get_by_role("heading", name=f"ending in {last4}"))
    if card.get_by_role("button", name="Charge this one").count():
        card.get_by_role("button", name="Charge this one").click()
    expect(card.first).to_contain_text("This one is charged.")


def _is_declined_and_pays_with_another_card(page: Page, month: Month) -> None:
    _add(page, IS_DECLINED)
    _make_default(page, "0341")
    month.charges("m1")
    page.goto("/me/payment")
    expect(page.get_by_text("Your card was declined.")).to_be_visible()
    look(page, "12-declined")
    page.goto("/me/notices")
    look(page, "13-told-of-it")
    page.goto("/me/payment")
    _make_default(page, "4242")
    page.get_by_role("button", name="Pay with Visa ending in 4242").click()
    expect(page.get_by_role("listitem").filter(has_text="Acme: paid")).to_have_count(3)
    month.passes(60)
    page.goto("/me/payment")
    page.get_by_text("Remove Visa ending in 0341").click()
    page.get_by_role("button", name="Remove it").locator("visible=true").click()
    expect(page.get_by_role("heading", name="Visa ending in 0341", exact=True)).to_have_count(0)
    look(page, "14-all-is-paid")


def _reads_the_statement(page: Page) -> None:
    page.goto("/me/statements")
    look(page, "15-statements")
    page.get_by_role("link", name=re.compile("January 2027")).first.click()
    expect(page.get_by_text("$7.20").first).to_be_visible()
    look(page, "16-statement")
    page.emulate_media(media="print")
    keep(page, "17-statement-on-paper")
    page.emulate_media(media="screen")
    address = page.get_by_role("link", name="PDF").get_attribute("href")
    assert address is not None
    assert page.request.get(address).body().startswith(b"%PDF-")
