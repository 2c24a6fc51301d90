"""Signing in by a mailed link: nobody learns who is known, a link is good once, a browser stays signed in as long as it
should, and its owner hears of new ones.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import text

from api.access import browsers, limits, links
from api.access.keys import KeyKind, Role, issue
from api.settings import Settings
from api.wiring import running
from api.worker import Worker
from sessions.clock import FixedClock
from tests.integration.page_visits import Visits, visits, words_of
from tests.integration.small_world import NOON, told
from tests.serving import served

DAY_S = 24 * 3600
PHONE = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"


@pytest.fixture
def visited(database_url: str, tmp_path: Path) -> Iterator[Visits]:
    with visits(database_url) as found:
        found.app.settings.outbox = tmp_path
        yield found


def mails(visited: Visits) -> list[tuple[str, str, str]]:
    """What the worker sent meanwhile: to, subject, text; and it is taken away."""
    Worker(visited.app).run_due()
    found = []
    for file in sorted(visited.app.settings.outbox.glob("*.eml")):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        found.append((str(mail["To"]), str(mail["Subject"]), mail.get_content()))
        file.unlink()
    return found


def key_in(text: str) -> str:
    found = re.search(r"https?://\S+", text)
    assert found is not None, text
    return parse_qs(urlsplit(found[0]).query)["key"][0]


def asked(visited: Visits, email: str = "bob@example.com") -> httpx2.Response:
    return httpx2.post(f"{visited.address}/sign-in", data={"email": email})


def mailed_key(visited: Visits) -> str:
    assert asked(visited).status_code == 200
    (mail,) = mails(visited)
    return key_in(mail[2])


def opened(visited: Visits, key: str, client: httpx2.Client) -> httpx2.Response:
    return client.post("/sign-in/open", data={"key": key})


def a_browser(visited: Visits, agent: str = PHONE) -> httpx2.Client:
    return httpx2.Client(base_url=visited.address, timeout=30, headers={"User-Agent": agent})


@contextmanager
def signed_in(visited: Visits, agent: str = PHONE) -> Iterator[httpx2.Client]:
    """Another browser of Bob's."""
    with a_browser(visited, agent) as client:
        assert opened(visited, visited.links["bob"], client).status_code == 303
        yield client


# -- links --------------------------------------------------------------------------------------------------


def test_a_mailed_link_signs_in_once_and_looking_at_it_uses_nothing_up(visited: Visits) -> None:
    assert asked(visited, "BOB@Example.com").status_code == 200
    ((to, subject, text),) = mails(visited)
    assert "bob@example.com" in to
    assert subject == "Your sign-in link"
    key = key_in(text)
    with a_browser(visited) as first, a_browser(visited) as second:
        for _ in range(2):
            looked = first.get("/sign-in", params={"key": key})
            assert "Sign in as Bob Bobson" in words_of(looked.text)
        assert opened(visited, key, first).headers["location"] == "/me"
        assert first.get("/me").status_code == 200
        assert opened(visited, key, second).status_code == 401
        assert second.get("/me").status_code == 401
        assert first.get("/sign-in", params={"key": key}).status_code == 401


def test_nobody_learns_whether_an_address_is_known(visited: Visits) -> None:
    known, unknown = asked(visited), asked(visited, "eve@example.com")
    assert known.status_code == unknown.status_code
    assert known.text == unknown.text.replace("eve@example.com", "bob@example.com")
    assert dict(known.headers) | {"content-length": ""} == dict(unknown.headers) | {"content-length": ""}
    waiting = told(visited.app, "SELECT kind, count(*) FROM jobs WHERE kind = 'sign_in_link' GROUP BY kind")
    assert waiting == [("sign_in_link", 2)]
    assert len(mails(visited)) == 1


def test_a_link_is_good_for_a_quarter_of_an_hour_and_not_if_somebody_made_it_up(visited: Visits) -> None:
    key = mailed_key(visited)
    with a_browser(visited) as client:
        for wrong in (key[:-2], key + "x", visited.app.secret.sign(links.ADDRESS, ["x", 0]), "x" * 300):
            assert opened(visited, wrong, client).status_code == 401
        visited.clock.advance(links.SIGN_IN_LASTS_S)
        assert opened(visited, key, client).status_code == 401
    assert asked(visited).status_code == 200
    visited.clock.advance(links.SIGN_IN_LASTS_S)
    assert mails(visited) == []  # a worker that was away sends no link that nobody waits for


def test_another_sites_form_is_refused(visited: Visits) -> None:
    key = visited.links["ann"]
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        for path, data in (("/sign-in", {"email": "bob@example.com"}), ("/sign-in/open", {"key": key})):
            answer = httpx2.post(f"{visited.address}{path}", data=data, headers=headers)
            assert answer.status_code == 403, (path, headers)
            assert "set-cookie" not in answer.headers
    ours = httpx2.post(f"{visited.address}/sign-in/open", data={"key": key}, headers={"Origin": visited.address})
    assert ours.status_code == 303


