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
from billing.payments.patience import POLL, key_is_refused
from billing.reconcile.differences import differences_after
from billing.reconcile.running import reconcile
from billing.store.invoices import invoices
from billing.store.payments import payments
from billing.store.tables import jobs
from billing.verify.money import wrong_subjects
from tests.integration.paid_world import FINANCE
from tests.integration.paying import NOW, VISA, Till, till
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
    with here.app.writing() as connection:
        connection.execute(
            insert(invoices).values(
                owner_id="ann",
                id="note",
                seller_id="acme",
                currency="USD",
                kind="credit_note",
                series="C",
                number=1,
                name="C-1",
                issued_at=NOW,
                total_minor=-1000,
                tax_minor=0,
                due_minor=0,
                corrects="inv1",
                body="{}",
            )
        )
    refund_in_the_dashboard(here, ref, 1000)
    here.work(NOW + HOUR)
    assert here.owed().get(("acme", "USD"), 0) == 0
    with here.app.reading() as connection:
        assert to_decide_after(connection, 50) == []
    assert compared(here) == {}


def test_looks_at_arrears_lock_their_sellers_in_one_order(here: Till) -> None:
    wanted = [("p1", "zeta"), ("p2", "acme"), ("p3", "beta"), ("p4", "acme")]
    with here.app.writing() as connection:
        for payment_id, seller_id in wanted:
            row = {"owner_id": "ann", "id": payment_id, "seller_id": seller_id, "currency": "USD", "means": "card"}
            said = {"amount_minor": 100, "state": "failed", "author": "idlefee", "created_at": NOW, "changed_at": NOW}
            connection.execute(insert(payments).values(**row, **said))
        looks = [Job(id_, "look", NOW, {"owner_id": "ann", "payment_id": id_}) for id_, _ in wanted]
        assert [job.key for job in _by_seller(connection, looks)] == ["p2", "p4", "p3", "p1"]
