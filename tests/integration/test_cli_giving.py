"""Giving money back on the command line: what it prints, how it ends, and that nobody approves their own."""

import pytest

from api.settings import Settings
from api.wiring import running
from billing.payments.credits import Code, Wanted, ask
from billing.payments.people import Deed, Person
from tests.integration.command_line import Shell

CREDIT = ("credit", "ann", "--seller", "seller", "--currency", "USD", "--reason", "a long wait")


@pytest.fixture
def shell(sqlite_url: str) -> Shell:
    """For what has nothing to do with the kind of database."""
    shell = Shell(sqlite_url)
    shell.ok("site", "add", "mill", "--zone", "Europe/Berlin")
    shell.ok("owner", "add", "ann")
    return shell


def test_a_credit_within_the_limit_is_posted_and_one_above_waits_for_another_person(shell: Shell) -> None:
    assert shell.json(*CREDIT, "--amount", "2.50")["state"] == "posted"
    assert shell.json("owner", "list")[0]["owes_minor"] == {"USD": -2_50}
    said = shell.ok(*CREDIT, "--amount", "300").out
    assert "$300.00 for ann is asked: another person of finance approves it" in said
    waits = said.split(":")[0]
    refused = shell("approve", waits, "--owner", "ann", "--reason", "fine")
    assert (refused.code, "who asked for it cannot approve it" in refused.err) == (1, True)
    assert shell.json("approve", waits, "--owner", "ann", "--reason", "no", "--refuse")["state"] == "refused"


def test_what_somebody_with_a_key_asked_for_is_approved_here(shell: Shell) -> None:
    wanted = Wanted(
        owner_id="ann",
        seller_id="seller",
        currency="USD",
        deed=Deed.CREDIT,
        amount_minor=300_00,
        code=Code.GOODWILL,
        reason="x",
    )
    with running(Settings(database_url=shell.database_url)) as app, app.writing() as connection:
        given, _ = ask(connection, wanted, Person("finance:k1", "finance"), app.clock.now())
    assert shell.json("approve", given.id, "--owner", "ann", "--reason", "seen")["state"] == "posted"
    again = shell("approve", given.id, "--owner", "ann", "--reason", "seen")
    assert (again.code, again.err.strip().endswith("is posted already")) == (1, True)


def test_what_cannot_be_done_says_why_and_changes_nothing(shell: Shell) -> None:
    no_debt = shell(
        "write-off", "ann", "--seller", "seller", "--currency", "USD", "--amount", "1", "--reason", "gone away"
    )
    assert (no_debt.code, "ann owes seller 0 minor units" in no_debt.err) == (1, True)
    assert shell(*CREDIT, "--amount", "1", "--code", "charity").code == 2
    assert shell("refund", "ann", "pay_none", "--amount", "1", "--reason", "x").code == 1
    assert shell.ok("arrears").out == "Nothing is in arrears.\n"
    assert shell.json("arrears") == []
    set_aside = shell.ok("provision", "seller", "--amount", "500", "--currency", "USD", "--reason", "Q2").out
    assert set_aside == "seller has $500.00 set aside.\n"
