"""`python -m tests.docs.pictures`: takes the pictures of docs/images from the pages of a running demo. No tests here.

Run it when a page has changed, look at what it made, and commit that. It needs an installed Chromium. The demo is
invented from end to end: nobody is in these pictures.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, FloatRect, Locator, sync_playwright

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
DEMO = (sys.executable, "-c", "import sys; from api.cli import main; sys.exit(main(['demo', '--port', '0']))")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MARGIN = 16
SETTLED_MS = 1_000  # by then the live pages have had their first news


class Picture(NamedTuple):
    """What one shows: the top of a page, or of the one that `follow` leads to; or its section with that heading."""

    name: str
    role: str
    path: str
    width: int
    height: int
    follow: str | None = None
    section: str | None = None


PICTURES = (
    Picture("fee-report", "owner", "/sessions/{fault}", 820, 785),
    Picture("stalls", "operator", "/", 1000, 610),
    Picture("stations", "operator", "/operations", 1000, 600, follow="#review a", section="Evidence"),
    Picture("owners", "owner", "/me", 620, 470),
    Picture("finance", "finance", "/finance", 820, 740),
    Picture("operators", "operator", "/operations", 820, 570),
)


@contextmanager
def demo() -> Iterator[str]:
    """A demo while the block runs; gives what it printed when its doors opened."""
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        printed = ""
        for line in running.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        try:
            yield printed
        finally:
            running.terminate()


def named(pattern: str, text: str) -> str:
    """The first group of the first match; without one there is no picture."""
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise SystemExit(f"nothing like {pattern} in:\n{text}")
    return match[1]


def take(browser: Browser, picture: Picture, printed: str) -> None:
    """Sign in by the printed link, as anybody would, and look."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height}, color_scheme="light", reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(named(rf"^    {picture.role}\b.*?(http://\S+)$", printed))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto(named(r"^  (http://\S+)$", printed) + picture.path.format(fault=named(r"explain (\S+)", printed)))
    if picture.follow:
        page.locator(picture.follow).first.click()
    page.wait_for_timeout(SETTLED_MS)
    clip = _around(page.locator("section", has_text=picture.section).first) if picture.section else None
    page.screenshot(path=IMAGES / f"{picture.name}.png", animations="disabled", clip=clip, full_page=clip is not None)
    context.close()


def _around(section: Locator) -> FloatRect:
    """Where a section is on its page, with a margin."""
    box = section.bounding_box()
    assert box is not None, "it is not to be seen"
    return {
        "x": box["x"] - MARGIN,
        "y": box["y"] - MARGIN,
        "width": box["width"] + 2 * MARGIN,
        "height": box["height"] + 2 * MARGIN,
    }


def main() -> None:
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        raise SystemExit("the pictures need Chromium: install it (Debian: apt install chromium)")
    IMAGES.mkdir(exist_ok=True)
    with demo() as printed, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for picture in PICTURES:
            take(browser, picture, printed)
        browser.close()


if __name__ == "__main__":
    main()
