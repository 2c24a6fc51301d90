"""One evening of one owner, from the prices to the receipt, in a real Chromium: on a phone and a desk, in the light and
in the dark. Every page of the way is looked at, and its picture is kept in build/screenshots.
"""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from api.access.keys import Role, issue
from api.worker import Worker
from tests.browser.looking import DESK, PHONE, keep, look, tab
from tests.integration.page_visits import FULL_AT, Visits, event, until, visits
from tests.integration.small_world import NOON

pytestmark = pytest.mark.browser

SOON_MS = 10_000


class Evening:
    """The product, the station at the stall, and the mail that Bob finds."""

    def __init__(self, visited: Visits, outbox: Path) -> None:
        self.visited = visited
        self.outbox = visited.app.settings.outbox = outbox
        visited.app.settings.base_url = visited.address
        with visited.app.writing() as connection:
            issued = issue(connection, Role.STATION, label="h1", now=NOON, station_id="h1")
        self._key = {"Authorization": f"Bearer {issued.text}"}

    def reports(self, kind: str, at: int, **more: str) -> None:
        """The station says what happens at that moment, over HTTP; a second later the worker does what is due."""
        until(self.visited, at)
        one = event(kind, at, "s", **more)
        answer = httpx2.post(f"{self.visited.address}/v1/events", json=one, headers=self._key)
        assert answer.json()["results"][0]["status"] == "accepted", answer.text
        self.works(at + 1)

    def works(self, at: int | None = None) -> None:
        if at is not None:
            until(self.visited, at)
        Worker(self.visited.app).run_due()

    def mailed_link(self) -> str:
        self.works()
        (mail,) = self.outbox.glob("*.eml")
        found = re.search(r"https?://\S+", message_from_bytes(mail.read_bytes(), policy=policy.default).get_content())
        assert found is not None
        return found[0]


@pytest.fixture
def evening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Evening]:
    with visits(request.getfixturevalue(request.param)) as visited:
        yield Evening(visited, tmp_path)


@pytest.mark.parametrize(
    ("evening", "size", "dark"),
    [
        pytest.param("sqlite_url", PHONE, False, id="phone-light"),
        pytest.param("postgres_url", PHONE, True, id="phone-dark"),
        pytest.param("sqlite_url", DESK, False, id="desk-light"),
        pytest.param("sqlite_url", DESK, True, id="desk-dark"),
    ],
    indirect=["evening"],
)
def test_an_evening(chromium: Browser, evening: Evening, size: tuple[int, int], dark: bool) -> None:
    with tab(chromium, evening.visited, "", size, dark=dark) as page:
        _reads_the_price(page)
        _signs_in(page, evening)
        _charges(page, evening)
        _stays_too_long(page, evening)
        _leaves(page, evening)
        _keeps_the_receipt(page)
        _looks_after_the_account(page)


def _reads_the_price(page: Page) -> None:
    page.goto("/")
    look(page, "01-stalls-of-a-new-site")
    page.get_by_role("link", name="Prices").click()
    look(page, "02-prices")
    page.get_by_role("link", name="Harbour").click()
    expect(page.get_by_text("Then $0.40 a minute until you unplug.")).to_be_visible()
    look(page, "03-prices-of-the-site")


def _signs_in(page: Page, evening: Evening) -> None:
    page.goto("/me")
    look(page, "04-sign-in-first")
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill("bob@example.com")
    look(page, "05-sign-in")
    page.get_by_role("button", name="Send me a link").click()
    look(page, "06-look-into-your-mail")
    page.goto(evening.mailed_link())
    look(page, "07-the-link")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="No session is running")).to_be_visible()
    look(page, "08-nothing-runs")


def _charges(page: Page, evening: Evening) -> None:
    evening.reports("plugged_in", NOON, token="BOB")
    expect(page.locator(".say")).to_have_text("Your car is plugged in. Nothing to pay.", timeout=SOON_MS)
    evening.reports("charging_started", NOON + 10)
    evening.works(NOON + 900)
    expect(page.locator(".say")).to_have_text("Your car is charging. Nothing to pay.", timeout=SOON_MS)
    look(page, "09-charging")


def _stays_too_long(page: Page, evening: Evening) -> None:
    evening.reports("charge_complete", FULL_AT)
    expect(page.locator(".say")).to_contain_text("Move it by 09:35 and you pay nothing.", timeout=SOON_MS)
    expect(page.locator(".big .clock")).to_have_text(re.compile(r"4:5\d"), timeout=SOON_MS)
    look(page, "10-grace")
    page.get_by_role("link", name=re.compile("new notice")).click()
    expect(page.locator(".inbox .new").first).to_contain_text("Your car is full")
    look(page, "11-told-that-it-is-full")
    page.get_by_role("link", name="Now").click()
    evening.works(FULL_AT + 240)
    evening.works(FULL_AT + 300)
    evening.works(FULL_AT + 425)
    expect(page.locator(".big")).to_have_text("$0.80", timeout=SOON_MS)
    expect(page.locator(".say")).to_contain_text("The idle fee is running: $0.40 a minute since 09:35.")
    look(page, "12-the-fee-runs")
    page.get_by_role("link", name="See how we count").click()
    look(page, "13-how-we-count-while-it-runs")
    page.goto("/")
    expect(page.locator(".stall").first).to_contain_text("$0.80")
    look(page, "14-stalls")
    page.goto("/me")


def _leaves(page: Page, evening: Evening) -> None:
    evening.reports("unplugged", FULL_AT + 480)
    expect(page.get_by_role("heading", name="Your last session")).to_be_visible(timeout=SOON_MS)
    evening.works(FULL_AT + 600)
    page.reload()
    expect(page.get_by_text("You pay $1.20 for 3 minutes after the grace period.")).to_be_visible()
    look(page, "15-the-last-session")
    page.goto("/me/notices")
    expect(page.get_by_text("You pay $1.20").first).to_be_visible()
    look(page, "16-every-notice")


def _keeps_the_receipt(page: Page) -> None:
    page.get_by_role("link", name="History").click()
    look(page, "17-history")
    page.get_by_role("link", name="Fee report").click()
    expect(page.locator(".big")).to_have_text("$1.20")
    look(page, "18-fee-report")
    page.get_by_role("link", name="Receipt").click()
    expect(page.get_by_role("row", name="Total")).to_contain_text("$1.20")
    look(page, "19-receipt")
    page.emulate_media(media="print")
    expect(page.locator("header.top")).not_to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(20, 24, 27)"
    keep(page, "20-receipt-on-paper")
    page.emulate_media(media="screen")
    address = page.get_by_role("link", name="As PDF").get_attribute("href")
    assert address is not None
    assert page.request.get(address).body().startswith(b"%PDF-")
    page.get_by_role("link", name=re.compile("tariff standard")).click()
    expect(page.get_by_text("Then $0.40 a minute until you unplug.")).to_be_visible()
    look(page, "21-the-tariff")


def _looks_after_the_account(page: Page) -> None:
    page.get_by_role("link", name="Vehicles").click()
    look(page, "22-vehicles")
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_text("You owe Acme $1.20.")).to_be_visible()
    look(page, "23-account")
    for number, path in enumerate(("preferences", "statements", "statements/2027-01", "delete"), start=24):
        page.goto(f"/me/{path}")
        look(page, f"{number}-{path.replace('/', '-')}")
    page.goto("/me/preferences")
    page.get_by_label("Of what we write to you").select_option("de")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
