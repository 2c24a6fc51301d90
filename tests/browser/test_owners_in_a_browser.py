"""An owner on their phone, in a real Chromium: the clock through grace into the fee, a lost line, vehicles, what
reaches them where, leaving; German, yen, and names that are long.
"""

import re

import pytest
from playwright.sync_api import Browser, expect

from api.worker import Worker
from billing.assignments import add_version, assign
from billing.owners import set_language
from billing.tariffs import Tariff
from sessions.sites import add_site, add_station
from tests.browser.looking import SMALL_PHONE, keep, look, tab
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until
from tests.integration.small_world import NOON, a_session, post

pytestmark = pytest.mark.browser

PLACE = "Parkhaus am Donaudampfschifffahrtsgesellschaftsplatz, Ebene 3, Nordseite"
STATION = {"station": "donaudampfschifffahrt-nord-0317", "stall": "Stellplatz 12"}
PAGES = (
    *("/me", "/me/notices", "/me/vehicles", "/me/account", "/me/preferences", "/me/history", "/me/statements/2027-01"),
    f"/sessions/{STATION['station']}/past",
    f"/receipts/{STATION['station']}/past",
    "/",
)


def lived_in(visited: Visits) -> None:
    """Ann reads German; her car stands full at a site with a long name where yen are paid, as it did before; she has a
    vehicle, and a webhook.
    """
    until(visited, NOON - 6000)
    yen = Tariff(name="yen", currency="JPY", rate_minor_per_minute=50)
    with visited.app.writing() as connection:
        add_site(connection, "platz", "acme", PLACE, "Europe/Vienna", NOON - 9000)
        add_station(connection, STATION["station"], "platz", NOON - 9000)
        version = add_version(connection, yen, "test", NOON - 9000)
        assign(connection, "platz", version, author="test", reason="test", now=NOON - 9000)
        set_language(connection, "ann", "de")
    visited.send("ann", "/me/vehicles", "/me/vehicles", name="Großraumfamilienlimousine " * 3, plate="B AB 12345E")
    visited.send("ann", "/me/preferences", "/me/webhooks", 200, url="https://example.com/hook", label="Garagentor")
    past = [{**one, **STATION} for one in a_session("h2", "past", at=NOON - 5400, idle_s=3000)]
    post(visited.app, past)
    Worker(visited.app, channels=[]).run_due()
    until(visited, FULL_AT)
    post(visited.app, standing("s", **STATION))
    for moment in (FULL_AT + 1, FULL_AT + 301, FULL_AT + 1000):
        until(visited, moment)
        Worker(visited.app, channels=[]).run_due()


def test_long_names_german_and_yen_find_room_and_so_do_letters_of_twice_the_size(
    chromium: Browser, visited: Visits
) -> None:
    lived_in(visited)
    with tab(chromium, visited, "ann", SMALL_PHONE) as page:
        for path in PAGES:
            page.goto(path)
            look(page, _named(path))
    with tab(chromium, visited, "ann", (640, 900), dark=True) as page:
        for path in PAGES:
            page.goto(path)
            page.evaluate("document.documentElement.style.zoom = '2'")
            assert page.evaluate("document.body.scrollWidth <= innerWidth"), path
            keep(page, f"twice-{_named(path)}")


def _named(path: str) -> str:
    return path.removesuffix(f"/{STATION['station']}/past").strip("/").replace("/", "-") or "stalls"


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
    with tab(chromium, visited, "ann", broken="/live/me") as page:
        page.route("**/live/me", lambda route: route.fulfill(status=503, body=""), times=1)
        page.goto("/me")
        until(visited, FULL_AT + 600)
        expect(page.locator(".big")).to_have_text("$2.00", timeout=15_000)
        expect(page.locator("#stale")).to_be_hidden()


def test_a_page_without_a_line_says_so_and_catches_up(chromium: Browser, visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    with tab(chromium, visited, "ann", broken="/live/me") as page:
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
        expect(offered.get_by_role("button")).to_be_hidden()
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
