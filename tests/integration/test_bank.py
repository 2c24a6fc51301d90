"""Without a card processor: payments written down by hand, and a bank's file. On both engines.

The books must hold the bank's money as soon as it is known, each cent once, whoever decides what it was and however
often they change their mind.
"""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from api.wiring import Idlefee
from api.worker import Worker
from billing.ledger import trial_balance
from billing.payments import by_hand
from billing.payments.by_hand import BadRecord, Received
from billing.reconcile.bank import lines as bank
from billing.reconcile.bank import listing
from billing.reconcile.bank.candidates import MOST_OF_AN_AMOUNT
from billing.reconcile.bank.matching import Proposal
from billing.reconcile.bank.reading import BankFormat, read_statement
from billing.store.invoices import invoices
from billing.store.reconciliation import payouts
from tests.integration.doors import open_doors
from tests.integration.small_world import LATER, NOON, a_session, post, small_world, told

DAY = 24 * 3600
GERMAN = BankFormat(
    date="Buchungstag",
    date_form="%d.%m.%Y",
    amount="Betrag",
    currency="EUR",
    text=("Verwendungszweck", "Name"),
    decimal=",",
    delimiter=";",
    encoding="cp1252",
    skip=1,
)


@pytest.fixture
def world(database_url: str) -> Iterator[Idlefee]:
    """Ann owes $2.00 (invoice ACME-2027-1) and $6.00 (ACME-2027-12)."""
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"), a_session("h1", "b", at=NOON + DAY, idle_s=1200))
        with app.writing() as connection:
            connection.execute(
                insert(invoices),
                [an_invoice("i-1", 1, 2_00, NOON + DAY), an_invoice("i-12", 12, 6_00, NOON + 2 * DAY)],
            )
        yield app


def an_invoice(id_: str, number: int, total_minor: int, at: int) -> dict[str, object]:
    return {
        "owner_id": "ann",
        "id": id_,
        "seller_id": "acme",
        "currency": "USD",
        "kind": "invoice",
        "series": "2027",
        "number": number,
        "name": f"ACME-2027-{number}",
        "issued_at": at,
        "total_minor": total_minor,
        "tax_minor": 0,
        "due_minor": total_minor,
        "corrects": None,
        "body": "{}",
    }


def standing(app: Idlefee) -> dict[str, int]:
    """Every account's balance where it is not zero; together they sum to zero."""
    with app.reading() as connection:
        rows = trial_balance(connection)
    assert sum(row.balance_minor for row in rows) == 0
    return {row.account.value: row.balance_minor for row in rows if row.balance_minor}


def imported(app: Idlefee, *rows: str) -> bank.Imported:
    content = "\n".join(("date,amount,currency,text", *rows)).encode()
    return bank.import_lines(app.engine, app.clock, "acme", read_statement(content, BankFormat()), author="finance")


def waiting(app: Idlefee) -> list[dict[str, object]]:
    with app.reading() as connection:
        return listing.lines_after(connection)


# ---------------------------------------------------------------- by hand


def received(**more: object) -> Received:
    said = {"owner_id": "ann", "seller_id": "acme", "currency": "USD", "amount_minor": 2_00, "reference": "receipt 7"}
    return Received(**{**said, "received_at": LATER - DAY, **more})  # type: ignore[arg-type]


def test_a_payment_written_down_twice_is_there_once_and_a_mistake_is_taken_back_by_a_new_transfer(
    world: Idlefee,
) -> None:
    with world.writing() as connection:
        assert by_hand.record(connection, received(invoice_id="i-1"), author="test", now=LATER)
        assert not by_hand.record(connection, received(invoice_id="i-1"), author="test", now=LATER)
    assert standing(world) == {"receivable": 6_00, "revenue": -8_00, "bank": 2_00}

    payment_id = received().id
    for again in (True, False):
        with world.writing() as connection:
            taken = by_hand.reverse(connection, "ann", payment_id, reason="Bob's", author="test", now=LATER)
        assert taken is again
    assert standing(world) == {"receivable": 8_00, "revenue": -8_00}
    reasons = told(world, "SELECT n, reason FROM account_transfers ORDER BY n")
    assert reasons == [(1, "received: receipt 7"), (2, "reversed: Bob's")]

    with world.writing() as connection:
        assert by_hand.record(connection, received(), author="test", now=LATER), "what was reversed stands again"
    assert standing(world)["bank"] == 2_00


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 0},
        {"currency": "XXX"},
        {"reference": " "},
        {"received_at": LATER + 1},
        {"invoice_id": "i-1", "currency": "EUR"},
    ],
)
def test_what_cannot_be_a_payment_is_refused(world: Idlefee, wrong: dict[str, object]) -> None:
    with pytest.raises(BadRecord), world.writing() as connection:
        by_hand.record(connection, received(**wrong), author="test", now=LATER)
    assert told(world, "SELECT count(*) FROM payments") == [(0,)]


