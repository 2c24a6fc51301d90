"""An owner's own pages as they are read and used: now, notices, vehicles, account, preferences. With a real server."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from api.worker import Worker
from billing.notices import unread
from billing.notices.preferences import preferences_of
from billing.owners import give_token, tokens_of, vehicles_of
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits, words_of
from tests.integration.small_world import NOON, a_session, post


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


# -- now ----------------------------------------------------------------------------------------------------


def test_a_full_car_reads_until_when_it_may_stay(visited: Visits) -> None:
    until(visited, NOON + 600)
    post(visited.app, standing("s")[:2])
    page = visited.read("ann", "/me")
    assert "Charging 10:00 since you plugged in, at 09:00 Your car is charging. Nothing to pay." in page
    assert "When it is full you have 5 minutes to move it; then the idle fee is $0.40 a minute." in page
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s")[2:])
    page = visited.read("ann", "/me")
    assert (
        "Grace 4:40 Your car is full. Move it by 09:35 and you pay nothing. After that the idle fee is $0.40 a minute."
        in page
    )
    until(visited, FULL_AT + 600)
    page = visited.read("ann", "/me")
    assert (
        "Idle fee $2.00 The idle fee is running: $0.40 a minute since 09:35. $2.00 so far. It runs until you unplug."
        in page
    )
    assert "The fee has run for 5:00." in page


def test_the_page_and_the_letter_name_the_same_time(visited: Visits) -> None:
    until(visited, FULL_AT + 5)
    post(visited.app, standing("s"))
    Worker(visited.app, channels=[]).run_due()
    for page in ("/me", "/me/notices"):
        assert "Move it by 09:35 and you pay nothing." in visited.read("ann", page)


def test_two_cars_have_a_clock_each(visited: Visits) -> None:
    until(visited, FULL_AT + 60)
    post(visited.app, standing("s"), standing("t", station="m1"))
    page = visited.read("ann", "/me")
    assert "2 sessions are running" in page
    assert page.count("Grace 4:00") == 2


def test_when_nothing_runs_the_page_says_what_to_do_and_how_the_last_time_came_out(visited: Visits) -> None:
    page = visited.read("ann", "/me")
    assert "No session is running Plug in with your card or your car" in page
    assert "Your last session" not in page
    until(visited, NOON + 40_000)
    post(visited.app, a_session("h1", "long"), a_session("h1", "short", idle_s=299, at=NOON + 20_000))
    page = visited.read("ann", "/me")
    assert "You left in time. Nothing to pay. See how we counted." in page
    assert "You pay $2.00" not in page  # the one before


def test_a_fault_in_the_past_is_told(visited: Visits) -> None:
    until(visited, NOON + 9000)
    faults = [
        event("station_fault", FULL_AT + 120, "s", cause="x"),
        event("station_restored", FULL_AT + 720, "s", cause="x"),
    ]
    post(visited.app, [*standing("s"), *faults, event("unplugged", FULL_AT + 1080, "s")])
    page = visited.read("ann", "/me")
    assert "You pay $1.20 for 3 minutes after the grace period." in page
    assert "The charger had a fault from 09:32 to 09:42. We did not count that time." in page


# -- notices ------------------------------------------------------------------------------------------------


def test_notices_are_new_until_they_are_read_and_come_a_page_at_a_time(visited: Visits) -> None:
    assert "Nothing yet. You hear from us when your car is full" in visited.read("ann", "/me/notices")
    for day in range(18):
        until(visited, FULL_AT + 5 + day * 86_400)
        at = NOON + day * 86_400
        post(visited.app, a_session("h1", f"s{day:02}", at=at)[:3])
        Worker(visited.app, channels=[]).run_due()
        until(visited, at + 2000)
        post(visited.app, a_session("h1", f"s{day:02}", at=at, idle_s=100)[3:])
    with visited.app.reading() as connection:
        there = unread(connection, "ann")
    assert 25 < there <= 50
    assert f"{there} new notices" in visited.read("ann", "/me")
    first = visited.get("ann", "/me/notices")
    older = re.search(r'href="(/me/notices\?before=[^"]+)"', first)
    assert older is not None
    told = [
        words_of(one) for page in (first, visited.get("ann", older[1])) for one in re.findall(r"<h2\b.*?</h2>", page)
    ]
    assert len(told) == there
    visited.send("ann", "/me/notices", "/me/notices/read", until=str(FULL_AT + 5))  # a page from the first morning
    assert f"{there - 1} new notices" in visited.read("ann", "/me")
    visited.send("ann", "/me/notices", "/me/notices/read")
    assert "new notice" not in visited.read("ann", "/me")
    assert "Mark" not in visited.read("ann", "/me/notices")
    assert "Nothing yet." in visited.read("bob", "/me/notices")


# -- vehicles and tokens ------------------------------------------------------------------------------------


def test_a_vehicle_can_be_added_and_is_found_by_its_plate(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    visited.send("ann", "/me/vehicles", "/me/vehicles", name="Blue <b>hatchback</b>", plate="b-ab 123")
    page = visited.get("ann", "/me/vehicles")
    assert "Blue &lt;b&gt;hatchback&lt;/b&gt;" in page
    assert "BAB123" in page
    assert "h1/anns" in visited.read("support", "/support?q=B AB-123")


def test_a_vehicle_is_named_given_its_card_and_removed(visited: Visits) -> None:
    visited.send("ann", "/me/vehicles", "/me/vehicles", name="Old name", plate="HH X 1")
    with visited.app.reading() as connection:
        (vehicle,) = vehicles_of(connection, "ann")
        (card,) = tokens_of(connection, "ann")
    form = f"/me/vehicles/{vehicle.id}"
    visited.send("ann", "/me/vehicles", form, name="New name", plate="HH X 2", card=card.id)
    page = visited.read("ann", "/me/vehicles")
    assert "New name HHX2 Known to chargers by ANN." in page
    assert "ANN Stands for you. Belongs to New name." in page
    visited.send("ann", "/me/vehicles", f"{form}/remove")
    page = visited.read("ann", "/me/vehicles")
    assert "None yet. With its plate" in page
    assert "ANN Stands for you." in page


@pytest.mark.parametrize(
    ("name", "plate", "said"),
    [
        ("", "", "Give it a name by which you know it."),
        ("n" * 81, "", "Shorten the name to 80 letters."),
        ("car", "X" * 17, "A plate has at most 16 letters and digits."),
        ("car", "- -", "A plate has letters or digits."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_typed_is_lost(
    visited: Visits, name: str, plate: str, said: str
) -> None:
    answer = visited.send("ann", "/me/vehicles", "/me/vehicles", 422, name=name, plate=plate)
    assert said in words_of(answer.text)
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{name}"' in answer.text
    with visited.app.reading() as connection:
        assert not vehicles_of(connection, "ann")


def test_a_lost_card_stands_for_its_owner_no_longer_and_what_was_before_stays(visited: Visits) -> None:
    post(visited.app, standing("before")[:2])
    until(visited, NOON + 60)
    with visited.app.reading() as connection:
        (card,) = tokens_of(connection, "ann")
    visited.send("ann", "/me/vehicles", f"/me/tokens/{card.id}/end")
    assert "ANN Ended on Jan 15, 2027." in visited.read("ann", "/me/vehicles")
    until(visited, NOON + 120)
    post(visited.app, [event("plugged_in", NOON + 100, "after", station="m1", token="ANN")])
    page = visited.read("ann", "/me")
    assert "Harbour" in page
    assert "Market" not in page


def test_nobody_changes_what_is_another_owners(visited: Visits) -> None:
    visited.send("ann", "/me/vehicles", "/me/vehicles", name="hers")
    with visited.app.writing() as connection:
        (vehicle,) = vehicles_of(connection, "ann")
        (card,) = tokens_of(connection, "ann")
        give_token(connection, visited.app.names, uid="BOB2", owner_id="bob", author="test", now=NOON)
        bobs = tokens_of(connection, "bob")[0].id
    until(visited, NOON + 60)
    page = visited.get("bob", "/me/vehicles")
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token is not None
    sent = {"form_token": token[1], "name": "mine now"}
    browser = visited.browser("bob")
    for path in (f"/me/vehicles/{vehicle.id}", f"/me/vehicles/{vehicle.id}/remove", f"/me/tokens/{card.id}/end"):
        assert browser.post(path, data=sent).status_code == 404, path
    assert "hers" in visited.read("ann", "/me/vehicles")
    answer = visited.send("ann", "/me/vehicles", "/me/vehicles", 422, name="hers", card=bobs)
    assert "Choose one of your own cards." in words_of(answer.text)


# -- account and preferences --------------------------------------------------------------------------------


def test_who_stayed_reads_the_amount_and_the_balance(visited: Visits) -> None:
    until(visited, NOON + 9000)
    assert "You owe nothing." in visited.read("ann", "/me/account")
    post(visited.app, a_session("h1", "long", idle_s=600))
    assert "You pay $2.00 for 5 minutes after the grace period. See how we counted." in visited.read("ann", "/me")
    page = visited.read("ann", "/me/account")
    assert "You owe Acme $2.00." in page
    assert "January 2027, Acme $2.00" in page


def test_preferences_are_kept_and_what_is_wrong_with_them_is_said_in_place(visited: Visits) -> None:
    form = "/me/preferences"
    assert "also in quiet hours" in visited.read("bob", form)
    heard: dict[str, Any] = {"hear-charge_complete-email": "yes", "hear-final-email": "yes"}
    quiet: dict[str, Any] = {"quiet_from": "22:00", "quiet_to": "07:30", "zone": "Europe/Berlin"}
    visited.send("bob", form, form, language="de", **quiet, **heard)
    with visited.app.reading() as connection:
        kept = preferences_of(connection, "bob")
    assert (kept.quiet_from, kept.quiet_to, kept.zone) == (22 * 60, 7 * 60 + 30, "Europe/Berlin")
    assert ("fee_step", "email") in kept.muted
    assert not {("charge_complete", "email"), ("final", "email")} & kept.muted
    assert '<option value="de" selected' in visited.get("bob", form)
    for wrong, said in (
        ({"quiet_to": ""}, "give both, or neither"),
        ({"zone": "Berlin"}, "Must be a time zone such as Europe/Berlin."),
        ({"quiet_from": "late"}, "Write a time such as 22:00."),
        ({"language": "xx"}, "Choose one of these."),
    ):
        answer = visited.send("bob", form, form, 422, **{"language": "de", **quiet, **heard, **wrong})
        assert said in words_of(answer.text), wrong
    with visited.app.reading() as connection:
        assert preferences_of(connection, "bob") == kept


def test_a_webhook_shows_its_secret_once_and_is_removed(visited: Visits) -> None:
    page, form = "/me/preferences", "/me/webhooks"
    answer = visited.send("ann", page, form, 200, url="https://example.com/hook", label="My <car>")
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)
    assert secret is not None
    again = visited.get("ann", page)
    assert "My &lt;car&gt;" in again
    assert secret[0] not in again
    assert "Webhook" in words_of(again)
    end = re.search(r'action="(/me/contacts/[^"]+/end)"', again)
    assert end is not None
    bobs = re.search(r'name="form_token" value="([^"]+)"', visited.get("bob", page))
    assert bobs is not None
    assert visited.browser("bob").post(end[1], data={"form_token": bobs[1]}).status_code == 404
    visited.send("ann", page, end[1])
    assert "My <car>" not in visited.read("ann", page)
    assert "Write an address such as" in words_of(visited.send("ann", page, form, 422, url="ftp://x").text)


def test_a_number_is_told_by_a_service_that_is_configured(visited: Visits) -> None:
    page, form = "/me/preferences", "/me/chats"
    assert form not in visited.get("ann", page), "without a service there is nothing to add"
    visited.app.settings.chat_services = '{"sms": "json://127.0.0.1/{to}"}'
    visited.send("ann", page, form, service="sms", to="+49 151 1234", label="My phone")
    assert "My phone Chat, sms:+491511234, since" in visited.read("ann", page)
    answer = visited.send("ann", page, form, 422, service="sms", to="a;b", label="My phone")
    assert "Write a number with its country code" in words_of(answer.text)
    visited.send("ann", page, form, 422, service="pigeon", to="+491511234", label="")


def test_a_browser_is_kept_as_a_contact_and_known_by_no_other(visited: Visits) -> None:
    keys = {"p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"}
    sent: dict[str, Any] = {"endpoint": "https://push.example.com/abc", **keys, "auth": "tBHItJI5svbpez7KI4CCXg"}
    visited.send("ann", "/me", "/me/push", 204, **sent, label="Firefox on Android")
    assert "Firefox on Android" in visited.read("ann", "/me/preferences")
    assert "https://push.example.com" not in visited.get("ann", "/me")
    known = re.search(r'data-known="([0-9a-f]{16})"', visited.get("ann", "/me"))
    assert known is not None
    assert 'data-known=""' in visited.get("bob", "/me")
    visited.send("ann", "/me", "/me/push", 422, **{**sent, "auth": "short"})


def test_what_makes_the_pages_installable_needs_no_sign_in(visited: Visits) -> None:
    manifest = visited.browser("").get("/app.webmanifest")
    assert manifest.headers["content-type"].startswith("application/manifest+json")
    for icon in manifest.json()["icons"]:
        answer = visited.browser("").get(icon["src"])
        assert answer.headers["content-type"] == "image/png"
        width = int.from_bytes(answer.content[16:20])
        assert icon["sizes"] == f"{width}x{width}"
    worker = visited.browser("").get("/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["cache-control"] == "no-cache"
    assert visited.browser("").get("/icon-7.png").status_code == 404
