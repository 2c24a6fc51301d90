"""Invoices as they are read: page, PDF, CSV and JSON say the same, whoever asks sees their own."""

import csv
import io
from collections.abc import Iterator

import pytest

from billing import decisions
from billing.payments.by_hand import Received, record
from sessions.store.queries import SessionKey
from tests.integration.doors import NOW, open_doors
from tests.integration.invoicing import invoice_all, set_clock
from tests.integration.page_visits import Visits, until, visits
from tests.integration.small_world import NOON, a_session, post, told

LATER = NOON + 9000


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


def test_an_owner_reads_prints_and_takes_away_what_they_were_invoiced(visited: Visits) -> None:
    until(visited, LATER)
    post(visited.app, a_session("h1", "a"), a_session("m1", "b", idle_s=900))
    assert "The first one comes with your first fee" in visited.read("ann", "/me/invoices")
    invoice_all(visited.app)
    with visited.app.writing() as connection:
        decisions.waive(connection, SessionKey("market", "m1/b"), 1_00, author="test", reason="kind", now=LATER)
    set_clock(visited.app, LATER + 1)
    invoice_all(visited.app)
    post(visited.app, a_session("h1", "little", idle_s=360, at=NOON + 6000))
    invoice_all(visited.app)
    [(invoice_id,)] = told(visited.app, "SELECT id FROM invoices WHERE kind = 'invoice'")
    [(note_id,)] = told(visited.app, "SELECT id FROM invoices WHERE kind = 'credit_note'")
    with visited.app.writing() as connection:
        received = Received(
            owner_id="ann",
            seller_id="acme",
            currency="USD",
            amount_minor=4_00,
            reference="till 7",
            received_at=LATER,
            invoice_id=invoice_id,
        )
        record(connection, received, author="test", now=LATER + 1)

    listed = visited.read("ann", "/me/invoices")
    assert "ACME-2027-000001" in listed
    assert "ACME-C-2027-000001" in listed
    assert "Less than $0.50 is not asked for" in listed
    assert "Less than $0.50 is not asked for" in visited.read("ann", "/me/account")

    page = visited.read("ann", f"/me/invoices/{invoice_id}")
    for said in ("Total $6.00", "To pay $6.00", "5 minutes at $0.40", "Paid $4.00", "Open $1.00", "ACME-C-2027-000001"):
        assert said in page, said
    note = visited.read("ann", f"/me/invoices/{note_id}")
    assert "corrects invoice ACME-2027-000001" in note
    assert "-$1.00" in note

    answer = visited.browser("ann").get(f"/me/invoices/{invoice_id}.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["session"], row["amount_minor"], row["minutes"]) for row in rows] == [
        ("h1/a", "200", "5"),
        ("m1/b", "400", "10"),
        ("", "600", ""),
    ]
    pytest.importorskip("typst", reason="the extra pdf is not installed")
    for document in (invoice_id, note_id):
        printed = visited.browser("ann").get(f"/me/invoices/{document}", params={"as": "pdf"})
        assert printed.status_code == 200, printed.text
        assert printed.content.startswith(b"%PDF-")
        assert b"pdfaid:part" in printed.content

    visited.get("bob", f"/me/invoices/{invoice_id}", 404)
    visited.get("finance", f"/invoices/ann/{invoice_id}")
    visited.get("support", f"/invoices/ann/{invoice_id}.csv")
    visited.get("operator", f"/invoices/ann/{invoice_id}", 403)


def test_programs_read_the_same_and_finance_page_by_page(database_url: str) -> None:
    with open_doors(database_url) as doors:
        invoice_all(doors.app)
        for n in range(4):
            set_clock(doors.app, NOW + 1 + n)
            post(doors.app, a_session("h1", f"more-{n}", at=NOON - 20_000 * (n + 1)))
            invoice_all(doors.app)
        everybodys = doors.every_row("finance", "/v1/invoices", limit=2)
        anns = doors.every_row("ann", "/v1/me/invoices", limit=2)
        assert len(everybodys) == 6
        assert [one for one in everybodys if one["owner"] == "ann"] == anns
        assert doors.get("finance", "/v1/invoices", owner="bob", currency="USD")["items"][0]["open_minor"] == 4_00

        one = doors.get("ann", f"/v1/me/invoices/{anns[-1]['id']}")
        assert [(line["session"], line["billed_s"], line["amount_minor"]) for line in one["lines"]] == [
            ("h1/anns", 300, 2_00)
        ]
        assert one["lines"][0]["items"] == [{"minutes": 5, "rate_minor": 40, "amount_minor": 200}]
        assert (one["to_ask_minor"], one["open_minor"], one["paid_by"]) == (2_00, 2_00, [])
        assert doors.get("finance", f"/v1/invoices/ann/{one['id']}") == one
        assert doors.ask("bob", "GET", f"/v1/me/invoices/{one['id']}").status_code == 404

        post(doors.app, a_session("h1", "little", idle_s=360, at=NOON - 200_000))
        invoice_all(doors.app)
        [waits] = doors.get("ann", "/v1/me/carried")
        assert (waits["amount_minor"], waits["least_minor"], waits["until"]) == (40, 50, None)
        assert doors.every_row("finance", "/v1/carried", seller="acme") == [waits]


def test_a_policy_is_decided_by_operators_with_all_faults_named_at_once(database_url: str) -> None:
    with open_doors(database_url) as doors:
        path = "/v1/sellers/acme/policy"
        assert doors.get("finance", path)["invoice_at"] == "session_end"
        toml = {"Content-Type": "application/toml"}
        bad = 'invoice_at = "weekly"\ncolour = "red"\n[dunning]\nretry_days = [3, 1]\n'
        answer = doors.ask("operator", "PUT", path, params={"reason": "x"}, content=bad, headers=toml)
        assert answer.status_code == 422
        assert [fault["where"] for fault in answer.json()["faults"]] == ["invoice_at", "dunning.retry_days", "colour"]
        good = 'invoice_at = "monthly"\nprefix = "QUAY"\n[minimum_minor]\nUSD = 500\n'
        answer = doors.ask("operator", "PUT", path, params={"reason": "less paper"}, content=good, headers=toml)
        assert answer.status_code == 200, answer.text
        shown = doors.ask("support", "GET", path, params={"format": "toml"})
        again = doors.ask("operator", "PUT", path, params={"reason": "x"}, content=shown.content, headers=toml)
        assert again.json() == answer.json()
        [version] = doors.get("operator", f"{path}/versions")
        assert (version["n"], version["reason"], version["policy"]["prefix"]) == (1, "less paper", "QUAY")
        assert doors.ask("finance", "PUT", path, params={"reason": "x"}, json={}).status_code == 403
        assert doors.ask("operator", "PUT", "/v1/sellers/none/policy?reason=x", json={}).status_code == 404
