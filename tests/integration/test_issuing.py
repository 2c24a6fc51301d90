"""Issuing: one invoice of what is due, credit notes of what fell, numbers without a gap, and nothing changed later."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import decisions
from billing.orders import carry_out
from billing.owners import Owner, add_owner
from sessions.store.queries import SessionKey
from tests.integration.invoicing import carried, invoice_all, issued, set_clock, set_policy
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
