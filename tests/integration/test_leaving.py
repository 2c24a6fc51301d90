"""An owner's data as a file, and the way out: the books stay, the person goes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, inspect, select, text, update

from api.access import letters
from api.access.secret import Secret
from api.access.tables import devices
from api.ledger_files import ledger_file
from api.personal import personal_data
from api.worker import Worker
from billing import decisions
from billing.books import Wanted
from billing.exports import Format
from billing.jobs import Job, schedule
from billing.ledger import Account, Line, Subject, converge
from billing.notices.contacts import WEBHOOK, add_contact
from billing.notices.health import note_failure
from billing.notices.preferences import Preferences, save_preferences
from billing.owners import OwnerUnknown, Vehicle, add_vehicle, end_token, give_token, set_email, tokens_of
from billing.store.arrears import arrears, blocks, dispute_decisions
from billing.store.invoices import carried
from billing.store.payments import (
    calls,
    credits_given,
    customers,
    disputes,
    payment_attempts,
    payment_methods,
    payments,
    refunds,
    setups,
)
from billing.store.periods import period_statements
from billing.store.reconciliation import bank_lines
from billing.store.tables import deliveries, jobs, notices
from billing.verify import verify
from sessions.database import metadata
from tests.integration.command_line import Shell
from tests.integration.doors import open_doors
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits
from tests.integration.small_world import NOON, a_session, post, told

PERSONAL = ("Ann", "ann@example.org", "Annmobile", "ANN 123", "ANNPLATE", "ANNSCARD", "annhook", "ann@new", "ann's")
KEPT_BY_LAW = {"invoices": {"Ann"}}  # a document keeps whom it was issued to


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


def lived_in(visited: Visits) -> None:
    """A row of Ann's wherever a person can have one, and some of Bob's beside it."""
    with visited.app.writing() as connection:
        connection.execute(text("UPDATE owners SET email = 'ann@example.org' WHERE id = 'ann'"))
        for owner_id in ("ann", "bob"):
            add_vehicle(
                connection, owner_id, Vehicle("v1", f"{owner_id.title()}mobile", f"{owner_id.upper()}PLATE"), NOON
            )
            add_contact(connection, owner_id, WEBHOOK, "car", {"url": f"https://example.org/{owner_id}hook"}, NOON)
            muted = Preferences(22 * 60, 6 * 60, "Europe/Berlin", frozenset({("fee_step", "email")}))
            save_preferences(connection, owner_id, muted, NOON)
            seen = {"id": f"d-{owner_id}", "owner_id": owner_id, "label": f"{owner_id}'s phone"}
            connection.execute(insert(devices).values(**seen, first_seen_at=NOON, last_seen_at=NOON))
            month = dict.fromkeys((column.name for column in period_statements.c if column.name.endswith("_minor")), 0)
            whose = {"seller_id": "acme", "month": "2026-12", "owner_id": owner_id, "currency": "USD"}
            connection.execute(insert(period_statements).values(whose | month))
            with_a_card(connection, owner_id)
            in_trouble(connection, owner_id)
        give_token(connection, visited.app.names, uid="ANNSCARD", owner_id="ann", author="test", now=NOON)
    until(visited, FULL_AT + 60)
    post(visited.app, standing("anns"), standing("bobs", station="m1", token="BOB"))
    Worker(visited.app, channels=[]).run_due()
    until(visited, FULL_AT + 700)
    for session, station in (("anns", "h1"), ("bobs", "m1")):
        post(visited.app, [event("unplugged", FULL_AT + 700, session, station=station)])
    Worker(visited.app, channels=[]).run_due()
    post(visited.app, a_session("h2", "claimed", token=None))
    with visited.app.writing() as connection:
        key = decisions.session_key(connection, "h2/claimed")
        decisions.claim(connection, key, "ann", author="test", reason="hers", now=NOON + 2600)
        out_of_luck(connection, visited.app.secret, NOON + 2600)


def in_trouble(connection: Connection, owner_id: str) -> None:
    """A payment that did not come, and what was given back, taken back and disputed of another."""
    whose = {"owner_id": owner_id, "seller_id": "acme", "currency": "USD"}
    asked = {"amount_minor": 1, "reason_code": "goodwill", "reason": "x", "asked_by": "test", "asked_at": NOON}
    connection.execute(insert(refunds).values(**whose, **asked, id="r", payment_id="p", state="asked", changed_at=NOON))
    connection.execute(insert(credits_given).values(**whose, **asked, id="c", kind="credit", state="asked"))
    dispute = {"id": f"dp_{owner_id}", "payment_id": "p", "amount_minor": 1, "fee_minor": 0, "reason": "fraudulent"}
    times = {"opened_at": NOON, "changed_at": NOON}
    connection.execute(insert(disputes).values(**whose, **dispute, **times, state="won"))
    said = {"dispute_id": dispute["id"], "n": 1, "decision": "note", "reason": "x", "author": "test"}
    connection.execute(insert(dispute_decisions).values(owner_id=owner_id, **said, recorded_at=NOON))
    case = {"payment_id": "p", "amount_minor": 1, "stage": "ended", "step": 0, "told": 0, "ended_at": NOON}
    connection.execute(insert(arrears).values(**whose, **case, **times))
    waits = {"amount_minor": 1, "sessions": 1, "since": NOON, "least_minor": 50, "changed_at": NOON}
    connection.execute(insert(carried).values(owner_id=owner_id, seller_id="acme", currency="EUR", **waits))
    lifted = {"id": "p", "since": NOON, "why": "arrears", "lifted_at": NOON}
    connection.execute(insert(blocks).values(owner_id=owner_id, seller_id="acme", **lifted))
    credit = {
        Line(Account.GOODWILL, None, "acme", "USD", None): 1,
        Line(Account.RECEIVABLE, owner_id, "acme", "USD", None): -1,
    }
    for target in (credit, {}):
        converge(connection, Subject(owner_id, "credit c"), target, "test", NOON)


def with_a_card(connection: Connection, owner_id: str) -> None:
    """A card, how it came here, and a payment with it that the bank was asked for."""
    whose = {"owner_id": owner_id, "seller_id": "acme"}
    setup = {"id": f"set_{owner_id}", "state": "complete", "consent": "I agree", "created_at": NOON, "changed_at": NOON}
    card = {"id": f"pm_{owner_id}", "kind": "card", "brand": "visa", "last4": "4242", "expires": "2030-01"}
    proof = {"consent": "I agree", "consent_at": NOON, "consent_ref": "seti_1", "added_at": NOON}
    paid = {"id": f"pay_{owner_id}", "currency": "USD", "means": "card", "amount_minor": 100, "state": "failed"}
    call = {"key": f"pay-{owner_id}", "purpose": "pay", "subject": f"{owner_id}/pay_{owner_id}", "digest": "0"}
    connection.execute(insert(customers).values(**whose, processor_ref=f"cus_{owner_id}", created_at=NOON))
    connection.execute(insert(setups).values(**whose, **setup))
    connection.execute(insert(payment_methods).values(**whose, **card, **proof))
    booked = {"booked_at": NOON, "currency": "USD", "amount_minor": 1, "text": f"by {owner_id.title()}mobile"}
    decided = {"state": "matched", "matched_kind": "recorded", "matched_id": f"pay_{owner_id}"}
    connection.execute(insert(bank_lines).values(**whose, **booked, **decided, id=f"line-{owner_id}", imported_at=NOON))
    connection.execute(insert(payments).values(**whose, **paid, author="idlefee", created_at=NOON, changed_at=NOON))
    tried = {"payment_id": paid["id"], "n": 1, "at": NOON, "outcome": "failed"}
    connection.execute(insert(payment_attempts).values(owner_id=owner_id, **tried))
    connection.execute(insert(calls).values(owner_id=owner_id, **call, planned_at=NOON, sent_at=NOON))


def out_of_luck(connection: Connection, secret: Secret, now: int) -> None:
    """What a server said of Ann's mail, and steps for her and Bob that wait for a person to look."""
    for owner_id in ("ann", "bob"):
        letters.ask_for_link(connection, secret, f"{owner_id.title()}@Example.org", now)
        letters.ask_to_confirm(connection, secret, owner_id, f"{owner_id}@new.example", now)
    told_of = select(notices.c.site_id, notices.c.id, notices.c.owner_id)
    for site_id, notice_id, owner_id in connection.execute(told_of).all():
        body = {"site_id": site_id, "session_id": "", "notice_id": notice_id, "channel": "webhook:x"}
        schedule(connection, [Job(f"hand_over:webhook:x:{notice_id}", "hand_over", now, body, site_id)], now)
        said = update(deliveries).where(deliveries.c.notice_id == notice_id)
        connection.execute(said.values(reference=f"250 kept for {owner_id}@example.org"))
    connection.execute(update(jobs).values(dead=True, last_error="Refused: 550 there is no annhook"))
    note_failure(connection, "webhook:x", "annhook does not answer", now)


