"""What an owner keeps and what everybody may read, in a real Chromium on a phone and a desk: history, report, receipt,
prices, incidents. Each is looked at by axe, fits its screen, and stays small.
"""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from billing import decisions
from tests.browser.test_pages_in_a_browser import DESK, PHONE, chromium, tab, visited
from tests.integration.page_visits import Visits, until
from tests.integration.small_world import NOON, a_session, post

__all__ = ["chromium", "visited"]  # fixtures of the other room

pytestmark = pytest.mark.browser

LARGEST_PAGE_BYTES = 100_000
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def past(visited: Visits) -> None:
    """A session with a fee that was partly waived, one without, and an excuse."""
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "s"), a_session("m1", "free", idle_s=60))
    with visited.app.writing() as connection:
        now = visited.clock.now()
        key = decisions.session_key(connection, "h1/s")
        decisions.waive(connection, key, 50, author="support:x", reason="the app was down", now=now)
        decisions.excuse(connection, "market", NOON, NOON + 60, author="operator:x", reason="road works", now=now)


def sound(page: Page, width_px: int) -> None:
    """Nothing for axe to find, nothing beyond the edge, and under the limit."""
    found = Axe().run(page, options=WCAG)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px, page.url
    assert len(page.content().encode()) < LARGEST_PAGE_BYTES, page.url


@pytest.mark.parametrize(("size", "dark"), [(PHONE, True), (DESK, False)])
def test_an_owner_goes_from_the_history_to_the_receipt(
    chromium: Browser, visited: Visits, size: tuple[int, int], dark: bool
) -> None:
    past(visited)
    with tab(chromium, visited, "ann", size, dark=dark) as page:
        page.goto("/me/history")
        page.get_by_label("Outcome").select_option("With a fee")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("article")).to_have_count(1)
        page.get_by_text("How we counted").click()
        expect(page.get_by_role("cell", name="Charge complete")).to_be_visible()
        sound(page, size[0])
        page.get_by_role("link", name="Fee report").click()
        expect(page.locator(".big")).to_have_text("$1.50")
        expect(page.get_by_role("cell", name="Used").first).not_to_be_visible()
        page.get_by_text("4 messages of the station").click()
        expect(page.get_by_role("cell", name="Used").first).to_be_visible()
        sound(page, size[0])
        page.get_by_role("link", name="Receipt").click()
        expect(page.get_by_text("This receipt corrects the one before")).to_be_visible()
        sound(page, size[0])
        page.emulate_media(media="print")
        expect(page.locator("header.top")).not_to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(20, 24, 27)"
        page.emulate_media(media="screen")
        page.get_by_role("link", name=re.compile("tariff standard")).click()
        expect(page.get_by_text("Then $0.40 a minute until you unplug.")).to_be_visible()


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), (DESK, True)])
def test_everybody_reads_prices_and_incidents_without_script(
    chromium: Browser, visited: Visits, size: tuple[int, int], dark: bool
) -> None:
    past(visited)
    with tab(chromium, visited, "", size, dark=dark) as page:
        for path in ("/prices", "/p/harbour", "/incidents", "/tariffs/standard/1"):
            page.goto(path)
            sound(page, size[0])
    with tab(chromium, visited, "", size, dark=dark, script=False) as page:
        page.goto("/")
        page.get_by_role("link", name="Prices").click()
        page.get_by_role("link", name="Harbour").click()
        expect(page.get_by_text("You pay $4.80 for 12 minutes after the grace period.")).to_be_visible()
        page.get_by_role("link", name="Incidents").click()
        expect(page.get_by_text("road works")).to_be_visible()