def test_where_people_come_by_https_cookies_and_browsers_hold_to_it(sqlite_url: str) -> None:
    settings = Settings(database_url=sqlite_url, base_url="https://idle.example")
    with running(settings, FixedClock(NOON)) as app, served(app) as address:
        with app.writing() as connection:
            link = issue(connection, Role.SUPPORT, label="x", now=NOON, kind=KeyKind.LINK).text
        ours = {"Origin": "https://idle.example"}
        answer = httpx2.post(f"{address}/sign-in/open", data={"key": link}, headers=ours)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        cookies = answer.headers.get_list("set-cookie")
        assert sorted(cookie.partition("=")[0] for cookie in cookies) == [
            "__Host-idlefee_browser",
            "__Host-idlefee_device",
        ]
        for cookie in cookies:
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
            assert "Domain" not in cookie
        held = cookies[0].partition(";")[0]
        assert httpx2.get(f"{address}/support", headers={"Cookie": held}).status_code == 200


# -- browsers -----------------------------------------------------------------------------------------------


def test_signing_in_gives_a_key_that_nobody_chose(visited: Visits) -> None:
    with a_browser(visited) as client:
        client.cookies.set("idlefee_browser", "chosen by somebody else", domain="127.0.0.1")
        assert opened(visited, visited.links["bob"], client).status_code == 303
        first = client.get("/me").request.headers["cookie"]
        assert "chosen" not in first
        assert opened(visited, visited.links["bob"], client).status_code == 303
        assert client.get("/me").request.headers["cookie"] != first
    kept = httpx2.get(f"{visited.address}/me", headers={"Cookie": first})
    assert kept.status_code == 401  # signing in again closed what was open on this browser


def test_a_key_is_renewed_daily_and_nobody_is_signed_out_by_that(visited: Visits) -> None:
    with signed_in(visited) as client:
        page = client.get("/me/account").text
        held = {"idlefee_browser": dict(client.cookies)["idlefee_browser"]}
        visited.clock.advance(browsers.ROTATE_AFTER_S)
        # Two requests at once, and an answer that was lost: the same next key each time, and the old one holds.
        renewed = {httpx2.get(f"{visited.address}/me", cookies=held).cookies["idlefee_browser"] for _ in range(3)}
        assert len(renewed) == 1
        assert renewed != set(held.values())
        assert client.get("/me").status_code == 200
        assert client.get("/me").status_code == 200
        assert httpx2.get(f"{visited.address}/me", cookies=held).status_code == 200  # was on its way
        token = re.findall(r'name="form_token" value="(\w+)"', page)[0]
        assert client.post("/me/email", data={"form_token": token, "email": "b@example.com"}).status_code == 200
        visited.clock.advance(browsers.OVERLAP_S - 1)
        assert httpx2.get(f"{visited.address}/me", cookies=held).status_code == 200
        assert client.get("/me").status_code == 200


@pytest.mark.parametrize("days", [1, 4])
def test_who_copied_a_key_is_signed_out_when_the_owner_comes_back(visited: Visits, days: int) -> None:
    with signed_in(visited) as client, signed_in(visited) as other, a_browser(visited) as thief:
        thief.cookies.update(dict(client.cookies))
        for _ in range(days):
            visited.clock.advance(browsers.ROTATE_AFTER_S)
            assert [thief.get("/me").status_code for _ in range(2)] == [200, 200]
        visited.clock.advance(browsers.OVERLAP_S)
        assert client.get("/me").status_code == 401
        assert thief.get("/me").status_code == 401
        assert other.get("/me").status_code == 200


@pytest.mark.parametrize(("who", "life"), [("bob", browsers.OWNERS_LIFE), ("support", browsers.STAFFS_LIFE)])
def test_a_browser_stays_signed_in_while_it_is_used_and_not_for_ever(
    visited: Visits, who: str, life: browsers.Life
) -> None:
    page = "/me" if who == "bob" else "/support"
    started_at = visited.clock.now()
    while visited.clock.now() - started_at + life.idle_s - 1 < life.whole_s:
        visited.get(who, page)
        visited.clock.advance(life.idle_s - 1)
    visited.get(who, page)
    visited.clock.advance(started_at + life.whole_s - visited.clock.now())
    visited.get(who, page, 401)


def test_a_browser_that_is_not_used_is_signed_out(visited: Visits) -> None:
    visited.get("bob", "/me")
    visited.clock.advance(browsers.OWNERS_LIFE.idle_s)
    visited.get("bob", "/me", 401)