def data_of(visited: Visits, who: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(visited.get(who, "/me/data.json"))
    return found


def test_the_file_holds_every_row_of_every_table_that_names_its_owner_and_of_nobody_else(visited: Visits) -> None:
    lived_in(visited)
    file = data_of(visited, "ann")
    assert file["owner"] == "ann"
    for table in metadata.sorted_tables:
        if "owner_id" not in table.c:
            continue
        with visited.app.reading() as connection:
            there = connection.execute(select(table).where(table.c.owner_id == "ann")).all()
        mine = [row for row in file["tables"][table.name] if row["owner_id"] == "ann"]
        assert len(mine) == len(there) > 0, f"{table.name}: give Ann a row of it in `lived_in`"
    tables = file["tables"]
    assert tables["owners"][0]["email"] == "ann@example.org"
    assert {row["uid"] for row in tables["tokens"]} == {"ANN", "ANNSCARD"}
    assert {row["id"] for row in tables["sessions"]} == {"h1/anns", "h2/claimed"}
    assert len(tables["events"]) == 8
    assert tables["charges"][0]["report"]["currency"] == "USD"
    assert tables["notices"]
    assert len(tables["deliveries"]) >= len(tables["notices"])
    assert {row["session_id"] for row in tables["notice_sessions"]} == {"h1/anns"}
    assert {row["session_id"] for row in tables["transfers"]} == {"h1/anns", "h2/claimed"}
    told_of = json.dumps(file)
    for others in ("bob", "Bob", "BOB"):
        assert others not in told_of
    for secret in ("whsec_", '"hash"', "previous_hash"):
        assert secret not in told_of


def test_the_page_about_the_file_names_every_table_in_it(visited: Visits) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "your-data.md").read_text(encoding="utf-8")
    named = {name for line in page.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line)}
    assert set(data_of(visited, "bob")["tables"]) == named


