"""When a payment does not come: the schedule, the notices, the last step, what freezes it and what ends it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from billing import ledger
from billing.invoices.policy import Dunning, Policy, decide
from billing.ledger import Account, Line, Transfer
from billing.payments import blocks, by_hand, cases
from billing.payments.cases import Case
from billing.payments.credits import Code as CreditCode
from billing.payments.credits import Wanted, ask, take_back
from billing.payments.looking import poll_later
from billing.payments.people import ENGINE, Deed, Person
from billing.payments.seen import look_at_arrears
from billing.store.payments import credits_given, payments
from billing.store.tables import notices
from sessions.store.queries import SessionKey
from tests.integration.paying import DECLINES, DISPUTES, NOW, VISA, Till, till

DAY = 24 * 3600
OPEN = "$10.00 is still open"
FINANCE = Person("finance:f1", "finance")


@pytest.fixture
def here(database_url: str) -> Iterator[Till]:
    with till(database_url) as here:
        yield here


def policy(here: Till, **dunning: object) -> None:
    with here.app.writing() as connection:
        made = Policy(dunning=Dunning(**dunning))  # type: ignore[arg-type]
        decide(connection, "acme", made, author="test", reason="a test", now=NOW)


def owes(here: Till, amount_minor: int = 10_00) -> str:
    """Ann owes it by a session, and is asked for it by an invoice."""
    lines = [
        (Line(Account.RECEIVABLE, "ann", "acme", "USD", None), amount_minor),
        (Line(Account.REVENUE, None, "acme", "USD", None), -amount_minor),
    ]
    with here.app.writing() as connection:
        ledger.post(connection, [Transfer(SessionKey("site", "st/s"), 1, "acme", "USD", "fee", lines)], NOW)
    invoice = here.invoice(amount_minor)
    here.work()
    return invoice


def case(here: Till) -> Case:
    with here.app.reading() as connection:
        found = cases.case_of(connection, "ann", here.payments()[-1].id)
    assert found is not None
    return found


def told(here: Till) -> list[str]:
    with here.app.reading() as connection:
        return list(
            connection.execute(select(notices.c.subject).order_by(notices.c.created_at, notices.c.id)).scalars()
        )


def blocked(here: Till) -> bool:
    with here.app.reading() as connection:
        return bool(blocks.standing(connection, "ann", "acme"))


def test_a_declined_payment_is_tried_on_the_policys_days_then_warned_of_then_blocked_for(here: Till) -> None:
    here.add_card(DECLINES)
    owes(here)
    tries = [here.payment().attempts]
    for day in (1, 3, 7):
        assert not blocked(here)
        here.work(NOW + day * DAY - 1)
        assert here.payment().attempts == tries[-1]
        here.work(NOW + day * DAY)
        tries.append(here.payment().attempts)
    assert (tries, case(here).stage, case(here).next_at) == ([1, 2, 3, 4], "warned", NOW + 14 * DAY)
    here.work(NOW + 14 * DAY - 1)
    assert not blocked(here)
    here.work(NOW + 14 * DAY)
    assert (blocked(here), here.payment().attempts) == (True, 4)
    assert sorted(told(here)) == sorted(
        [
            *3 * ["Your payment of $10.00 did not go through"],
            "Please pay $10.00 by Jan 29, 2027",
            "You can start no new session at Acme",
        ]
    )
    here.add_card(VISA)  # another card is tried at once, and what it pays ends everything
    here.work()
    assert (blocked(here), here.payment().state, case(here).ended_because) == (False, "succeeded", "paid")
    assert "You can start sessions at Acme again" in told(here)


def test_what_the_bank_refuses_for_good_is_not_tried_again_with_that_card(here: Till) -> None:
    here.add_card("pm_card_visa")
    card = here.add_card("pm_card_chargeCustomerFail")
    owes(here)
    assert here.payment().method_id == card.id
    with here.app.writing() as connection:
        connection.execute(update(payments).values(failure_code="stolen_card"))
    for day in (1, 3, 7, 14):
        here.work(NOW + day * DAY)
    assert (here.payment().attempts, blocked(here)) == (1, True)
    assert told(here).count("$10.00 is still open") == 2


def test_who_has_to_confirm_or_has_no_card_is_told_so(here: Till) -> None:
    owes(here)
    assert (here.payment().failure_code, told(here)) == ("no_payment_method", ["Please add a card: $10.00 is due"])
    with here.app.writing() as connection:
        connection.execute(update(payments).values(failure_code="authentication_required", attempts=1))
        look_at_arrears(connection, here.payment(), NOW)
    here.work()
    assert here.payment().state == "needs_owner"
    assert "Please confirm your payment of $10.00" in told(here)
    here.work(NOW + DAY)
    assert here.payment().attempts == 1


@pytest.mark.parametrize("won", [True, False])
def test_an_open_dispute_freezes_it_and_its_end_thaws_it(here: Till, won: bool) -> None:
    here.add_card(DISPUTES)
    first = here.invoice(5_00)
    with here.app.writing() as connection:
        poll_later(connection, NOW)
    here.work()
    here.work(NOW + 600)
    here.add_card(DECLINES)
    owes(here)
    assert (here.payments()[0].invoice_id, case(here).frozen_because) == (first, "a dispute is open")
    here.work(NOW + 6 * DAY)
    assert (here.payments()[-1].attempts, blocked(here)) == (1, False)
    (dispute,) = here.at_stripe("dispute")
    here.sandbox.orders.close_dispute(dispute["id"], won=won)
    here.work(NOW + 6 * DAY + 3600)
    here.work()
    assert case(here).frozen_because is None
    assert NOW + 6 * DAY < (case(here).next_at or 0) <= NOW + 7 * DAY + 2 * 3600
    for day in (1, 2, 4):
        here.work(here.clock.now() + day * DAY + 60)
    assert (here.payments()[-1].attempts, case(here).stage) == (4, "warned")


def test_what_is_written_off_is_asked_for_no_more_and_may_be_taken_back(here: Till) -> None:
    policy(here, retry_days=(1,), last_step="write_off", last_step_days=3)
    here.add_card(DECLINES)
    owes(here)
    here.work(NOW + DAY)
    here.work(NOW + 3 * DAY)
    assert (case(here).ended_because, here.balances()) == ("written off", {"bad_debt": 10_00, "revenue": -10_00})
    here.add_card(VISA)
    here.work()
    assert (here.payment().state, told(here)) == ("cancelled", ["Your payment of $10.00 did not go through", OPEN])
    with here.app.writing() as connection:
        (given,) = connection.execute(select(credits_given.c.id)).scalars()
        assert take_back(connection, "ann", given, FINANCE, "she came and paid", NOW).state == "reversed"
    assert (here.owed()["acme", "USD"], here.balances().get("bad_debt")) == (10_00, None)


def test_it_ends_when_nothing_is_owed_any_more(here: Till) -> None:
    policy(here, retry_days=(), last_step="hand_over", last_step_days=3)
    here.add_card(DECLINES)
    owes(here)
    assert (case(here).stage, told(here)) == ("warned", ["Please pay $10.00 by Jan 18, 2027"])
    with here.app.writing() as connection:
        wanted = Wanted(
            owner_id="ann",
            seller_id="acme",
            currency="USD",
            deed=Deed.CREDIT,
            amount_minor=10_00,
            code=CreditCode.OUR_MISTAKE,
            reason="the charger was broken",
        )
        ask(connection, wanted, ENGINE, NOW)
    here.work(NOW + 3 * DAY)
    assert (case(here).ended_because, here.payment().state) == ("nothing is owed any more", "cancelled")


def test_who_is_blocked_and_pays_by_hand_may_charge_again(here: Till) -> None:
    policy(here, retry_days=(), last_step="block", last_step_days=3)
    here.add_card(DECLINES)
    invoice = owes(here)
    here.work(NOW + 3 * DAY)
    assert blocked(here)
    paid = by_hand.Received(
        owner_id="ann",
        seller_id="acme",
        currency="USD",
        amount_minor=10_00,
        reference="receipt 7",
        received_at=here.clock.now(),
        invoice_id=invoice,
    )
    with here.app.writing() as connection:
        by_hand.record(connection, paid, author="test", now=here.clock.now())
    here.work()
    states = {one.means: one.state for one in here.payments()}
    assert (blocked(here), states) == (False, {"card": "cancelled", "hand": "succeeded"})
