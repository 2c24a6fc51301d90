"""How the tests look at a page: a window of somebody, what must be true of every page, and the pictures that are kept.
No tests here.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from tests.integration.page_visits import Visits

PHONE, SMALL_PHONE, DESK = (390, 844), (320, 640), (1280, 800)
TOUCH_PX = 44
LARGEST_PAGE_BYTES = 100_000
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"


@contextmanager
def tab(
    chromium: Browser,
    visited: Visits,
    who: str = "",
    size: tuple[int, int] = PHONE,
    *,
    dark: bool = False,
    script: bool = True,
    broken: str | None = None,
    processor: str | None = None,
) -> Iterator[Page]:
    """A window of `who`, signed in; fails if a page asked anybody else for anything, broke a rule of its policy or
    complained. `broken` is what the test itself keeps from arriving; `processor` the address of the one other host
    there is: the card processor's own pages, where owners are led to and come back from.
    """
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        base_url=visited.address,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    asked: list[str] = []
    opened: set[str] = set()  # a page that answers 404 was asked for; a part of one was not
    complaints: list[tuple[str, str]] = []

    def requested(one: Request) -> None:
        asked.append(one.url)
        if one.is_navigation_request():
            opened.add(one.url)

    def said(one: ConsoleMessage) -> None:
        if one.type in {"error", "warning"}:
            complaints.append((one.location["url"], one.text))

    context.on("request", requested)
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(("", str(error))))
    if who:
        page.goto(f"/sign-in?key={visited.links[who]}")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "sign-in" not in url)
    try:
        yield page
        assert not [one for one in complaints if one[0] not in opened and not (broken and broken in one[0])]
        assert not [url for url in asked if not url.startswith((visited.address, processor or visited.address))]
    finally:
        context.close()


def look(page: Page, picture: str | None = None) -> None:
    """Nothing for axe to find, nothing beyond the edge, on the smallest phone either, every target large enough for a
    thumb, and light. With everything unfolded, once the picture is taken.
    """
    if picture:
        keep(page, picture)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = Axe().run(page, options=WCAG)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    fits(page)
    small = page.evaluate(
        """least => [...document.querySelectorAll(
                'button, .button, nav a, summary, input:not([type=checkbox], [type=radio]), select,' +
                'label.tick, label:has([type=radio]), .check, .more')]
            .filter(one => one.offsetParent && one.type !== 'hidden')
            .filter(one => Math.round(one.getBoundingClientRect().height) < least)
            .map(one => one.outerHTML)""",
        TOUCH_PX,
    )
    assert not small, f"{page.url}: {small}"
    weight = page.evaluate(
        """['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
            .reduce((sum, one) => sum + one.decodedBodySize, 0)"""
    )
    assert 1_000 < weight < LARGEST_PAGE_BYTES, f"{page.url}: {weight}"


def fits(page: Page) -> None:
    """At its size and on the smallest phone."""
    size = page.viewport_size
    assert size is not None
    for width, height in ((size["width"], size["height"]), SMALL_PHONE):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{page.url} at {width}"
    page.set_viewport_size(size)


def keep(page: Page, picture: str) -> None:
    """A picture for whoever wants to see what the tests saw: build/screenshots/<test>/<picture>.png."""
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].removesuffix(" (call)")
    folder = SCREENSHOTS / re.sub(r"[^\w-]+", "-", test.removeprefix("test_")).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{picture}.png", full_page=True, animations="disabled")