def test_an_owner_without_a_row_gets_a_file_too_and_only_their_own(visited: Visits) -> None:
    assert data_of(visited, "bob")["tables"]["sessions"] == []
    visited.get("", "/me/data.json", 401)
    visited.get("finance", "/me/data.json", 403)


def test_who_leaves_is_named_nowhere_signed_out_everywhere_and_every_bill_stays(visited: Visits) -> None:
    lived_in(visited)
    bills = told(visited.app, "SELECT session_id, owner_id, fee_minor, report FROM charges ORDER BY session_id")
    entries = told(visited.app, "SELECT * FROM entries ORDER BY transfer_id, line")
    page = visited.read("ann", "/me/delete")
    assert "The $4.40 you owe Acme." in page
    assert "Nothing was deleted." in visited.send("ann", "/me/delete", "/me/delete", 422).text
    answer = visited.send("ann", "/me/delete", "/me/delete", 200, sure="yes")
    assert "Your account is deleted" in answer.text
    visited.get("ann", "/me", 401)
    waiting = str(told(visited.app, "SELECT body FROM jobs WHERE kind <> 'sweep_access'"))
    assert all(bobs in waiting for bobs in ("Bob@Example.org", "bob@new.example", "webhook:x"))
    with visited.app.writing() as connection:  # the errors of those that are Bob's name nobody
        connection.execute(update(jobs).values(last_error=None))
    for table in inspect(visited.app.engine).get_table_names():
        rows = str(told(visited.app, f'SELECT * FROM "{table}"'))
        assert {name for name in PERSONAL if name in rows} == KEPT_BY_LAW.get(table, set()), table
        assert "'ANN'" not in rows, table
    assert told(visited.app, "SELECT session_id, owner_id, fee_minor, report FROM charges ORDER BY session_id") == bills
    assert told(visited.app, "SELECT * FROM entries ORDER BY transfer_id, line") == entries
    assert verify(visited.app.engine, visited.clock.now(), print).clean
    with visited.app.writing() as connection, pytest.raises(OwnerUnknown):  # a link that was opened in that moment
        set_email(connection, "ann", "ann@new.example")
    assert "Bobmobile" in visited.read("bob", "/me/vehicles")
    post(visited.app, [event("plugged_in", visited.clock.now() - 1, "later", station="h2", token="ANN")])
    assert "h2/later" not in str(told(visited.app, "SELECT session_id FROM charges WHERE owner_id = 'ann'"))


