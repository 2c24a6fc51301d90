"""Who may see which page, what moves on it, what no page may carry, and how pages fail."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from api.access.browsers import close_all_browsers
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits, words_of
from tests.integration.small_world import NOON, a_session, post

LARGEST_PAGE_BYTES = 100_000
EVERYBODY = ("", "ann", "bob", "operator", "finance", "support")


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


# -- who may see what ---------------------------------------------------------------------------------------

OPEN_TO: dict[str, set[str]] = {
    "/": {"", "ann", "bob", "operator", "finance", "support"},
    "/me": {"ann", "bob"},
    "/me/notices": {"ann", "bob"},
    "/me/vehicles": {"ann", "bob"},
    "/me/account": {"ann", "bob"},
    "/me/invoices": {"ann", "bob"},
    "/me/statements": {"ann", "bob"},
    "/me/preferences": {"ann", "bob"},
    "/me/data.json": {"ann", "bob"},
    "/me/delete": {"ann", "bob"},
    "/books": {"finance"},
    "/books/waiting/unclaimed": {"finance"},
    "/books/waiting/in_review": {"finance"},
    "/books/waiting/not_billable": {"finance"},
    "/books/entries?seller=acme&currency=USD&account=revenue": {"finance"},
    "/books/entries.csv": {"finance"},
    "/finance": {"finance"},
    "/finance/charges": {"finance"},
    "/finance/charges.csv": {"finance"},
    "/finance/charges/m1/bobs": {"finance"},
    "/operations": {"operator"},
    "/support?q=anns": {"support", "finance"},
    "/sessions/h1/anns": {"ann", "operator", "finance", "support"},
    "/sessions/m1/bobs": {"bob", "operator", "finance", "support"},
    "/sessions/h2/nobodys": {"operator", "finance", "support"},
}


def test_every_page_opens_for_its_role_alone(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"), a_session("m1", "bobs", token="BOB"))
    post(visited.app, a_session("h2", "nobodys", token=None))
    for path, may in OPEN_TO.items():
        for who in EVERYBODY:
            refused = 401 if who == "" else 404 if path.startswith("/sessions/") else 403
            visited.get(who, path, 200 if who in may else refused)


def test_anothers_session_looks_like_one_that_does_not_exist(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("m1", "bobs", token="BOB"))
    assert visited.read("ann", "/sessions/m1/bobs", 404) == visited.read("ann", "/sessions/m1/nothing", 404)
    assert visited.read("ann", "/live/sessions/m1/bobs", 404) == visited.read("ann", "/live/sessions/m1/nothing", 404)


def test_a_link_signs_in_and_signing_out_ends_it(visited: Visits) -> None:
    looked = httpx2.get(f"{visited.address}/sign-in", params={"key": visited.links["ann"]})
    assert "Sign in as ann" in words_of(looked.text)
    assert "set-cookie" not in looked.headers
    answer = httpx2.post(f"{visited.address}/sign-in/open", data={"key": visited.links["ann"]})
    for cookie in answer.headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
    held = dict(visited.browser("ann").cookies)
    visited.get("ann", "/me")
    visited.send("ann", "/me", "/sign-out")
    visited.get("ann", "/me", 401)
    kept = httpx2.get(f"{visited.address}/me", cookies=held)
    assert kept.status_code == 401  # who copied the cookie is out, too


def test_a_wrong_link_says_what_to_do(visited: Visits) -> None:
    answer = httpx2.get(f"{visited.address}/sign-in", params={"key": "idf_wrong"})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "Nothing was lost." in words_of(answer.text)
    assert "sign-in link" in words_of(answer.text)


def test_a_site_named_script_is_a_name_everywhere(visited: Visits) -> None:
    until(visited, FULL_AT + 600)
    with visited.app.writing() as connection:
        connection.execute(text("UPDATE sites SET name = '<script>alert(1)</script>'"))
    session = "<img src=x onerror=alert(2)>"
    post(visited.app, standing(session), a_session("m1", "old", at=NOON - 9000, token=None))
    paths = {
        "": ["/"],
        "ann": ["/", "/me", "/sessions/h1/%3Cimg%20src%3Dx%20onerror%3Dalert%282%29%3E"],
        "operator": ["/", "/operations"],
        "support": [f"/support?q={session}"],
        "finance": ["/books", "/books/waiting/unclaimed", "/finance", "/finance/charges", "/finance/charges/m1/old"],
    }
    for who, pages in paths.items():
        for path in pages:
            page = visited.get(who, path)
            assert "<script>" not in page, path
            assert "<img" not in page, path
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in visited.get("", "/")


# -- what moves ---------------------------------------------------------------------------------------------


def messages(visited: Visits, who: str, path: str) -> Iterator[dict[str, Any]]:
    with visited.browser(who).stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


def test_an_open_page_hears_of_the_fee_and_of_the_end(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    news = messages(visited, "ann", "/live/me")
    first = next(news)
    assert first["now"] == FULL_AT + 20
    assert first["parts"]["stage"] == "h1/s"
    assert "Move it by" in first["parts"]["head:h1/s"]
    until(visited, FULL_AT + 600)
    assert "$2.00" in next(news)["parts"]["head:h1/s"]
    post(visited.app, [event("unplugged", FULL_AT + 600, "s")])
    assert next(news)["parts"] == {"stage": "none"}


def test_an_open_page_ends_when_its_browser_is_signed_out(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    news = messages(visited, "ann", "/live/me")
    assert next(news)["parts"]["stage"] == "h1/s"
    with visited.app.writing() as connection:
        assert close_all_browsers(connection, "ann", visited.app.clock.now()) == 1
    assert [message["parts"] for message in news if message["parts"]] == []


def test_a_session_that_is_given_away_leaves_the_open_page(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    news = messages(visited, "ann", "/live/sessions/h1/s")
    assert next(news)["parts"]["stage"] == "running"
    with visited.app.writing() as connection:
        connection.execute(text("UPDATE token_holders SET owner_id = 'bob' WHERE owner_id = 'ann'"))
    assert next(news)["parts"] == {"stage": "over"}


def test_the_front_page_hears_of_every_stall_and_of_nobody(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    parts = next(messages(visited, "", "/live/stalls"))["parts"]
    assert "Grace" in parts["stall:h1/1"]
    assert "/sessions/" not in json.dumps(parts)


def test_a_stall_first_heard_of_loads_the_front_page_again(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    news = messages(visited, "", "/live/stalls")
    stage = next(news)["parts"]["stage"]
    assert f'data-stage="{stage}"' in visited.get("", "/")
    post(visited.app, standing("s", stall="9"))
    until(visited, FULL_AT + 21)
    assert next(news)["parts"]["stage"] not in {stage, None}
    assert "h1 · 9 Grace" in visited.read("", "/")


def test_what_moves_is_asked_for_with_the_same_right_as_the_page(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    visited.get("", "/live/me", 401)
    visited.get("operator", "/live/me", 403)
    visited.get("bob", "/live/sessions/h1/s", 404)


# -- what no page may carry ---------------------------------------------------------------------------------


class Carried(HTMLParser):
    """Collects what a strict policy forbids, every address a page would load by itself, ids, labels and fields."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.fields: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.forbidden += [f"<{tag} {name}>" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.forbidden.append(f"<{tag}>")
        if tag in {"script", "img", "iframe"} or (tag == "link" and given.get("rel") in {"stylesheet", "icon"}):
            self.loaded.append(given.get("src") or given.get("href", ""))
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "label":
            self.labelled.add(given.get("for", ""))
        if tag in {"input", "select", "textarea"} and given.get("type") != "hidden" and "aria-label" not in given:
            self.fields.append(given.get("id", "without an id"))


