"""An owner on their phone, in a real Chromium: the clock through grace into the fee, a lost line, vehicles, what
reaches them where, leaving. Each page is looked at by axe, in the light and in the dark.
"""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from api.worker import Worker
from tests.browser.test_pages_in_a_browser import DESK, PHONE, SMALL_PHONE, chromium, tab
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits
from tests.integration.small_world import NOON, a_session, post

__all__ = ["chromium"]  # a fixture of the other room

pytestmark = pytest.mark.browser

PAGES = (
    *("/me", "/me/notices", "/me/vehicles", "/me/account", "/me/preferences"),
    *("/me/statements", "/me/statements/2027-01", "/me/delete"),
)
LARGEST_PAGE_BYTES = 100_000
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.fixture
def visited(sqlite_url: str) -> Iterator[Visits]:
    """The integration tests ask both databases; here the browser is what is looked at."""
    with visits(sqlite_url) as found:
        yield found


def sound(page: Page, width_px: int) -> None:
    found = Axe().run(page, options=WCAG)
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px, page.url


def lived_in(visited: Visits) -> None:
    """A car that stands full, a session of the day before, notices of both, a vehicle."""
    until(visited, NOON - 3000)
    post(visited.app, a_session("h2", "past", at=NOON - 9000))
    visited.send("ann", "/me/vehicles", "/me/vehicles", name="Blue hatchback", plate="B AB 123")
    visited.send("ann", "/me/preferences", "/me/webhooks", 200, url="https://example.com/hook", label="Garage door")
    until(visited, FULL_AT + 60)
    post(visited.app, standing("s"))
    Worker(visited.app, channels=[]).run_due()


@pytest.mark.parametrize(("size", "dark"), [(SMALL_PHONE, True), (PHONE, False), (DESK, True)])
def test_every_page_of_an_owner_is_sound_fits_and_is_light(
    chromium: Browser, visited: Visits, size: tuple[int, int], dark: bool
) -> None:
    lived_in(visited)
    with tab(chromium, visited, "ann", size, dark=dark) as page:
        loaded: list[int] = []
        page.on("response", lambda answer: loaded.append(int(answer.headers.get("content-length", 0))))
        for path in PAGES:
            loaded.clear()
            page.goto(path)
            for summary in page.locator("summary").all():
                if summary.is_visible() and not summary.evaluate("one => one.parentElement.open"):
                    summary.click()
            sound(page, size[0])
            assert sum(loaded) < LARGEST_PAGE_BYTES, path
            small = page.evaluate(
                """wanted => [...document.querySelectorAll(wanted)]
                    .filter(one => one.offsetParent && one.getBoundingClientRect().height < 43.5)
                    .map(one => one.outerHTML)""",
                "button, .button, nav a, summary, select, label.tick, .check, .more",
            )
            assert not small, f"{path}: {small}"


def test_at_twice_the_letters_nothing_is_cut_off(chromium: Browser, visited: Visits) -> None:
    lived_in(visited)
    with tab(chromium, visited, "ann", (640, 900)) as page:
        for path in PAGES:
            page.goto(path)
            page.evaluate("document.documentElement.style.zoom = '2'")
            assert page.evaluate("document.body.scrollWidth <= innerWidth"), path


def test_the_clock_goes_from_grace_to_the_fee_and_is_read_aloud_only_when_the_sentence_changes(
    chromium: Browser, visited: Visits
) -> None:
    until(visited, FULL_AT + 290)
    post(visited.app, standing("s"))
    with tab(chromium, visited, "ann") as page:
        expect(page.get_by_text("After that the idle fee is $0.40 a minute.")).to_be_visible()
        expect(page.locator(".big .clock")).to_have_text(re.compile(r"0:0\d"))
        page.wait_for_timeout(2500)
        expect(page.locator("p.unseen[role=status]")).to_be_empty()  # the clock ran; nothing was said
        until(visited, FULL_AT + 361)
        expect(page.locator(".big")).to_have_text("$0.40", timeout=8000)
        expect(page.locator("p.unseen[role=status]")).to_contain_text("The idle fee is running: $0.40 a minute")
        post(visited.app, [event("unplugged", FULL_AT + 361, "s")])
        expect(page.get_by_role("heading", name="Your last session")).to_be_visible(timeout=8000)