def test_nobody_leaves_while_their_car_is_plugged_in(visited: Visits) -> None:
    until(visited, FULL_AT + 60)
    page = visited.get("ann", "/me/delete")
    post(visited.app, standing("s"))
    assert 'action="/me/delete"' in page
    assert 'action="/me/delete"' not in visited.get("ann", "/me/delete")
    token = page.partition('name="form_token" value="')[2].partition('"')[0]
    answer = visited.browser("ann").post("/me/delete", data={"form_token": token, "sure": "yes"})
    assert answer.status_code == 409
    assert "Your car is still plugged in at Harbour" in answer.text
    assert "Move it by" in visited.read("ann", "/me")


def test_a_card_that_was_handed_on_keeps_its_number_when_one_of_its_owners_leaves(visited: Visits) -> None:
    until(visited, NOON + 60)
    with visited.app.writing() as connection:
        (card,) = tokens_of(connection, "ann")
        end_token(connection, "ann", card.id, NOON + 30)
        give_token(
            connection, visited.app.names, uid="ANN", owner_id="bob", author="test", now=NOON, valid_from=NOON + 40
        )
    visited.send("ann", "/me/delete", "/me/delete", 200, sure="yes")
    assert told(visited.app, "SELECT uid FROM tokens ORDER BY uid") == [("ANN",), ("BOB",)]
    assert "ANN Stands for you" in visited.read("bob", "/me/vehicles")


def test_programs_leave_too_and_staff_erase_by_command(database_url: str) -> None:
    with open_doors(database_url) as doors:
        file = doors.get("bob", "/v1/me/data")
        assert [row["id"] for row in file["tables"]["sessions"]] == ["m1/bobs"]
        made = doors.send("bob", "/v1/me/vehicles", {"name": "old"}, 201)
        path = f"/v1/me/vehicles/{made['id']}"
        assert doors.ask("bob", "PUT", path, json={"name": "new", "plate": "B 1"}).json()["name"] == "new"
        assert doors.ask("ann", "PUT", path, json={"name": "hers"}).status_code == 404
        (card,) = doors.get("bob", "/v1/me/tokens")
        assert doors.ask("ann", "DELETE", f"/v1/me/tokens/{card['id']}").status_code == 404
        assert doors.ask("bob", "DELETE", f"/v1/me/tokens/{card['id']}").status_code == 204
        post(doors.app, standing("still-here", station="h2", token="ANN"))
        refused = doors.ask("ann", "DELETE", "/v1/me")
        assert (refused.status_code, refused.json()["code"]) == (409, "still_plugged_in")
        assert doors.ask("bob", "DELETE", "/v1/me").status_code == 204
        assert doors.ask("bob", "GET", "/v1/me").status_code in {200, 401}  # a process may remember a key for seconds
        assert doors.get("support", "/v1/owners/bob")["name"] is None
    shell = Shell(database_url)
    assert "--yes" in shell("owner", "erase", "bob").err
    assert "unplug first" in shell("owner", "erase", "ann", "--yes").err
    shell.ok("owner", "erase", "bob", "--yes")


def test_a_file_is_given_ten_times_an_hour_and_keeps_no_connection_while_it_is_taken_in(database_url: str) -> None:
    with open_doors(database_url) as doors:
        ledger = ledger_file(doors.app, "finance:x", Format.CSV, Wanted())
        pieces = [personal_data(doors.app, "bob") for _ in range(3)]
        assert doors.app.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        assert {b"".join(file).startswith(b'{"about"') for file in pieces} == {True}
        assert b"".join(ledger).startswith(b"recorded_at,")
        assert [doors.ask("bob", "GET", "/v1/me/data").status_code for _ in range(11)] == [200] * 10 + [429]
        assert doors.ask("ann", "GET", "/v1/me/data").status_code == 200
