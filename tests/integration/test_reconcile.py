"""Every case of the table, made at the sandbox: what the engine puts right by itself, and what is left with its name.

At the end of each the books hold at the processor exactly what it says it holds.
"""

from collections.abc import Callable, Iterator
from random import Random

import pytest
from sqlalchemy import delete, insert, update

from billing.payments import by_hand
from billing.payments.by_hand import Received
from billing.reconcile import differences
from billing.reconcile.cases import Code
from billing.reconcile.facts import as_finding
from billing.reconcile.running import reconcile
from billing.store.payments import payments, refunds
from billing.store.reconciliation import payouts, processor_lines
from billing.verify import Code as Wrong
from billing.verify import Difference, verify
from sessions.sites import add_seller
from tests.integration.small_world import LATER
from tests.integration.till import DAY, Till, opened


@pytest.fixture
def at(database_url: str) -> Iterator[Till]:
    with opened(database_url) as made:
        yield made


# ---------------------------------------------------------------- what the engine puts right


def lost_webhook(at: Till) -> None:
    at.pay(at.row())


def lost_refund(at: Till) -> None:
    _, ref = at.paid()
    at.gateway.create_refund(ref, amount_minor=50, currency="USD", metadata={}, key=f"key-{next(at.numbers)}")


def lost_dispute(at: Till) -> None:
    _, ref = at.paid()
    at.sandbox.orders.dispute(ref)


def lost_verdict(at: Till) -> None:
    id_, ref = at.paid()
    dispute = at.sandbox.orders.dispute(ref)
    at.hear(id_, ref)
    at.sandbox.orders.close_dispute(str(dispute["id"]), won=False)


def lost_failure_of_a_refund(at: Till) -> None:
    id_, ref = at.paid()
    made = at.gateway.create_refund(ref, amount_minor=50, currency="USD", metadata={}, key=f"key-{next(at.numbers)}")
    at.hear(id_, ref)
    at.sandbox.orders.fail_refund(made.ref)


def lost_cancelling(at: Till) -> None:
    id_ = at.row()
    seen = at.pay(id_, card="pm_card_chargeCustomerFail")
    at.hear(id_, seen.ref)
    at.gateway.cancel_payment(seen.ref, key=f"key-{next(at.numbers)}")


def wrong_amount(at: Till) -> None:
    id_, _ = at.paid()
    change(at, id_, captured_minor=1_00)


def wrong_fee(at: Till) -> None:
    id_, _ = at.paid()
    change(at, id_, fee_minor=1)


def stuck(at: Till) -> None:
    id_ = at.row()
    change(at, id_, changed_at=LATER - 2 * DAY, processor_ref=at.pay(id_).ref)


def change(at: Till, id_: str, **values: object) -> None:
    with at.app.writing() as connection:
        connection.execute(update(payments).where(payments.c.id == id_).values(**values))


LOST = [
    lost_webhook,
    lost_refund,
    lost_dispute,
    lost_verdict,
    lost_failure_of_a_refund,
    lost_cancelling,
    wrong_amount,
    wrong_fee,
    stuck,
]


@pytest.mark.parametrize("story", LOST)
def test_what_got_lost_on_its_way_is_looked_up_and_followed(at: Till, story: Callable[[Till], None]) -> None:
    story(at)

    run = at.reconcile()

    assert (run.acted >= 1, run.found, at.open()) == (True, 0, {})
    assert at.agrees()
    assert at.reconcile()._replace(n=0, seen={}) == run._replace(n=0, seen={}, acted=0), "said twice, done once"


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_lost_together_exactly_what_a_person_has_to_see_is_left(at: Till, seed: int) -> None:
    """Any of it in any order, with a comparison now and then in between."""
    random = Random(seed)
    injected: dict[str, Code] = {}
    for story in random.choices(LOST, k=7):
        story(at)
        if random.random() < 0.2:
            injected[f"payment {at.pay(None).ref}"] = Code.UNKNOWN_PAYMENT
        if random.random() < 0.2:
            gone = at.row(processor_ref=f"pi_gone_{next(at.numbers)}", state="processing")
            injected[f"payment {gone}"] = Code.MISSING_THERE
        if random.random() < 0.3:
            at.reconcile()

    at.reconcile()
    assert at.open() == injected
    assert at.agrees()


def test_a_refund_that_comes_back_weeks_later_is_found_by_what_it_moved(at: Till) -> None:
    id_, ref = at.paid()
    made = at.gateway.create_refund(ref, amount_minor=50, currency="USD", metadata={}, key="late")
    at.hear(id_, ref)
    assert at.reconcile().found == 0
    at.sandbox.orders.advance(20 * DAY)
    at.sandbox.orders.fail_refund(made.ref)

    assert at.reconcile(since=at.sandbox.state.now() - DAY).acted == 1
    assert at.agrees()