# ---------------------------------------------------------------- the bank's file


def test_a_file_is_imported_once_however_often_it_comes_and_what_names_its_invoice_is_matched(world: Idlefee) -> None:
    rows = (
        "2027-02-01,6.00,USD,Thank you ACME 2027/12 Ann",
        "2027-02-01,1.00,USD,for the charger",
        "2027-02-01,1.00,USD,for the charger",
        "2027-02-02,-3.00,USD,account fee",
    )
    first, again = imported(world, *rows), imported(world, *rows, "2027-02-03,0.10,USD,interest")

    assert first == bank.Imported(new=4, known=0, matched=1, waiting=3)
    assert again == bank.Imported(new=1, known=4, matched=0, waiting=4)
    assert told(world, "SELECT owner_id, invoice_id, means, amount_minor FROM payments") == [
        ("ann", "i-12", "bank", 600)
    ]
    assert standing(world) == {"receivable": 2_00, "revenue": -8_00, "bank": 5_10, "suspense": 90}


def test_a_number_within_a_longer_number_and_an_amount_that_differs_are_left_to_a_person(world: Idlefee) -> None:
    imported(world, "2027-02-01,2.00,USD,ACME-2027-123", "2027-02-01,5.00,USD,ACME-2027-12")

    by_text = {row["text"]: json.loads(str(row["proposal"])) for row in waiting(world)}
    assert [one["because"] for one in by_text["ACME-2027-123"]] == ["ACME-2027-1 is open at that amount"]
    assert [one["because"] for one in by_text["ACME-2027-12"]] == ["names ACME-2027-12"]
    assert standing(world)["suspense"] == -7_00


def test_thousands_of_invoices_of_the_same_amount_do_not_hide_the_one_that_is_named(world: Idlefee) -> None:
    others = (an_invoice(f"i-{n}", n, 2_00, NOON + 3 * DAY) for n in range(1_000, 1_001 + MOST_OF_AN_AMOUNT))
    with world.writing() as connection:
        connection.execute(insert(invoices), [{**other, "owner_id": f"x{other['number']}"} for other in others])
    assert imported(world, "2027-02-01,2.00,USD,for ACME-2027-1").matched == 1
    assert told(world, "SELECT owner_id FROM payments") == [("ann",)]


def test_a_person_decides_takes_it_back_and_decides_anew(world: Idlefee) -> None:
    imported(world, "2027-02-01,2.00,USD,no name")
    (line,) = waiting(world)
    id_ = str(line["id"])
    by = {"author": "finance:1", "reason": "she called"}

    bank.accept(world.engine, world.clock, "acme", id_, listing.to_record("ann"), **by)
    assert standing(world) == {"receivable": 6_00, "revenue": -8_00, "bank": 2_00}
    with pytest.raises(bank.NotOpen):
        bank.accept(world.engine, world.clock, "acme", id_, listing.to_record("ann"), **by)

    bank.release(world.engine, world.clock, "acme", id_, **by)
    assert standing(world) == {"receivable": 8_00, "revenue": -8_00, "bank": 2_00, "suspense": -2_00}

    with world.writing() as connection:
        bank.set_aside(connection, "acme", id_, author="finance:1", reason="the owner's rent", now=LATER)
    assert standing(world) == {"receivable": 8_00, "revenue": -8_00}

    bank.release(world.engine, world.clock, "acme", id_, **by)
    bank.accept(world.engine, world.clock, "acme", id_, listing.to_record("ann", "i-1"), **by)
    assert standing(world) == {"receivable": 6_00, "revenue": -8_00, "bank": 2_00}
    assert told(world, "SELECT count(*) FROM payments") == [(1,)], "the same line is the same payment"


def test_the_line_of_a_payment_that_was_written_down_by_hand_counts_once(world: Idlefee) -> None:
    with world.writing() as connection:
        by_hand.record(connection, received(), author="test", now=LATER)
    imported(world, "2027-02-10,2.00,USD,ACME-2027-1")
    (line,) = waiting(world)
    recorded, *_ = [one for one in listing.proposals_of(line) if one.kind == "recorded"]

    bank.accept(world.engine, world.clock, "acme", str(line["id"]), recorded, author="finance:1", reason="that one")
    assert standing(world) == {"receivable": 6_00, "revenue": -8_00, "bank": 2_00}