def test_a_page_that_was_refused_its_news_comes_again_by_itself(chromium: Browser, visited: Visits) -> None:
    """A browser gives up on a stream that was answered with an error; a phone in a garage must not."""
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    with tab(chromium, visited, "ann") as page:
        page.route("**/live/me", lambda route: route.fulfill(status=503, body=""), times=1)
        page.goto("/me")
        until(visited, FULL_AT + 600)
        expect(page.locator(".big")).to_have_text("$2.00", timeout=15_000)
        expect(page.locator("#stale")).to_be_hidden()


def test_a_page_without_a_line_says_so_and_catches_up(chromium: Browser, visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    with tab(chromium, visited, "ann") as page:
        page.clock.install()
        page.route("**/live/me", lambda route: route.abort())
        page.goto("/me")
        page.clock.run_for(30_000)
        expect(page.locator("#stale")).to_contain_text("We have lost the connection.")
        page.unroute("**/live/me")
        page.evaluate("dispatchEvent(new Event('online'))")
        page.clock.resume()
        expect(page.locator("#stale")).to_be_hidden(timeout=15_000)


def test_a_vehicle_is_added_named_and_removed_by_hand_and_without_a_script(chromium: Browser, visited: Visits) -> None:
    with tab(chromium, visited, "ann") as page:
        state = page.context.storage_state()
    context = chromium.new_context(java_script_enabled=False, storage_state=state, base_url=visited.address)
    page = context.new_page()
    page.goto("/me/vehicles")
    page.get_by_label("Name").fill("Van")
    page.get_by_label("Plate").fill("B AB 12345678901234")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("A plate has at most 16 letters and digits.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Van")
    page.get_by_label("Plate").fill("B AB 123")
    page.get_by_role("button", name="Add").click()
    page.get_by_text("Change Van").click()
    page.get_by_label("Name").first.fill("Bus")
    page.get_by_label("Card or Autocharge id").first.select_option("ANN")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Known to chargers by ANN.")).to_be_visible()
    page.get_by_text("Remove Bus").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("None yet. With its plate")).to_be_visible()
    context.close()


def test_what_reaches_whom_is_chosen_and_kept(chromium: Browser, visited: Visits) -> None:
    with tab(chromium, visited, "bob") as page:
        page.goto("/me/preferences")
        page.get_by_label("The fee goes on, by e-mail").uncheck()
        page.get_by_label("From").fill("22:00")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Nothing was changed: see below.")).to_be_visible()
        page.get_by_label("To", exact=True).fill("07:00")
        page.get_by_label("The fee goes on, by e-mail").uncheck()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        expect(page.get_by_label("The fee goes on, by e-mail")).not_to_be_checked()
        expect(page.get_by_label("The car is full, by e-mail")).to_be_checked()
        expect(page.get_by_label("From")).to_have_value("22:00")


def test_push_is_offered_and_a_refusal_is_told_plainly(chromium: Browser, visited: Visits) -> None:
    with tab(chromium, visited, "ann") as page:
        page.goto("/me")
        offered = page.locator("[data-push]")
        expect(offered).to_contain_text(re.compile("Be told on this device|was told not to show"))
        page.add_init_script("Notification.requestPermission = async () => 'denied'")
        page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'default' })")
        page.reload()
        page.get_by_role("button", name="Turn on messages").click()
        expect(offered).to_contain_text("Allow them in its settings for this site")
        page.add_init_script("delete window.PushManager")
        page.reload()
        expect(offered).to_contain_text("This browser cannot show push messages.")


def test_leaving_takes_two_steps_and_signs_out(chromium: Browser, visited: Visits) -> None:
    with tab(chromium, visited, "bob") as page:
        page.goto("/me/account")
        page.get_by_role("link", name="Delete this account").click()
        page.get_by_label("I know that nobody can undo this.").check()
        page.get_by_role("button", name="Delete my account").click()
        expect(page.get_by_role("heading", name="Your account is deleted")).to_be_visible()
        page.goto("/me")
        expect(page.get_by_role("heading", name="Sign in to see this page")).to_be_visible()
