"""A push message from the charger to a real Chromium: the car is full, our channel encrypts it for the browser, its
service worker shows it, and a tap opens the page.

The push service between them is somebody else's: a server of the test takes what we send, and the browser's own tools
hand it over in the push service's place.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from api.worker import Worker
from billing.notices.contacts import PUSH, add_contact
from tests import receivers
from tests.browser.looking import tab
from tests.integration.page_visits import FULL_AT, Visits, standing, until
from tests.integration.small_world import post

pytestmark = pytest.mark.browser

TAP = """async () => {
    const opened = [];
    self.clients.openWindow = async (url) => { opened.push(url); };  // a real one wants a real finger
    self.clients.matchAll = async () => [];
    const [notification] = await self.registration.getNotifications();
    const tap = new NotificationEvent("notificationclick", { notification });
    self.dispatchEvent(tap);
    await new Promise((done) => setTimeout(done, 50));
    return [opened, (await self.registration.getNotifications()).length];
}"""


def test_a_pushed_message_is_shown_and_opens_the_page(chromium: Browser, visited: Visits, tmp_path: Path) -> None:
    message = _pushed(visited, tmp_path)
    with tab(chromium, visited, "bob") as page:
        page.context.grant_permissions(["notifications"], origin=visited.address)
        page.goto("/me")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        _deliver(page, visited.address, message)
        page.wait_for_function(
            "async () => (await (await navigator.serviceWorker.ready).getNotifications()).length === 1"
        )
        shown = page.evaluate(
            """async () => (await (await navigator.serviceWorker.ready).getNotifications())
                .map(one => [one.title, one.body.split("\\n")[0]])"""
        )
        assert shown == [
            ["Your car is full: move it by 09:35", "Your car is full. Move it by 09:35 and you pay nothing."]
        ]
        (worker,) = page.context.service_workers
        assert worker.evaluate(TAP) == [[f"{visited.address}/me"], 0]


def _pushed(visited: Visits, outbox: Path) -> str:
    """What a push service receives when Bob's car is full, as his browser decrypts it."""
    settings = visited.app.settings
    settings.base_url, settings.outbox, settings.reachable_networks = visited.address, outbox, "127.0.0.0/8"
    browser = receivers.Browser()
    with receivers.http_server() as service:
        with visited.app.writing() as connection:
            details = browser.subscription(service.url("/send/abc"))
            add_contact(connection, "bob", PUSH, "this browser", details, visited.clock.now())
        until(visited, FULL_AT + 1)
        post(visited.app, standing("s", token="BOB"))
        with ThreadPoolExecutor(1) as thread:  # Playwright keeps an event loop of its own in this one
            thread.submit(Worker(visited.app).run_due).result()
        (sent,) = service.requests
    return json.dumps(browser.reads(sent.body))


def _deliver(page: Page, address: str, message: str) -> None:
    """Through the browser's own tools, to the service worker of that address."""
    tools = page.context.new_cdp_session(page)
    registrations: list[str] = []
    tools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: registrations.extend(one["registrationId"] for one in told["registrations"]),
    )
    tools.send("ServiceWorker.enable")
    for _ in range(50):
        if registrations:
            break
        page.wait_for_timeout(20)
    (registration,) = set(registrations)
    delivered = {"origin": address, "registrationId": registration, "data": message}
    tools.send("ServiceWorker.deliverPushMessage", delivered)
