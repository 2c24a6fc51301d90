"""Payouts: out of the processor's account, in transit, at the bank, in the books of the account's holder."""

from collections.abc import Iterator

import pytest

from billing.reconcile.bank import lines as bank
from billing.reconcile.bank.reading import BankFormat, read_statement
from billing.reconcile.cases import Code
from billing.reconcile.nightly import account_holder
from sessions.sites import Unknown, add_seller
from tests.integration.small_world import LATER
from tests.integration.till import DAY, Till, opened


@pytest.fixture
def at(database_url: str) -> Iterator[Till]:
    with opened(database_url) as made:
        yield made


def test_a_payout_goes_through_transit_to_the_bank(at: Till) -> None:
    at.paid(6_00)
    at.sandbox.orders.advance(7 * DAY)
    (payout,) = at.sandbox.orders.pay_out()
    assert at.reconcile().found == 0
    assert at.agrees()
    in_transit = at.standing()["in_transit"]
    assert in_transit == payout["amount"]

    later = "2027-03-30"
    imported(at, f"{later},0.01,USD,interest")
    at.reconcile()
    assert set(at.open().values()) == {Code.PAYOUT_NOT_AT_BANK, Code.BANK_LINE_UNKNOWN}

    imported(at, f"2027-02-24,{in_transit / 100:.2f},USD,STRIPE")
    at.reconcile()
    assert set(at.open().values()) == {Code.BANK_LINE_UNKNOWN}
    assert at.standing()["bank"] == in_transit + 1
    assert "in_transit" not in at.standing()


def imported(at: Till, *rows: str) -> None:
    content = "\n".join(("date,amount,currency,text", *rows)).encode()
    bank.import_lines(at.app.engine, at.app.clock, "acme", read_statement(content, BankFormat()), author="finance")


def test_a_payout_that_came_back_was_never_sent_and_its_bank_line_says_so(at: Till) -> None:
    at.paid(6_00)
    at.sandbox.orders.advance(7 * DAY)
    (payout,) = at.sandbox.orders.pay_out()
    at.reconcile()
    imported(at, f"2027-02-24,{payout['amount'] / 100:.2f},USD,STRIPE")
    at.sandbox.orders.fail_payout(str(payout["id"]))

    at.reconcile()
    assert set(at.open().values()) == {Code.BANK_LINE_DIFFERS}
    assert at.agrees()


def test_the_account_is_whose_it_is_said_to_be_else_who_collected_first(at: Till) -> None:
    with at.app.writing() as connection:
        assert account_holder(connection) == "acme", "there is no other"
        add_seller(connection, "aachen", "Aachen", "UTC", LATER)
        assert account_holder(connection) is None
    at.paid()
    with at.app.reading() as connection:
        assert account_holder(connection) == "acme"
        assert account_holder(connection, "aachen") == "aachen"
        with pytest.raises(Unknown):
            account_holder(connection, "nobody")
