"""Giving money back through the API: two people where it takes two, one deed under one key, and what a station asks."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert

from api.access.keys import Role, issue
from billing.payments.blocks import Block, block
from billing.store.payments import disputes, payments
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import NOON

REFUND = {"owner": "bob", "payment": "pay_1", "amount_minor": 2_00, "code": "goodwill", "reason": "a long wait"}
CREDIT = {
    "owner": "bob",
    "seller": "acme",
    "currency": "USD",
    "amount_minor": 300_00,
    "code": "our_mistake",
    "reason": "billed for a broken charger",
}


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as doors:
        with doors.app.writing() as connection:
            for name, label in (("finance_again", "finance"), ("second", "another person")):
                doors.keys[name] = issue(connection, Role.FINANCE, label=label, now=NOON).text
            row = {"owner_id": "bob", "id": "pay_1", "seller_id": "acme", "currency": "USD", "means": "card"}
            paid: dict[str, Any] = {"amount_minor": 90_00, "captured_minor": 90_00, "state": "succeeded"}
            more = {"processor_ref": "pi_1", "author": "idlefee", "created_at": NOON, "changed_at": NOON}
            connection.execute(insert(payments).values(**row, **paid, **more))
        yield doors


def test_a_refund_is_asked_for_once_under_one_key(doors: Doors) -> None:
    first = doors.send("support", "/v1/refunds", REFUND, key="k")
    again = doors.send("support", "/v1/refunds", REFUND, key="k")
    assert (first["state"], first["replayed"], again["replayed"]) == ("approved", False, True)
    assert again["id"] == first["id"]
    reused = doors.send("support", "/v1/refunds", REFUND | {"amount_minor": 3_00}, 409, key="k")
    assert reused["code"] == "key_reused"
    assert doors.send("support", "/v1/refunds", REFUND | {"amount_minor": 60_00}, 403)["code"] == "over_limit"
    assert doors.send("finance", "/v1/refunds", REFUND | {"amount_minor": 88_01}, 409)["code"] == "too_much"
    assert [one["amount_minor"] for one in doors.get("bob", "/v1/me/refunds")] == [2_00]


def test_above_the_limit_it_takes_another_person_whichever_key_they_use(doors: Doors) -> None:
    given = doors.send("finance", "/v1/credits", CREDIT)
    path = f"/v1/credits/bob/{given['id']}/"
    assert (given["state"], doors.get("bob", "/v1/me/credits")) == ("asked", [])
    assert [one["id"] for one in doors.every_row("support", "/v1/credits")] == [given["id"]]
    for who in ("finance", "finance_again", "support"):
        assert doors.send(who, path + "approve", {"reason": "fine"}, 403)["code"] == "over_limit"
    posted = doors.send("second", path + "approve", {"reason": "seen the report"})
    assert (posted["state"], posted["decided_because"]) == ("posted", "seen the report")
    assert doors.send("second", path + "refuse", {"reason": "no"}, 409)["code"] == "already_decided"
    assert doors.get("bob", "/v1/me/balance")[0]["amount_minor"] == 4_00 - 300_00
    assert doors.send("support", path + "take-back", {"reason": "x"}, 403)["code"] == "over_limit"
    assert doors.send("finance", path + "take-back", {"reason": "the wrong owner"})["state"] == "reversed"
    assert doors.get("bob", "/v1/me/balance")[0]["amount_minor"] == 4_00
    (deed,) = doors.every_row("finance", "/v1/audit", what="credit_taken_back")
    assert deed["reason"] == "the wrong owner"


def test_a_write_off_uses_what_is_provided_for_first(doors: Doors) -> None:
    doors.send("finance", "/v1/provisions", {"seller": "acme", "currency": "USD", "amount_minor": 1_00, "reason": "Q2"})
    over = {"seller": "acme", "currency": "USD", "amount_minor": -1_01, "reason": "Q2"}
    assert doors.send("finance", "/v1/provisions", over, 422)["code"] == "amount_too_small"
    write_off = CREDIT | {"kind": "write_off", "code": "insolvent", "amount_minor": 4_01}
    assert doors.send("finance", "/v1/credits", write_off, 409)["code"] == "nothing_owed"
    done = doors.send("finance", "/v1/credits", write_off | {"amount_minor": 4_00})
    assert (done["state"], done["allowance_minor"]) == ("posted", 1_00)
    balances = {
        row["account"]: row["balance_minor"] for row in doors.get("finance", "/v1/ledger/trial-balance")["accounts"]
    }
    assert (balances["allowance"], balances["bad_debt"]) == (0, 1_00 + 3_00)
    assert doors.get("finance", "/v1/provisions/acme/USD")["amount_minor"] == 0


def test_a_station_hears_whether_a_token_may_charge_and_nothing_else(doors: Doors) -> None:
    free = {"may_charge": True, "because": None, "since": None, "owner": None}
    assert doors.get("h1", "/v1/tokens/BOB/admission") == free
    with doors.app.writing() as connection:
        block(connection, Block("bob", "pay_1", "acme", NOW, "arrears"))
    told = doors.get("m1", "/v1/tokens/BOB/admission")
    assert (told["may_charge"], told["because"], told["owner"]) == (False, "arrears", None)
    assert doors.get("operator", "/v1/tokens/BOB/admission", station="m1")["owner"] == "bob"
    assert doors.get("h1", "/v1/tokens/ANN/admission") == doors.get("h1", "/v1/tokens/un/known/admission") == free
    assert doors.ask("operator", "GET", "/v1/tokens/BOB/admission").status_code == 422
    assert [one["seller"] for one in doors.get("bob", "/v1/me/blocks")] == ["acme"]
    lifted = doors.ask("finance", "POST", "/v1/blocks/bob/pay_1/lift", json={"reason": "pays by transfer"})
    assert (lifted.status_code, doors.get("m1", "/v1/tokens/BOB/admission")) == (204, free)


def test_a_dispute_is_decided_with_a_reason_and_its_evidence_is_one_text(doors: Doors) -> None:
    with doors.app.writing() as connection:
        row = {"owner_id": "bob", "id": "dp_1", "payment_id": "pay_1", "seller_id": "acme", "currency": "USD"}
        more = {"amount_minor": 4_00, "fee_minor": 15_00, "reason": "fraudulent", "state": "open"}
        times = {"opened_at": NOON, "evidence_due_at": NOON + 86_400, "changed_at": NOON}
        connection.execute(insert(disputes).values(**row, **more, **times))
    (waiting,) = doors.every_row("finance", "/v1/disputes")
    path = f"/v1/disputes/bob/{waiting['id']}"
    doors.send("finance", f"{path}/decisions", {"decision": "contest", "reason": "he was told twice"})
    assert [one["decision"] for one in doors.get("support", path)["decisions"]] == ["contest"]
    text = doors.ask("finance", "GET", f"{path}/evidence.txt").text
    assert "Dispute dp_1 of $4.00, reason: fraudulent" in text
    assert "pi_1: $90.00" in text
