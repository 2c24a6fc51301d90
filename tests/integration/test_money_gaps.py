"""What happens at the processor behind our back: a key that is revoked, a refund or a customer somebody changed in its
dashboard, a dispute that gave back what was waived afterwards; and sellers that are locked in one order.
"""

from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import insert, select, update

from api.health import ready
from api.pages.queries import queues
from api.worker import RECUR, Worker
from billing.invoices.sides import Side
from billing.invoices.standing import standing
from billing.jobs import Job, dead_letters
from billing.payments import refunds
from billing.payments.credits import AlreadyDecided
from billing.payments.dunning import _by_seller
from billing.payments.elsewhere import to_decide_after
from billing.payments.looking import poll_later
from billing.payments.lost import count_lost
from billing.payments.patience import POLL, key_is_refused
from billing.reconcile.differences import differences_after
from billing.reconcile.running import reconcile
from billing.store.invoices import invoices
from billing.store.payments import disputes, payments
from billing.store.tables import jobs
from billing.verify.money import wrong_subjects
from tests.integration.paid_world import FINANCE
from tests.integration.paying import DECLINES, NOW, VISA, Till, till
from tests.integration.test_money_audit import owe

DAY, HOUR = 24 * 3600, 3600


@pytest.fixture
def here(database_url: str) -> Iterator[Till]:
    with till(database_url) as here:
        yield here


def parked(here: Till) -> list[str]:
    with here.app.reading() as connection:
        return [job["key"] for job in dead_letters(connection)]


def test_a_revoked_key_parks_nothing_is_told_and_is_over_with_the_next_key(here: Till) -> None:
    here.add_card(VISA)
    with here.app.writing() as connection:
        poll_later(connection, here.clock.now())
    here.work()
    assert ready(here.app).processor == "in_use"
    key = here.sandbox.state.key
    here.sandbox.state.key = "sk_test_another"
    here.invoice(1000)
    for hour in range(1, 30):
        here.work(NOW + hour * HOUR)
    assert parked(here) == []
    assert ready(here.app).processor == "key_refused"
    here.sandbox.state.key = key
    here.work(NOW + 31 * HOUR)
    assert here.payment().state == "succeeded"
    assert ready(here.app).processor == "in_use"
    with here.app.reading() as connection:
        assert not key_is_refused(connection)


def test_what_recurs_is_never_parked_for_good(here: Till) -> None:
    with here.app.writing() as connection:
        poll_later(connection, here.clock.now())
    here.work()
    with here.app.writing() as connection:  # a fault of our own: each poll fails
        connection.execute(update(jobs).where(jobs.c.kind == POLL).values(body="{}"))
    for hour in range(1, 40):
        here.work(NOW + hour * 2 * HOUR)
    assert parked(here) == []
    with here.app.reading() as connection:
        assert "KeyError" in connection.execute(select(jobs.c.last_error).where(jobs.c.kind == POLL)).scalar_one()
    with here.app.writing() as connection:  # and one that took its worker down each time comes again at a start
        connection.execute(update(jobs).where(jobs.c.kind.in_(sorted(RECUR))).values(dead=True, attempts=12))
    worker = Worker(here.app, [])
    worker._ask_for_what_recurs()
    assert parked(here) == []


def refund_in_the_dashboard(here: Till, ref: str, amount_minor: int) -> None:
    said = {"payment_intent": ref, "amount": str(amount_minor)}
    auth = {"Authorization": f"Bearer {here.sandbox.key}"}
    with httpx2.Client(base_url=here.sandbox.url, headers=auth) as client:
        assert client.post("/v1/refunds", data=said).status_code == 200


def paid(here: Till, amount_minor: int = 1000) -> str:
    """Ann owed that much, and paid it by card."""
    owe(here.app, amount_minor)
    here.add_card(VISA)
    here.invoice(amount_minor)
    with here.app.writing() as connection:
        poll_later(connection, here.clock.now())
    here.work()
    assert here.owed() == {("acme", "USD"): 0} or here.owed() == {}
    return here.payment().processor_ref or ""


def note(here: Till, amount_minor: int) -> None:
    """A credit note that corrects her invoice."""
    said = {"owner_id": "ann", "id": "note", "seller_id": "acme", "currency": "USD", "kind": "credit_note"}
    said |= {"series": "C", "name": "C-1", "corrects": "inv1", "body": "{}"}
    amounts = {"number": 1, "issued_at": NOW, "total_minor": amount_minor, "tax_minor": 0, "due_minor": 0}
    with here.app.writing() as connection:
        connection.execute(insert(invoices).values(**said, **amounts))


def compared(here: Till) -> dict[str, str]:
    until = here.clock.now() + 1
    reconcile(here.app.engine, here.app.clock, here.processor, "acme", until - 2 * DAY, until)
    with here.app.reading() as connection:
        return {one.code.value: one.subject for one in differences_after(connection, most=50)}


