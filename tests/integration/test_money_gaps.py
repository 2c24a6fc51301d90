"""What happens at the processor behind our back: a key that is revoked, a refund or a customer somebody changed in its
dashboard, a dispute that gave back what was waived afterwards; and sellers that are locked in one order.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select, update

from api.health import ready
from api.worker import RECUR, Worker
from billing.jobs import Job, dead_letters
from billing.payments.dunning import _by_seller
from billing.payments.looking import poll_later
from billing.payments.patience import POLL, key_is_refused
from billing.store.payments import payments
from billing.store.tables import jobs
from tests.integration.paying import NOW, VISA, Till, till

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


def test_looks_at_arrears_lock_their_sellers_in_one_order(here: Till) -> None:
    wanted = [("p1", "zeta"), ("p2", "acme"), ("p3", "beta"), ("p4", "acme")]
    with here.app.writing() as connection:
        for payment_id, seller_id in wanted:
            row = {"owner_id": "ann", "id": payment_id, "seller_id": seller_id, "currency": "USD", "means": "card"}
            said = {"amount_minor": 100, "state": "failed", "author": "idlefee", "created_at": NOW, "changed_at": NOW}
            connection.execute(insert(payments).values(**row, **said))
        looks = [Job(id_, "look", NOW, {"owner_id": "ann", "payment_id": id_}) for id_, _ in wanted]
        assert [job.key for job in _by_seller(connection, looks)] == ["p2", "p4", "p3", "p1"]