def test_nothing_differs_where_nothing_went_wrong(at: Till) -> None:
    at.paid()
    at.paid(card="pm_card_chargeCustomerFail")

    run = at.reconcile()

    assert (run.acted, run.found) == (0, 0)
    assert run.seen == {"payments": 2, "refunds": 0, "disputes": 0, "ours": 2, "lines": 1, "payouts": 0}
    assert at.agrees()


# ---------------------------------------------------------------- what is left for a person


def test_a_payment_that_the_processor_does_not_know_is_named(at: Till) -> None:
    id_ = at.row(processor_ref="pi_gone", state="processing")

    assert at.reconcile().found == 1
    assert at.open() == {f"payment {id_}": Code.MISSING_THERE}


def test_a_payment_of_ours_that_is_not_in_this_database_is_named_and_held_in_suspense(at: Till) -> None:
    at.pay("pay_of_another_backup")

    at.reconcile()
    assert at.open() == {"payment pay_of_another_backup": Code.MISSING_HERE}
    assert at.agrees()
    assert at.standing()["suspense"] < 0


def test_a_payment_without_our_mark_is_held_in_suspense(at: Till) -> None:
    seen = at.pay(None)

    at.reconcile()
    assert at.open() == {f"payment {seen.ref}": Code.UNKNOWN_PAYMENT}
    assert at.agrees()
    assert at.standing()["suspense"] == -2_00


def test_a_second_payment_of_one_name_is_a_duplicate_until_it_is_refunded(at: Till) -> None:
    id_, _ = at.paid()
    second = at.pay(id_)

    at.reconcile()
    assert at.open() == {f"payment {second.ref}": Code.DUPLICATE}
    assert at.agrees()

    at.gateway.create_refund(second.ref, amount_minor=2_00, currency="USD", metadata={}, key=f"key-{next(at.numbers)}")
    assert at.reconcile().found == 0
    assert at.agrees()
    assert "suspense" not in at.standing()


def test_what_a_person_has_to_see_stays_until_somebody_does_something_about_it(at: Till) -> None:
    known, _ = at.paid()
    unknown = at.pay(None)
    at.pay(known)
    at.pay("pay_of_another_backup")
    at.reconcile()
    first = at.open()
    assert len(first) == 3

    at.sandbox.orders.advance(30 * DAY)
    at.reconcile(since=at.sandbox.state.now() - 3 * DAY)
    assert at.open() == first
    key = f"key-{next(at.numbers)}"
    at.gateway.create_refund(unknown.ref, amount_minor=2_00, currency="USD", metadata={}, key=key)
    at.reconcile(since=at.sandbox.state.now() - 3 * DAY)
    assert at.open() == {subject: code for subject, code in first.items() if subject != f"payment {unknown.ref}"}
    assert at.agrees()


def test_an_invoice_paid_by_card_and_by_hand_is_named_while_the_rest_is_the_owners(at: Till) -> None:
    an_invoice(at, "i-1", 6_00)
    at.paid(6_00, invoice_id="i-1")
    with at.app.writing() as connection:
        received = Received(
            owner_id="ann",
            seller_id="acme",
            currency="USD",
            amount_minor=6_00,
            reference="receipt 1",
            received_at=LATER,
            invoice_id="i-1",
        )
        by_hand.record(connection, received, author="finance:1", now=LATER)

    at.reconcile()
    assert at.open() == {"invoice i-1": Code.PAID_TWICE}
    with at.app.writing() as connection:
        by_hand.reverse(connection, "ann", received.id, reason="twice", author="finance:1", now=LATER)
    assert at.reconcile().found == 0


def an_invoice(at: Till, id_: str, due_minor: int) -> None:
    from billing.store.invoices import invoices

    said = {"owner_id": "ann", "id": id_, "seller_id": "acme", "currency": "USD", "kind": "invoice", "series": "2027"}
    amounts = {"total_minor": due_minor, "tax_minor": 0, "due_minor": due_minor}
    more = {"number": 1, "name": "ACME-2027-1", "issued_at": LATER, "corrects": None, "body": "{}"}
    with at.app.writing() as connection:
        connection.execute(insert(invoices).values(**said, **amounts, **more))


def test_a_refund_that_is_not_there_is_named(at: Till) -> None:
    id_, _ = at.paid()
    said = {"owner_id": "ann", "id": "ref_1", "payment_id": id_, "seller_id": "acme", "currency": "USD"}
    more = {"amount_minor": 50, "reason_code": "owner_asked", "reason": "x", "state": "pending", "asked_by": "x"}
    with at.app.writing() as connection:
        connection.execute(
            insert(refunds).values(**said, **more, asked_at=LATER, changed_at=LATER, processor_ref="re_gone")
        )

    at.reconcile()
    assert at.open() == {"refund ref_1": Code.MISSING_THERE}