@pytest.mark.parametrize("decision", ["credit", "ask again"])
def test_a_refund_in_the_dashboard_waits_for_a_person_and_nobody_is_dunned(here: Till, decision: str) -> None:
    ref = paid(here)
    refund_in_the_dashboard(here, ref, 400)
    here.work(NOW + HOUR)
    for day in range(1, 20):
        here.work(NOW + day * DAY)
    assert [one.state for one in here.payments()] == ["succeeded"]
    assert here.owed()["acme", "USD"] == 400
    with here.app.reading() as connection:
        (waits,) = to_decide_after(connection, 50)
        assert standing(connection, Side("ann", "acme", "USD")).unasked_minor == 0
        assert [one.what for one in queues.everything(connection, here.clock.now())] == ["Refunds made elsewhere"]
    assert compared(here) == {"refunded_elsewhere": f"refund {waits['id']}"}
    assert compared(here) == {"refunded_elsewhere": f"refund {waits['id']}"}
    decide = refunds.approve if decision == "credit" else refunds.refuse
    with here.app.writing() as connection:
        decide(connection, "ann", str(waits["id"]), FINANCE, "as they said", here.clock.now())
    with pytest.raises(AlreadyDecided), here.app.writing() as connection:
        refunds.approve(connection, "ann", str(waits["id"]), FINANCE, "once more", here.clock.now())
    here.work(NOW + 21 * DAY)
    assert here.owed().get(("acme", "USD"), 0) == 0
    asked = [(one.amount_minor, one.state) for one in here.payments()]
    assert asked == [(1000, "succeeded")] + ([] if decision == "credit" else [(400, "succeeded")])
    assert compared(here) == {}
    with here.app.reading() as connection:
        assert to_decide_after(connection, 50) == []
        assert list(wrong_subjects(connection)) == []


def test_a_refund_in_the_dashboard_of_what_was_credit_needs_nobody(here: Till) -> None:
    ref = paid(here)
    owe(here.app, -1000, "st/waived")
    note(here, -1000)
    refund_in_the_dashboard(here, ref, 1000)
    here.work(NOW + HOUR)
    assert here.owed().get(("acme", "USD"), 0) == 0
    with here.app.reading() as connection:
        assert to_decide_after(connection, 50) == []
    assert compared(here) == {}


def test_what_a_bank_gave_back_for_good_is_not_given_a_second_time(here: Till) -> None:
    ref = paid(here)
    dispute = here.sandbox.orders.dispute(ref)
    here.work(NOW + HOUR)
    here.sandbox.orders.close_dispute(dispute["id"], won=False)
    here.work(NOW + 2 * HOUR)
    assert here.balances()["bad_debt"] == 1000
    owe(here.app, -700, "st/waived")  # the fee falls after all
    note(here, -700)
    with here.app.writing() as connection:
        for _ in range(2):
            count_lost(connection, Side("ann", "acme", "USD"), here.clock.now())
    assert here.owed().get(("acme", "USD"), 0) == 0
    assert here.balances()["bad_debt"] == 300
    with here.app.reading() as connection:
        assert list(wrong_subjects(connection)) == []
        assert standing(connection, Side("ann", "acme", "USD")).unasked_minor == 0
    owe(here.app, -200, "st/another")  # another invoice's: theirs
    with here.app.writing() as connection:
        count_lost(connection, Side("ann", "acme", "USD"), here.clock.now())
    assert here.owed()["acme", "USD"] == -200
    with here.app.writing() as connection:  # won after all: what was counted is theirs again
        connection.execute(update(disputes).values(state="won"))
        count_lost(connection, Side("ann", "acme", "USD"), here.clock.now())
    assert here.owed()["acme", "USD"] == -900


@pytest.mark.parametrize("heard_by", ["webhook", "charging", "adding a card"])
def test_a_customer_deleted_in_the_dashboard_is_made_anew_with_the_next_card(here: Till, heard_by: str) -> None:
    owe(here.app, 1500)
    here.add_card(DECLINES)
    here.invoice(1000)
    here.work()
    (first,) = here.payments()
    assert first.state == "failed"
    here.processor.delete_customer(first.customer_ref or "")
    if heard_by == "charging":
        here.invoice(500)
    if heard_by == "webhook":
        with here.app.writing() as connection:
            poll_later(connection, here.clock.now())
    if heard_by != "adding a card":
        here.work(NOW + HOUR)
        assert {(one.state, one.failure_code) for one in here.payments()} == {("needs_owner", "no_payment_method")}
    here.add_card(VISA)
    here.work(NOW + 2 * HOUR)
    came = [one for one in here.payments() if one.state == "succeeded"]
    assert sum(one.captured_minor for one in came) == (1500 if heard_by == "charging" else 1000)
    assert all(one.customer_ref not in (None, first.customer_ref) for one in came)
    assert parked(here) == []


def test_looks_at_arrears_lock_their_sellers_in_one_order(here: Till) -> None:
    wanted = [("p1", "zeta"), ("p2", "acme"), ("p3", "beta"), ("p4", "acme")]
    with here.app.writing() as connection:
        for payment_id, seller_id in wanted:
            row = {"owner_id": "ann", "id": payment_id, "seller_id": seller_id, "currency": "USD", "means": "card"}
            said = {"amount_minor": 100, "state": "failed", "author": "idlefee", "created_at": NOW, "changed_at": NOW}
            connection.execute(insert(payments).values(**row, **said))
        looks = [Job(id_, "look", NOW, {"owner_id": "ann", "payment_id": id_}) for id_, _ in wanted]
        assert [job.key for job in _by_seller(connection, looks)] == ["p2", "p4", "p3", "p1"]
