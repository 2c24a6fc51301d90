"""The pages in a real Chromium, driven as people use them: clocks that run, phones, the dark, tables, no script.

Skipped where no Chromium is installed: none is downloaded.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits
from tests.integration.small_world import NOON, a_session, post

pytestmark = pytest.mark.browser

PHONE, SMALL_PHONE, DESK = (375, 812), (320, 640), (1280, 800)
TOUCH_PX = 44
PAGES = [
    ("", "/"),
    ("ann", "/me"),
    ("ann", "/sessions/h1/s"),
    ("ann", "/nowhere"),
    ("finance", "/books"),
    ("finance", "/books/waiting/unclaimed"),
    ("finance", "/books/entries?seller=acme&currency=USD&account=receivable"),
    ("operator", "/operations"),
    ("operator", "/sessions/h2/past"),
    ("support", "/support?q=past"),
]


def installed_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = installed_chromium()
    if path is None:
        pytest.skip("no Chromium is installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


@contextmanager
def tab(
    chromium: Browser,
    visited: Visits,
    who: str = "",
    size: tuple[int, int] = PHONE,
    *,
    dark: bool = False,
    script: bool = True,
) -> Iterator[Page]:
    """A window of `who`, signed in; fails if a page asked anybody else for anything or broke a rule of its policy."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        base_url=visited.address,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
    if who:
        page.goto(f"/sign-in?key={visited.links[who]}")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "sign-in" not in url)
    try:
        yield page
        assert not faults
        assert not [url for url in asked if not url.startswith(visited.address)]
    finally:
        context.close()


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
        post(visited.app, [event("unplugged", FULL_AT + 420, "s")])
        expect(page.locator(".stall").first).to_contain_text("Free", timeout=8000)
        expect(page.locator(".stall svg")).to_have_count(0, timeout=10_000)


def test_without_script_the_page_says_it_all(chromium: Browser, visited: Visits) -> None:
    busy(visited)
    with tab(chromium, visited, size=PHONE, script=False) as page:
        page.goto("/")
        expect(page.locator(".stall").first).to_contain_text("Idle fee")
        expect(page.locator(".stall .clock").first).to_have_text("5:00")


# -- every page, on every screen ----------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "dark"), [(SMALL_PHONE, False), (PHONE, True), (DESK, False)])
def test_every_page_fits_its_screen(chromium: Browser, visited: Visits, size: tuple[int, int], dark: bool) -> None:
    busy(visited)
    for who in sorted({who for who, _ in PAGES}):
        with tab(chromium, visited, who, size, dark=dark) as page:
            for path in [path for whose, path in PAGES if whose == who]:
                page.goto(path)
                assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
                small = page.evaluate(
                    """least => [...document.querySelectorAll('button, .button, nav a, summary, input, select')]
                        .filter(one => one.offsetParent && one.type !== 'hidden')
                        .filter(one => Math.round(one.getBoundingClientRect().height) < least)
                        .map(one => one.outerHTML)""",
                    TOUCH_PX,
                )
                assert not small, f"{path}: {small}"


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
