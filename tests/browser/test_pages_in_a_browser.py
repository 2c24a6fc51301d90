"""The pages in a real Chromium, driven as people use them: clocks that run, phones, the dark, tables, no script."""

import re

import pytest
from playwright.sync_api import Browser, expect

from billing import decisions
from tests.browser.looking import DESK, PHONE, look, tab
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until
from tests.integration.small_world import NOON, a_session, post

pytestmark = pytest.mark.browser

PAGES = [
    ("", "/"),
    ("ann", "/nowhere"),
    ("finance", "/books"),
    ("finance", "/books/waiting/unclaimed"),
    ("finance", "/books/entries?seller=acme&currency=USD&account=receivable"),
    ("finance", "/finance"),
    ("finance", "/finance/charges"),
    ("finance", "/finance/charges/h2/past"),
    ("finance", "/finance/queues"),
    ("finance", "/finance/what-if?tariff=waive_completed"),
    ("finance", "/finance/reconciliation"),
    ("finance", "/finance/close"),
    ("finance", "/finance/exports"),
    ("operator", "/operations"),
    ("operator", "/sessions/h2/past"),
    ("support", "/support?q=past"),
    ("support", "/sessions/h1/s"),
]


def busy(visited: Visits) -> None:
    """A full car, a past session of the same owner, one that nobody claims."""
    until(visited, FULL_AT + 600)
    post(visited.app, standing("s"), a_session("m1", "old", at=NOON - 9000, token=None))
    post(visited.app, a_session("h2", "past", at=NOON - 90_000))


# -- clocks and what moves ----------------------------------------------------------------------------------