def test_an_owner_sees_where_they_are_signed_in_and_ends_it(visited: Visits) -> None:
    with signed_in(visited) as phone, signed_in(visited, "curl/8") as other:
        now = visited.clock.now()
        visited.get("bob", "/me")
        with visited.app.reading() as connection:
            found = browsers.open_browsers(connection, "bob", now)
        assert sorted(one.label for one in found) == ["Another browser", "Another browser", "Chrome, Android"]
        (id_,) = (one.id for one in found if one.label == "Chrome, Android")
        visited.get("ann", "/me")
        token = re.findall(r'name="form_token" value="(\w+)"', visited.get("ann", "/me"))[0]
        answer = visited.browser("ann").post("/sign-out/one", data={"form_token": token, "id": id_})
        assert answer.status_code == 404  # not Ann's
        token = re.findall(r'name="form_token" value="(\w+)"', visited.get("bob", "/me"))[0]
        assert visited.browser("bob").post("/sign-out/one", data={"form_token": token, "id": id_}).status_code == 303
        assert phone.get("/me").status_code == 401
        assert other.get("/me").status_code == 200
        assert visited.browser("bob").post("/sign-out/everywhere", data={"form_token": token}).status_code == 303
        assert other.get("/me").status_code == 401
        visited.get("bob", "/me", 401)


# -- devices ------------------------------------------------------------------------------------------------


def test_a_new_device_is_announced_and_the_first_and_a_known_one_are_not(visited: Visits) -> None:
    with signed_in(visited, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0") as first:
        assert mails(visited) == []
        first.post("/sign-out", data={})
        assert opened(visited, visited.links["bob"], first).status_code == 303
        assert mails(visited) == []
        with signed_in(visited):
            ((to, subject, text),) = mails(visited)
        assert "bob@example.com" in to
        assert subject == "A new device signed in to your account"
        assert "Chrome, Android" in text
        assert "/me/account" in text
        assert subject in words_of(first.get("/me/notices").text)
    assert told(visited.app, "SELECT channel FROM deliveries ORDER BY channel") == [("email",), ("inbox",)]


# -- the address --------------------------------------------------------------------------------------------


def test_an_address_changes_once_it_was_confirmed_and_the_old_one_is_told(visited: Visits) -> None:
    with signed_in(visited) as client:
        token = re.findall(r'name="form_token" value="(\w+)"', client.get("/me/account").text)[0]
        fields = {"form_token": token, "email": "robert@example.com"}
        assert client.post("/me/email", data=fields).status_code == 200
    ((to, subject, text),) = mails(visited)
    assert "robert@example.com" in to
    assert told(visited.app, "SELECT email FROM owners WHERE id = 'bob'") == [("bob@example.com",)]
    key = key_in(text)
    asked(visited)  # a link to the old address, which is not sent in time
    with a_browser(visited) as anywhere:
        assert "robert@example.com" in anywhere.get("/confirm-address", params={"key": key}).text
        assert anywhere.post("/confirm-address", data={"key": key}).status_code == 200
        assert anywhere.post("/confirm-address", data={"key": key}).status_code == 401
        assert anywhere.post("/sign-in/open", data={"key": key}).status_code == 401
    assert told(visited.app, "SELECT email FROM owners WHERE id = 'bob'") == [("robert@example.com",)]
    assert "sign_in_link" not in str(told(visited.app, "SELECT kind FROM jobs"))
    ((to, subject, text),) = mails(visited)
    assert "bob@example.com" in to
    assert subject == "Your e-mail address was changed"
    assert "r…@example.com" in text


# -- limits -------------------------------------------------------------------------------------------------


def test_an_address_gets_five_links_an_hour_known_or_not(visited: Visits) -> None:
    for email in ("bob@example.com", "eve@example.com"):
        for _ in range(limits.LINKS_TO_ADDRESS.most):
            assert asked(visited, email).status_code == 200
        refused = asked(visited, email.upper())
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= limits.LINKS_TO_ADDRESS.window_s
    visited.clock.advance(limits.LINKS_TO_ADDRESS.window_s)
    assert asked(visited).status_code == 200
    kept = told(visited.app, "SELECT name FROM rate_limits")
    assert not [name for (name,) in kept if "@" in name or "127.0.0.1" in name]


def test_a_client_that_tries_keys_is_told_to_wait_and_a_right_key_passes(visited: Visits) -> None:
    most = limits.WRONG_KEYS.most
    with httpx2.Client(base_url=visited.address) as client:
        tried = [
            client.request(method, path, headers={"Authorization": "Bearer idf_wrong"}).status_code
            for method, path in [("GET", "/v1/me"), ("POST", "/v1/events")] * (most // 2 + 2)
        ]
    assert tried.count(401) == most
    assert tried[-1] == tried[-2] == 429
    visited.get("ann", "/me")


def test_letters_that_could_not_be_sent_are_forgotten_after_a_week(visited: Visits) -> None:
    asked(visited)
    with visited.app.writing() as connection:
        connection.execute(text("UPDATE jobs SET dead = true WHERE kind = 'sign_in_link'"))
    visited.clock.advance(7 * DAY_S)
    Worker(visited.app).run_due()
    assert told(visited.app, "SELECT dead FROM jobs WHERE kind = 'sign_in_link'") == [(True,)]
    asked(visited, "eve@example.com")
    visited.clock.advance(DAY_S)
    Worker(visited.app).run_due()
    assert told(visited.app, "SELECT * FROM jobs WHERE kind = 'sign_in_link'") == []