def test_what_the_processor_cannot_explain_is_named(at: Till) -> None:
    """Lines that no order of the sandbox can make: they are written into the mirror as a pull would."""
    said = {"seller_id": "acme", "currency": "USD", "created_at": LATER, "available_at": LATER, "seen_at": LATER}
    with at.app.writing() as connection:
        for id_, kind, amount_minor, payout in (
            ("txn_1", "reserve_transaction", -40, None),
            ("txn_2", "payout", -50, "po_gone"),
            ("txn_3", "stripe_fee", -7, None),
            ("txn_4", "payout", -90, "po_1"),
        ):
            moved = {"amount_minor": amount_minor, "fee_minor": 0, "payout_ref": payout}
            connection.execute(insert(processor_lines).values(**said, id=id_, kind=kind, **moved))
        sent = {"amount_minor": 91, "status": "paid", "created_at": LATER, "arrives_at": LATER, "seen_at": LATER}
        connection.execute(insert(payouts).values(seller_id="acme", id="po_1", currency="USD", **sent))

    at.reconcile()
    assert at.open() == {
        "line txn_1": Code.UNKNOWN_LINE,
        "payout po_gone": Code.UNKNOWN_PAYOUT,
        "payout po_1": Code.PAYOUT_DIFFERS,
    }
    standing = at.standing()
    assert (standing["suspense"], standing["processor_fees"]) == (90, 7)

    with at.app.writing() as connection:
        connection.execute(update(processor_lines).where(processor_lines.c.id == "txn_2").values(payout_ref="po_1"))
        connection.execute(delete(processor_lines).where(processor_lines.c.id == "txn_4"))
    at.reconcile()
    assert "payout po_gone" not in at.open()
    assert at.standing()["suspense"] == 40


# ---------------------------------------------------------------- a difference's life


def test_a_difference_has_an_age_and_an_owner_ends_by_itself_and_begins_anew(at: Till) -> None:
    id_ = at.row(processor_ref="pi_gone", state="processing")
    at.reconcile()
    (first,) = at.differences()
    assert (first.assigned_to, first.age_s(LATER + 60), first.party_id) == ("finance", 60, "ann")
    with at.app.writing() as connection:
        said = {"assigned_to": "finance:7", "note": "asked their support"}
        differences.see_to(connection, "acme", first.id, author="finance:1", now=LATER, **said)

    at.reconcile()
    (kept,) = at.differences()
    assert (kept.first_seen_at, kept.assigned_to, kept.note) == (LATER, "finance:7", "asked their support")

    change(at, id_, processor_ref=None, state="cancelled")
    at.reconcile()
    assert at.differences() == []
    with at.app.reading() as connection:
        (over,) = differences.differences_after(connection, ended=True)
        assert differences.open_by_case(connection) == {}
    assert over.ended_at == LATER

    change(at, id_, processor_ref="pi_gone", state="processing")
    at.reconcile()
    (again,) = at.differences()
    assert (again.id, again.ended_at, again.note) == (first.id, None, "asked their support")


def test_verify_names_a_row_that_was_changed_and_reconciling_tells_of_it(at: Till) -> None:
    id_, _ = at.paid()
    with at.app.writing() as connection:
        received = Received(
            owner_id="ann",
            seller_id="acme",
            currency="USD",
            amount_minor=1_00,
            reference="receipt 1",
            received_at=LATER,
        )
        by_hand.record(connection, received, author="finance:1", now=LATER)
    change(at, received.id, captured_minor=90)
    change(at, id_, disputed_minor=5)

    found: list[Difference] = []
    verify(at.app.engine, LATER, found.append)
    assert {one.code for one in found} == {Wrong.ACCOUNT_DIFFERS}
    assert {one.subject for one in found} == {f"payment {received.id} of ann", f"payment {id_} of ann"}
    told_of = [as_finding(one, LATER) for one in found]
    assert {one.code for one in told_of} == {Code.BOOKS_DIFFER}


def test_who_has_no_account_at_the_processor_is_told_nothing_of_card_payments(at: Till) -> None:
    stuck(at)
    with at.app.writing() as connection:
        add_seller(connection, "other", "Other", "UTC", LATER)
    for seller_id in ("other", "acme"):
        run = reconcile(at.app.engine, at.app.clock, None, seller_id, 0, LATER + DAY)
        assert (run.seen["ours"], run.found) == (0 if seller_id == "other" else 1, 0)
    assert at.open() == {}