def test_a_payout_is_known_by_its_amount_and_day(world: Idlefee) -> None:
    with world.writing() as connection:
        said = {"seller_id": "acme", "id": "po_1", "currency": "USD", "amount_minor": 41_00, "status": "paid"}
        at = {"created_at": LATER, "arrives_at": NOON + 20 * DAY, "seen_at": LATER}
        connection.execute(insert(payouts).values(**said, **at))
    done = imported(world, "2027-02-04,41.00,USD,STRIPE PAYMENTS")

    assert done.matched == 1
    assert standing(world) == {"receivable": 8_00, "revenue": -8_00, "bank": 41_00, "in_transit": -41_00}
    imported(world, "2027-02-05,1.00,USD,STRIPE PAYMENTS")
    (line,) = waiting(world)
    proposal = Proposal("payout", "", id="po_1")
    with pytest.raises(BadRecord, match="amount"):
        bank.accept(world.engine, world.clock, "acme", str(line["id"]), proposal, author="x", reason="x")


def test_a_bank_of_another_country_is_read_by_its_own_columns() -> None:
    content = (
        "Umsätze von Konto 1\nBuchungstag;Betrag;Name;Verwendungszweck\n"
        "05.02.2027;1.234,50;Jörg Öl;Rechnung ACME-2027-1\n\n06.02.2027;-0,99;Bank;Gebühr\n"
    )
    first, second = read_statement(content.encode("cp1252"), GERMAN)
    assert (first.amount_minor, first.currency, first.text) == (1_234_50, "EUR", "Rechnung ACME-2027-1 · Jörg Öl")
    assert second.amount_minor == -99


# ---------------------------------------------------------------- the doors


def test_finance_does_all_of_it_over_http(database_url: str) -> None:
    with open_doors(database_url, LATER) as doors:
        paid = {"seller": "acme", "currency": "USD", "amount_minor": 1_00, "reference": "receipt 7"}
        first = doors.send("finance", "/v1/owners/ann/payments", paid)
        assert doors.send("finance", "/v1/owners/ann/payments", paid) == first | {"recorded": False}
        back = f"/v1/owners/ann/payments/{first['payment']}/reversal"
        assert doors.send("finance", back, {"reason": "Bob's"})["recorded"]
        assert doors.send("finance", "/v1/owners/ann/payments", paid | {"currency": "XXX"}, 422)["code"] == "bad_record"

        content = "date,amount,currency,text\n2027-02-01,4.00,USD,thanks\n2027-02-02,-1.00,USD,fee\n"
        done = doors.send("finance", "/v1/sellers/acme/bank-lines", {"content": content})
        assert done == {"new": 2, "known": 0, "matched": 0, "waiting": 2}
        wrong = {"content": content, "format": {"date": "Tag", "colour": "red"}}
        assert doors.send("finance", "/v1/sellers/acme/bank-lines", wrong, 422)["code"] == "unreadable_statement"
        thanks, fee = doors.every_row("finance", "/v1/bank-lines", limit=1)
        decide = "/v1/sellers/acme/bank-lines/{}/decision"
        hers = {"what": "payment", "owner": "ann", "reason": "she called"}
        assert doors.send("finance", decide.format(thanks["id"]), hers)["owner"] == "ann"
        assert doors.send("finance", decide.format(thanks["id"]), hers, 409)["code"] == "not_open"
        assert doors.get("finance", "/v1/ledger/balances")["items"][0]["amount_minor"] == 2_00 - 4_00

        asked = doors.send("finance", "/v1/sellers/acme/reconciliations", {})
        assert asked["seller"] == "acme"
        Worker(doors.app, channels=[]).run_due()
        (left,) = doors.every_row("operator", "/v1/differences")
        assert (left["code"], left["subject"]) == ("bank_line_unknown", f"bank {fee['id']}")
        seen_to = f"/v1/sellers/acme/differences/{left['id']}"
        assert doors.send("operator", seen_to, {"assigned_to": "finance", "note": "a fee"})["note"] == "a fee"
        doors.send("finance", decide.format(fee["id"]), {"what": "not_ours", "reason": "the bank's fee"})
        doors.send("finance", "/v1/sellers/acme/reconciliations", {})
        Worker(doors.app, channels=[]).run_due()
        assert doors.every_row("finance", "/v1/differences") == []
        assert doors.get("finance", "/v1/reconciliations")[0]["found"] == 0
