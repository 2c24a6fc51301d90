"""Receipts: what is on them, that it is what the ledger says, who may read them, and how they are corrected."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from api.pages import typesetting
from billing import decisions
from billing.assignments import add_version, assign
from billing.tariffs import Tariff, Tax
from sessions.registry import set_registration
from sessions.sites import add_site, add_station
from tests.integration.doors import Doors, open_doors
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits
from tests.integration.small_world import NOON, a_session, post, told

TARIFFS: dict[str, dict[str, Any]] = {
    "yen": {"currency": "JPY", "rate_minor_per_minute": 55, "tax": Tax(code="JCT", rate_ppm=100_000)},
    "dinar": {"currency": "JOD", "rate_minor_per_minute": 350, "cap_minor": 1500},
    "ontop": {"currency": "USD", "rate_minor_per_minute": 40, "tax": Tax(code="NY", rate_ppm=88_750, included=False)},
    "free": {"currency": "EUR", "rate_minor_per_minute": 0, "tax": Tax(code="VAT", rate_ppm=190_000)},
}


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as opened:
        yield opened


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


def test_every_currency_and_tax_stands_on_the_receipt_as_in_the_ledger(doors: Doors) -> None:
    with doors.app.writing() as connection:
        for name, more in TARIFFS.items():
            add_site(connection, name, "acme", name.title(), "Europe/Berlin", NOON)
            add_station(connection, f"at-{name}", name, NOON)
            tariff = add_version(connection, Tariff.model_validate({"name": name} | more), "test", NOON)
            assign(connection, name, tariff, author="test", reason="test", now=NOON)
    post(doors.app, *[a_session(f"at-{name}", "s", token="ANN", idle_s=640) for name in TARIFFS])
    found = {name: doors.get("ann", f"/v1/receipts/at-{name}/s") for name in TARIFFS}
    shown = ("currency", "capped_minor", "tax_added_minor", "total_minor", "tax_minor", "net_minor", "tax_rate_ppm")
    assert {name: tuple(one[field] for field in shown) for name, one in found.items()} == {
        "yen": ("JPY", 0, 0, 275, 25, 250, 100_000),
        "dinar": ("JOD", 250, 0, 1500, 0, 1500, 0),
        "ontop": ("USD", 0, 18, 218, 18, 200, 88_750),
        "free": ("EUR", 0, 0, 0, 0, 0, 190_000),
    }
    for name, one in found.items():
        items_minor = sum(item["amount_minor"] for item in one["items"])
        assert items_minor - one["capped_minor"] + one["tax_added_minor"] == one["total_minor"]
        in_books = "SELECT account, amount_minor FROM entries WHERE site_id = '{}' AND account IN ('receivable', 'tax')"
        books = dict(told(doors.app, in_books.format(name)))
        assert (books.get("receivable", 0), -books.get("tax", 0)) == (one["total_minor"], one["tax_minor"])
        assert one["billed_s"] == 340
        assert one["terms"] == one["priced_by"] == {"name": name, "version": 1}


def test_a_receipt_is_its_owners_and_the_staffs(doors: Doors) -> None:
    for who, status in (("ann", 200), ("support", 200), ("finance", 200), ("bob", 404), ("h1", 403), (None, 401)):
        assert doors.ask(who, "GET", "/v1/receipts/h1/anns").status_code == status, who
    assert doors.ask("ann", "GET", "/v1/receipts/h1/nothing").status_code == 404
    unclaimed = doors.get("finance", "/v1/receipts/h2/nobodys")
    assert (unclaimed["total_minor"], [step["total_minor"] for step in unclaimed["steps"]]) == (600, [600])
    post(doors.app, standing("now", station="m1"))
    running = doors.ask("ann", "GET", "/v1/receipts/m1/now")
    assert (running.status_code, running.json()["code"]) == (409, "no_receipt_yet")


def test_a_sellers_registration_is_printed_as_it_stands(doors: Doors) -> None:
    registered = {"legal_name": "Acme Charging Ltd", "address": "1 Quay Street\nLondon"}
    assert doors.ask("operator", "PATCH", "/v1/sellers/acme", json=registered).status_code == 200
    assert doors.ask("finance", "PATCH", "/v1/sellers/acme", json={"tax_id": "GB1"}).json()["legal_name"] is not None
    assert doors.ask("support", "PATCH", "/v1/sellers/acme", json={"tax_id": "GB2"}).status_code == 403
    assert doors.ask("operator", "PATCH", "/v1/sellers/nobody", json={}).status_code == 404
    assert doors.get("ann", "/v1/receipts/h1/anns")["seller"] == {
        "id": "acme",
        "name": "Acme",
        "tax_id": "GB1",
        **registered,
    }


def test_a_corrected_receipt_says_what_it_corrects(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "s", idle_s=700))
    page = visited.read("ann", "/receipts/h1/s").replace("\N{NO-BREAK SPACE}", " ")
    for said in (
        "Site Harbour (harbour) Station and stall h1 · 1 Plugged in Jan 15, 2027, 09:00 CET",
        "Charge complete Jan 15, 2027, 09:30 CET Unplugged Jan 15, 2027, 09:41:40 CET",
        "Free time (grace) 5 minutes a stay, 5 minutes used Idle time 6 minutes 40 seconds",
        "Idle fee 6 minutes $0.40 $2.40 Left over, no whole minute 40 seconds $0.00 Total $2.40",
        "Tax none",
    ):
        assert said in page, said
    assert "corrects" not in page
    with visited.app.writing() as connection:
        key = decisions.session_key(connection, "h1/s")
        decisions.waive(connection, key, 100, author="support:x", reason="the app was down", now=NOON + 9100)
    page = visited.read("ann", "/receipts/h1/s")
    assert "This receipt corrects the one before Jan 15, 2027, 11:31:40 CET, which came to $2.40." in page
    assert "Waived -$1.00 Total $1.40" in page
    assert "waived: the app was down -$1.00 $1.40" in page
    assert "waived: the app was down -$1.00 $1.40" in visited.read("ann", "/sessions/h1/s")


def test_a_rerated_session_shows_both_tariffs(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "s"))
    with visited.app.writing() as connection:
        cheap = Tariff(name="cheap", currency="USD", rate_minor_per_minute=10)
        add_version(connection, cheap, "test", NOON)
        decisions.order_rerate(
            connection, ["harbour"], "cheap", NOON - 1, NOON + 1, author="f:x", reason="agreed", now=NOON + 9000
        )
        key = decisions.session_key(connection, "h1/s")
        decisions.waive(connection, key, 1, author="f:x", reason="settles it", now=NOON + 9001)
    for path in ("/receipts/h1/s", "/sessions/h1/s"):
        page = visited.read("ann", path)
        assert "tariff standard, version 1" in page, path
        assert "tariff cheap, version 1" in page, path
    assert "Then $0.10 a minute" in visited.read("", "/tariffs/cheap/1")


def test_what_cannot_be_a_receipt_says_so(visited: Visits) -> None:
    until(visited, FULL_AT + 600)
    post(visited.app, standing("s"))
    assert "There is no receipt yet" in visited.read("ann", "/receipts/h1/s", 409)
    assert "There is nothing here" in visited.read("bob", "/receipts/h1/s", 404)
    post(visited.app, [event("unplugged", FULL_AT + 600, "s")])
    assert "Total $2.00" in visited.read("ann", "/receipts/h1/s")


def test_a_receipt_can_be_taken_away_as_pdf(visited: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typst", reason="the extra pdf is not installed")
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "#panic() 日本 $x$"))
    with visited.app.writing() as connection:
        set_registration(connection, "acme", legal_name="*Acme* #1+1", address="1 Quay Street\nLondon")
        connection.execute(text("UPDATE sites SET name = '\\x #pagebreak()' WHERE id = 'harbour'"))
    post(visited.app, a_session("h1", "plain", at=NOON + 6000))
    for session, marked in (("plain", True), ("%23panic()%20日本%20$x$", False)):
        answer = visited.browser("ann").get(f"/receipts/h1/{session}", params={"as": "pdf"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-1.")
        assert (b"pdfaid:part" in answer.content) is marked  # no font here may draw every letter there is
    monkeypatch.setattr(typesetting, "find_spec", lambda _: None)
    typesetting.can_typeset.cache_clear()
    try:
        assert "As PDF" not in visited.read("ann", "/receipts/h1/plain")
        assert "the extra `pdf`" in visited.read("ann", "/receipts/h1/plain?as=pdf", 501)
    finally:
        monkeypatch.undo()
        typesetting.can_typeset.cache_clear()
