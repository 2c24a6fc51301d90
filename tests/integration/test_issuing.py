"""Issuing: one invoice of what is due, credit notes of what fell, numbers without a gap, and nothing changed later."""

import multiprocessing
import threading
from multiprocessing.synchronize import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api.worker import Worker
from billing import decisions, jobs
from billing.assignments import add_version, assign
from billing.invoices import issuing, sides, waking
from billing.invoices.standing import standing
from billing.jobs import Lease
from billing.orders import carry_out
from billing.owners import Owner, add_owner, give_token
from billing.payments.locks import lock_owner
from billing.tariffs import Tariff
from sessions.clock import FixedClock
from sessions.database import connect, writing
from sessions.store.queries import SessionKey
from tests.integration.invoicing import carried, invoice_all, issued, pay_in_full, set_clock, set_policy
from tests.integration.small_world import LATER, NOON, a_session, post, small_world, told

A, B = SessionKey("harbour", "h1/a"), SessionKey("market", "m1/b")


def test_a_session_that_ended_is_invoiced_and_asked_for_once(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"), a_session("m1", "b", idle_s=900), a_session("h2", "free", idle_s=300))
        assert invoice_all(app) == 1
        assert issued(app) == [("ACME-2027-000001", 6_00, 0, 6_00, None)]
        assert told(app, "SELECT session_id, amount_minor FROM invoice_lines ORDER BY line") == [
            ("h1/a", 2_00),
            ("m1/b", 4_00),
        ]
        assert told(app, "SELECT count(*) FROM jobs WHERE kind = 'collect'") == [(1,)]
        assert invoice_all(app) == 0


def test_what_is_below_the_minimum_is_carried_until_it_is_enough(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a", idle_s=360))
        invoice_all(app)
        assert issued(app) == []
        assert carried(app) == [("ann", 40, LATER, None, 50)]
        set_clock(app, LATER + 60)
        post(app, a_session("h1", "c", idle_s=360, at=NOON + 7200))
        invoice_all(app)
        assert issued(app) == [("ACME-2027-000001", 80, 0, 80, None)]
        assert carried(app) == []


def test_a_fee_that_fell_becomes_a_credit_note_and_one_that_rose_a_line_of_the_next_invoice(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"), a_session("m1", "b", idle_s=900))
        invoice_all(app)
        set_clock(app, LATER + 60)
        with app.writing() as connection:
            decisions.waive(connection, B, 1_00, author="test", reason="a kind word", now=LATER + 60)
        invoice_all(app)
        set_clock(app, LATER + 120)
        with app.writing() as connection:
            orders = decisions.order_rerate(
                connection, ["harbour"], "waive_completed", 0, LATER, author="test", reason="kind", now=LATER
            )
        carry_out(app.engine, app.clock, orders)
        invoice_all(app)
        assert issued(app) == [
            ("ACME-2027-000001", 6_00, 0, 6_00, None),
            ("ACME-C-2027-000001", -1_00, 0, 0, "ACME-2027-000001"),
            ("ACME-2027-000002", 2_00, 0, 2_00, None),
        ]


def test_a_session_that_changes_hands_is_credited_to_one_and_invoiced_to_the_other(database_url: str) -> None:
    with small_world(database_url) as app:
        with app.writing() as connection:
            add_owner(connection, Owner("bob", "Bob", None), NOON)
        post(app, a_session("h1", "a"))
        invoice_all(app)
        with app.writing() as connection:
            decisions.claim(connection, A, "bob", author="test", reason="it was Bob's", now=LATER)
        invoice_all(app)
        assert told(app, "SELECT owner_id, total_minor FROM invoices ORDER BY owner_id, total_minor") == [
            ("ann", -2_00),
            ("ann", 2_00),
            ("bob", 2_00),
        ]


def test_what_waits_follows_a_new_policy(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "AT_ONCE", 1)
    with small_world(database_url) as app:
        with app.writing() as connection:
            add_owner(connection, Owner("bob", "Bob", None), NOON)
            give_token(connection, app.names, uid="BOB", owner_id="bob", author="test", now=NOON)
        set_policy(app, invoice_at="monthly")
        post(app, a_session("h1", "a"), a_session("m1", "b", token="BOB"))
        Worker(app, channels=[]).run_due()
        assert [row[:2] for row in carried(app)] == [("ann", 2_00), ("bob", 2_00)]
        set_policy(app, invoice_at="session_end")
        Worker(app, channels=[]).run_due()
        assert issued(app) == [], "somebody may still be carrying by the old one"
        set_clock(app, LATER + waking.AFTER_S)
        Worker(app, channels=[]).run_due()
        assert [total for _, total, *_ in issued(app)] == [2_00, 2_00]
        assert carried(app) == []


@pytest.mark.parametrize("when", ["daily", "monthly"])
def test_days_and_months_wait_for_their_end_in_the_sellers_zone(database_url: str, when: str) -> None:
    with small_world(database_url) as app:
        set_policy(app, invoice_at=when)
        post(app, a_session("h1", "a"))
        invoice_all(app)
        assert issued(app) == []
        [(_, amount, since, until, least)] = carried(app)
        assert (amount, since, least) == (2_00, LATER, None)
        set_clock(app, until - 1)
        post(app, a_session("m1", "b", at=NOON + 100))
        invoice_all(app)
        assert issued(app) == []
        set_clock(app, until)
        post(app, a_session("h2", "c", at=NOON + 100))
        invoice_all(app)
        assert issued(app) == [("ACME-2027-000001", 4_00, 0, 4_00, None)]
        [(_, amount, since, again, _)] = carried(app)
        assert (amount, since) == (2_00, until)
        assert again > until


def test_the_database_refuses_to_change_what_was_issued(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"))
        set_policy(app, invoice_at="session_end", return_credit_days=30)
        invoice_all(app)
        for change in (
            "UPDATE invoices SET total_minor = 1",
            "DELETE FROM invoices",
            "UPDATE invoice_lines SET amount_minor = 1",
            "DELETE FROM invoice_lines",
            "UPDATE seller_policies SET body = '{}'",
            "DELETE FROM seller_policies",
        ):
            with pytest.raises(DBAPIError, match="append-only"), app.writing() as connection:
                connection.execute(text(change))


WORKERS = 3
OWNERS = [f"owner-{n}" for n in range(12)]


def issue_at_once(url: str, name: str, together: Barrier) -> None:
    """One of several workers with the same sessions to invoice."""
    engine = connect(url)
    together.wait(60)
    while True:
        with writing(engine) as connection:
            leased = jobs.lease(connection, name, LATER, 2, sides.STEP)
        if not leased:
            break
        issuing.issue_due(Lease(engine, FixedClock(LATER), name, leased))
    engine.dispose()


def test_numbers_have_no_gap_however_many_issue_at_once(postgres_url: str) -> None:
    """What was numbered and never committed has taken no number from anybody."""
    with small_world(postgres_url) as app:
        with app.writing() as connection:
            for owner_id in OWNERS:
                add_owner(connection, Owner(owner_id, None, None), NOON)
                give_token(connection, app.names, uid=owner_id, owner_id=owner_id, author="test", now=NOON)
        for n, owner_id in enumerate(OWNERS):
            post(app, a_session("h1", f"a{n}", at=NOON + 9000 * n, token=owner_id))
        with app.writing() as connection:  # one that dies before its commit
            issuing.issue(connection, sides.Side(OWNERS[0], "acme", "USD"), LATER)
            connection.rollback()
        spawned = multiprocessing.get_context("spawn")
        together = spawned.Barrier(WORKERS)
        workers = [
            spawned.Process(target=issue_at_once, args=(postgres_url, f"w{n}", together)) for n in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(120)
        assert [worker.exitcode for worker in workers] == [0] * WORKERS
        numbers = told(app, "SELECT number FROM invoices ORDER BY number")
        assert numbers == [(n,) for n in range(1, len(OWNERS) + 1)]
        assert told(app, "SELECT count(DISTINCT owner_id) FROM invoices") == [(len(OWNERS),)]


def test_two_threads_that_look_at_the_same_owner_issue_one_invoice(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"), a_session("m1", "b"))
        side = sides.Side("ann", "acme", "USD")

        def look() -> None:
            with app.writing() as connection:
                lock_owner(connection, side.owner_id)
                issuing.issue(connection, side, LATER)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert issued(app) == [("ACME-2027-000001", 4_00, 0, 4_00, None)]


def test_what_cannot_be_charged_of_a_dinar_is_carried_to_the_next_invoice(database_url: str) -> None:
    """JOD in multiples of ten: 1.775 is asked for as 1.770, and the rest with the next one."""
    with small_world(database_url) as app:
        tariff = Tariff(name="dinar", currency="JOD", rate_minor_per_minute=355)
        with app.writing() as connection:
            assign(
                connection,
                "harbour",
                add_version(connection, tariff, "test", NOON),
                author="test",
                reason="opening",
                now=NOON - 1,
            )
        for n in range(2):
            post(app, a_session("h1", f"a{n}", at=NOON + 9000 * n))
            invoice_all(app)
            set_clock(app, LATER + n + 1)
            pay_in_full(app)
        assert [row[1:4] for row in issued(app)] == [(1775, 0, 1770), (1775, 0, 1780)]
        with app.reading() as connection:
            assert standing(connection, sides.Side("ann", "acme", "JOD")).allocation.owed_minor == 0


def test_credit_is_used_up_before_anything_is_asked(database_url: str) -> None:
    """A waived fee that was paid already pays the next one; where it pays all, nobody is asked for anything."""
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"))
        invoice_all(app)
        pay_in_full(app)
        with app.writing() as connection:
            decisions.waive(connection, A, None, author="test", reason="our fault", now=LATER)
        set_clock(app, LATER + 1)
        invoice_all(app)
        set_clock(app, LATER + 2)
        post(app, a_session("m1", "c", idle_s=480))
        invoice_all(app)
        set_clock(app, LATER + 3)
        post(app, a_session("h2", "e", idle_s=900))
        invoice_all(app)
        assert issued(app) == [
            ("ACME-2027-000001", 2_00, 0, 2_00, None),
            ("ACME-C-2027-000001", -2_00, 0, 0, "ACME-2027-000001"),
            ("ACME-2027-000002", 1_20, 0, 0, None),
            ("ACME-2027-000003", 4_00, 0, 3_20, None),
        ]
