"""The browser that these tests share, and the pages they look at.

Skipped where no Chromium is installed: none is downloaded. The integration tests ask both databases; here the browser
is what is looked at, so SQLite will do.
"""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.integration.page_visits import Visits, visits


def installed_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = installed_chromium()
    if path is None:
        pytest.skip("no Chromium is installed: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visited(sqlite_url: str) -> Iterator[Visits]:
    with visits(sqlite_url) as found:
        yield found