def test_every_page_is_light_labelled_and_ours_alone(visited: Visits) -> None:
    until(visited, FULL_AT + 600)
    post(visited.app, standing("s"), a_session("m1", "old", at=NOON - 9000, token=None))
    post(visited.app, a_session("h2", "past", at=NOON - 90_000))
    pages = [
        ("", "/"),
        ("", "/me"),
        *(("ann", path) for path in ("/me", "/me/notices", "/me/vehicles", "/me/account", "/me/preferences")),
        ("ann", "/sessions/h1/s"),
        ("operator", "/sessions/h2/past"),
        ("operator", "/operations"),
        ("support", "/support?q=past"),
        ("finance", "/books"),
        ("finance", "/books/waiting/unclaimed"),
        ("finance", "/books/entries?seller=acme&currency=USD&account=receivable"),
        ("finance", "/sessions/m1/old"),
        ("finance", "/finance"),
        ("finance", "/finance/charges"),
        ("finance", "/finance/charges/m1/old"),
    ]
    for who, path in pages:
        answer = visited.browser(who).get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        carried = Carried()
        carried.feed(answer.text)
        assert not carried.forbidden, path
        assert all(address.startswith("/static/") for address in carried.loaded), path
        assert not re.search(r'(src|href)="(https?:)?//', answer.text), path
        assert len(carried.ids) == len(set(carried.ids)), path
        assert set(carried.fields) <= carried.labelled, path
        size = len(answer.content)
        for address in set(carried.loaded):
            loaded = visited.browser(who).get(address)
            assert loaded.status_code == 200
            assert "immutable" in loaded.headers["cache-control"]
            size += len(loaded.content)
        assert size < LARGEST_PAGE_BYTES, path


def test_a_full_front_page_is_light_too(visited: Visits) -> None:
    until(visited, FULL_AT + 600)
    post(visited.app, *[standing(f"s{stall}", stall=str(stall)) for stall in range(60)])
    page = visited.get("operator", "/")
    assert len(page) < LARGEST_PAGE_BYTES
    assert "24 more stalls of this site are not shown." in words_of(page)


# -- when something is wrong --------------------------------------------------------------------------------


def test_an_address_that_does_not_exist_is_a_page_for_people_and_a_problem_for_programs(visited: Visits) -> None:
    page = visited.read("", "/nowhere", 404)
    assert "There is nothing here" in page
    assert "Nothing was lost." in page
    assert "Vehicles" in visited.read("ann", "/nowhere", 404)
    for path, accept in (("/nowhere", "application/json"), ("/v1/nowhere", "text/html")):
        answer = httpx2.get(f"{visited.address}{path}", headers={"Accept": accept})
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_broken_page_says_that_nothing_is_lost_and_shows_no_trace(visited: Visits) -> None:
    visited.get("ann", "/me/vehicles")
    with visited.app.writing() as connection:
        connection.execute(text("DROP TABLE vehicles"))
    answer = visited.browser("ann").get("/me/vehicles")
    page = words_of(answer.text)
    assert answer.status_code in {500, 503}  # a table that is gone is no outage, but one engine cannot tell
    assert "Nothing was lost." in page
    assert "reload the page" in page.lower()
    assert "vehicles" not in page
    assert "Traceback" not in page


def test_a_faulty_address_says_so(visited: Visits) -> None:
    for who, path in (
        ("ann", "/me/notices?before=x"),
        ("finance", "/books/waiting/nothing"),
        ("finance", "/books/entries"),
    ):
        assert "Nothing was lost." in visited.read(who, path, 422)