def test_the_clock_runs_down_by_itself(chromium: Browser, visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    with tab(chromium, visited, "ann") as page:
        expect(page.locator(".big .clock")).to_have_text(re.compile(r"4:3[0-8]"), timeout=8000)
        expect(page.get_by_text("Move it by 09:35 and you pay nothing.")).to_be_visible()


def test_the_open_page_learns_of_the_fee_and_of_the_end(chromium: Browser, visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    with tab(chromium, visited, "ann") as page:
        expect(page.locator(".big")).to_contain_text("4:")
        until(visited, FULL_AT + 600)
        expect(page.locator(".big")).to_have_text("$2.00", timeout=8000)
        expect(page.locator("svg.bar .amount").first).to_have_text("$2.00", timeout=10_000)
        post(visited.app, [event("unplugged", FULL_AT + 660, "s")])
        expect(page.get_by_role("heading", name="No session is running")).to_be_visible(timeout=8000)
        expect(page.get_by_text("You pay $2.40 for 6 minutes after the grace period.")).to_be_visible()


def test_the_front_page_moves_for_everybody(chromium: Browser, visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    with tab(chromium, visited) as page:
        page.goto("/")
        expect(page.locator(".stall").first).to_contain_text("Grace")
        until(visited, FULL_AT + 420)
        expect(page.locator(".stall").first).to_contain_text("$0.80", timeout=8000)
        expect(page.locator("#counts")).to_have_text("1 idle fee")
        post(visited.app, [event("unplugged", FULL_AT + 420, "s")])
        until(visited, FULL_AT + 421)
        expect(page.locator(".stall").first).to_contain_text("Free", timeout=8000)
        expect(page.locator(".stall svg")).to_have_count(0, timeout=10_000)


def test_without_script_the_page_says_it_all(chromium: Browser, visited: Visits) -> None:
    busy(visited)
    with tab(chromium, visited, size=PHONE, script=False) as page:
        page.goto("/")
        expect(page.locator(".stall").first).to_contain_text("Idle fee")
        expect(page.locator(".stall .clock").first).to_have_text("5:00")


# -- every page, on every screen ----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "dark"), [(PHONE, True), (DESK, False)], ids=["phone-dark", "desk-light"])
def test_the_pages_of_staff(chromium: Browser, visited: Visits, size: tuple[int, int], dark: bool) -> None:
    busy(visited)
    for who in dict(PAGES):
        with tab(chromium, visited, who, size, dark=dark) as page:
            for path in [path for whose, path in PAGES if whose == who]:
                page.goto(path)
                look(page, f"{who or 'anybody'}{re.sub(r'[^a-z]+', '-', path)}".rstrip("-"))


def test_everybody_reads_prices_and_incidents_without_script(chromium: Browser, visited: Visits) -> None:
    busy(visited)
    with visited.app.writing() as connection:
        now = visited.clock.now()
        decisions.excuse(connection, "market", NOON, NOON + 60, author="operator:x", reason="road works", now=now)
    with tab(chromium, visited, script=False) as page:
        page.goto("/")
        page.get_by_role("link", name="Prices").click()
        page.get_by_role("link", name="Harbour").click()
        expect(page.get_by_text("You pay $4.80 for 12 minutes after the grace period.")).to_be_visible()
        page.get_by_role("link", name="Incidents").click()
        expect(page.get_by_text("road works")).to_be_visible()
    with tab(chromium, visited) as page:
        page.goto("/incidents")
        look(page, "incidents")


def test_the_dark_is_dark_and_the_light_is_light(chromium: Browser, visited: Visits) -> None:
    busy(visited)
    found = {}
    for dark in (False, True):
        with tab(chromium, visited, dark=dark) as page:
            page.goto("/")
            found[dark] = page.evaluate(
                "[getComputedStyle(document.body).backgroundColor,"
                " getComputedStyle(document.querySelector('.state-idle')).color]"
            )
    assert found == {
        False: ["rgb(250, 250, 247)", "rgb(179, 38, 30)"],
        True: ["rgb(15, 18, 20)", "rgb(255, 138, 127)"],
    }


# -- what people do -----------------------------------------------------------------------------------------


def test_keys_move_through_the_charges_and_can_be_switched_off(chromium: Browser, visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, *[a_session("h1", name, at=NOON + at) for at, name in enumerate("abc")])
    with tab(chromium, visited, "finance", DESK) as page:
        page.goto("/finance/charges")
        page.keyboard.press("j")
        page.keyboard.press("j")
        expect(page.locator("tbody tr:nth-child(2) td:first-child a")).to_be_focused()
        page.keyboard.press("k")
        page.keyboard.press("/")
        expect(page.get_by_label("Seller")).to_be_focused()
        page.get_by_role("button", name="Keys are on").click()
        page.keyboard.press("j")
        expect(page.get_by_role("button", name="Keys are off")).to_be_focused()
        page.get_by_label("Owner").fill("ann")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("tfoot")).to_contain_text("3 charges")
        page.locator("tbody a").first.click()
        expect(page.get_by_role("heading", name="What happened")).to_be_visible()


def test_a_table_sorts_filters_and_copies(chromium: Browser, visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(
        visited.app, *[a_session("h1", name, idle_s=s, token=None) for name, s in (("a", 900), ("b", 600), ("c", 1200))]
    )
    with tab(chromium, visited, "finance", DESK) as page:
        page.goto("/books/waiting/unclaimed")
        sessions = page.locator("tbody tr td:first-child")
        page.get_by_role("button", name="Posted").click()
        expect(sessions).to_have_text(["h1/b", "h1/a", "h1/c"])
        page.get_by_role("button", name="Posted").click()
        expect(sessions).to_have_text(["h1/c", "h1/a", "h1/b"])
        page.get_by_label("Filter sessions").fill("h1/a")
        expect(page.locator("tbody tr:visible")).to_have_count(1)
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert "h1/a" in copied
        assert "h1/b" not in copied


def test_support_finds_explains_and_waives(chromium: Browser, visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    with tab(chromium, visited, "support", DESK) as page:
        page.goto("/support")
        page.get_by_label("Token, plate, owner or session").fill("ANN")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name="h1/anns").click()
        page.get_by_label("Amount in USD").fill("2.00")
        page.get_by_label("Reason").fill("the app was down")
        page.get_by_role("button", name="Waive").click()
        expect(page.get_by_text("$2.00 of the fee was waived. You pay $0.00.")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        page.goto("/support")
        expect(page.get_by_role("heading", name="Sign in to see this page")).to_be_visible()


def test_the_keyboard_reaches_the_content_first(chromium: Browser, visited: Visits) -> None:
    busy(visited)
    with tab(chromium, visited, "operator", DESK) as page:
        page.goto("/operations")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
