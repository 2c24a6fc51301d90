"""Closing months: in order, once, with rows that agree with the ledger; the database lets nothing in any more."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from api.wiring import Idlefee
from billing import decisions
from billing.ledger import Account, Line, Subject, converge, trial_balance
from billing.owners import Owner, add_owner
from billing.periods.closing import InTheWay, close, due_now, look
from billing.periods.months import NotYet
from billing.statements import Kind, Month, statements_of
from tests.integration.small_world import NOON, a_session, post, small_world, told

JANUARY = Month.of(NOON, ZoneInfo("UTC"))
FEBRUARY = JANUARY.next
END = FEBRUARY.starts_at(ZoneInfo("UTC"))
SETTLED = END + 3600


@pytest.fixture
def world(database_url: str) -> Iterator[Idlefee]:
    """Ann owes for a session of January, and has paid some of it; another session nobody claims."""
    with small_world(database_url, NOON + 9_000) as app:
        post(app, a_session("h1", "a", idle_s=900), a_session("m1", "b", token=None))
        with app.writing() as connection:
            add_owner(connection, Owner("bob", "Bob", None), NOON)
            pays(connection, "ann", 1_00, NOON + 9_500)
        yield app


def pays(connection: Connection, owner_id: str, amount: int, at: int) -> None:
    target = {
        Line(Account.PROCESSOR, None, "acme", "USD", None): amount - 5,
        Line(Account.PROCESSOR_FEES, None, "acme", "USD", None): 5,
        Line(Account.RECEIVABLE, owner_id, "acme", "USD", None): -amount,
    }
    converge(connection, Subject(owner_id, f"payment p{amount}"), target, "paid by card", at)


def write(app: Idlefee, *statements: str) -> None:
    with app.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def closing(app: Idlefee, now: int = SETTLED, month: Month | None = None) -> None:
    close(app.engine, "acme", author="finance:k", reason="month's end", now=now, month=month)


def statement_rows(app: Idlefee, month: Month) -> list[tuple[object, ...]]:
    return told(
        app,
        "SELECT owner_id, opening_minor, fees_minor, corrections_minor, payments_minor, credits_minor, closing_minor "
        f"FROM period_statements WHERE month = '{month}' ORDER BY owner_id",
    )


def test_a_closed_month_has_a_row_for_each_account_owner_and_line_of_revenue(world: Idlefee) -> None:
    closing(world)
    assert statement_rows(world, JANUARY) == [("ann", 0, 4_00, 0, -1_00, 0, 3_00)]
    revenue = "SELECT site_id, tariff, tariff_version, tax_code, sessions, revenue_minor FROM period_revenue"
    assert told(world, revenue) == [("harbour", "standard", 1, "", 1, 4_00)]
    with world.reading() as connection:
        ledger = {row.account.value: row.balance_minor for row in trial_balance(connection)}
    assert dict(told(world, "SELECT account, closing_minor FROM period_balances")) == ledger


def test_a_closed_month_says_of_an_owner_what_their_statement_says(world: Idlefee) -> None:
    with world.writing() as connection:
        key = decisions.session_key(connection, "m1/b")
        decisions.claim(connection, key, "bob", author="x", reason="his", now=NOON + 9_600)
        decisions.claim(connection, key, "ann", author="x", reason="hers", now=NOON + 9_700)
        given = {
            Line(Account.GOODWILL, None, "acme", "USD", None): 30,
            Line(Account.RECEIVABLE, "ann", "acme", "USD", None): -30,
        }
        converge(connection, Subject("ann", "credit c1"), given, "sorry", NOON + 9_800)
        pays(connection, "bob", 70, NOON + 9_900)
        converge(connection, Subject("bob", "payment p70"), {}, "went back", NOON + 9_901)
    closing(world)
    columns = "owner_id, opening_minor, fees_minor, corrections_minor, tax_minor, payments_minor, refunds_minor"
    rows = told(world, f"SELECT {columns}, credits_minor, closing_minor FROM period_statements ORDER BY owner_id")
    assert [row[0] for row in rows] == ["ann", "bob"]
    with world.reading() as connection:
        for owner_id, *amounts in rows:
            (mine,) = statements_of(connection, str(owner_id), JANUARY, SETTLED)
            said = (
                mine.opening_minor,
                mine.fees_minor,
                mine.corrections_minor,
                mine.tax_minor,
                mine.minor_of(Kind.PAYMENT),
                mine.minor_of(Kind.REFUND),
                mine.minor_of(Kind.CREDIT),
                mine.closing_minor,
            )
            assert tuple(amounts) == said, owner_id


@pytest.mark.parametrize("table", ["transfers", "account_transfers"])
def test_a_closed_month_takes_no_entries_in_either_book(world: Idlefee, table: str) -> None:
    closing(world)
    lead, subject = ("site_id", "session_id") if table == "transfers" else ("party_id", "subject")
    late = (
        f"INSERT INTO {table} ({lead}, id, {subject}, n, seller_id, currency, reason, recorded_at) "
        f"VALUES ('x', 'late', 's', 1, 'acme', 'USD', 'late', {END - 1})"
    )
    entries = table.replace("transfers", "entries")
    both = (
        f"INSERT INTO {entries} ({lead}, transfer_id, line, account, seller_id, currency, amount_minor) "
        "VALUES ('x', 'late', 1, 'revenue', 'acme', 'USD', 1), ('x', 'late', 2, 'tax', 'acme', 'USD', -1)"
    )
    with pytest.raises(IntegrityError, match="the month is closed"):
        write(world, both, late)
    write(world, both, late.replace(str(END - 1), str(END)))


def test_what_corrects_a_closed_month_posts_in_the_open_one_and_names_what_it_corrects(world: Idlefee) -> None:
    closing(world)
    march = FEBRUARY.next.starts_at(ZoneInfo("UTC"))
    with world.writing() as connection:
        key = decisions.session_key(connection, "h1/a")
        decisions.waive(connection, key, 1_00, author="support:k", reason="kind", now=SETTLED + 60)
        decisions.claim(
            connection, decisions.session_key(connection, "m1/b"), "bob", author="x", reason="his", now=march - 1
        )
    corrections = (
        "SELECT t.corrects = p.id FROM transfers t JOIN transfers p ON p.n = 1 AND p.session_id = t.session_id"
    )
    assert all(row[0] for row in told(world, f"{corrections} WHERE t.n = 2"))
    closing(world, march + 3600)
    assert statement_rows(world, FEBRUARY) == [
        ("ann", 3_00, 0, -1_00, 0, 0, 2_00),
        ("bob", 0, 2_00, 0, 0, 0, 2_00),
    ]
    assert told(world, f"SELECT SUM(revenue_minor) FROM period_revenue WHERE month = '{FEBRUARY}'") == [(1_00,)]


def test_months_are_closed_in_order_once_and_an_hour_after_their_end(world: Idlefee) -> None:
    with pytest.raises(NotYet, match="an hour after its end"):
        closing(world, SETTLED - 1)
    with pytest.raises(NotYet, match=f"{JANUARY} of acme comes first"):
        closing(world, month=FEBRUARY)
    assert [str(span.month) for span in due_now(world.engine, SETTLED)] == [str(JANUARY)]
    closing(world)
    with pytest.raises(NotYet, match="not opened again: record what corrects it today"):
        closing(world, month=JANUARY)
    assert due_now(world.engine, SETTLED) == []
    later = FEBRUARY.next.starts_at(ZoneInfo("UTC")) + 3600
    closing(world, later)  # nothing moved: the balances are carried all the same
    assert statement_rows(world, FEBRUARY) == [("ann", 3_00, 0, 0, 0, 0, 3_00)]


def test_books_that_do_not_balance_are_not_closed(sqlite_url: str) -> None:
    with small_world(sqlite_url, NOON + 9_000) as app:
        post(app, a_session("h1", "a"))
        with app.writing() as connection:
            connection.execute(text("DROP TRIGGER entries_no_update"))
            connection.execute(text("UPDATE entries SET amount_minor = amount_minor + 1 WHERE account = 'revenue'"))
        with pytest.raises(InTheWay, match="do not sum to zero"):
            closing(app)
        assert told(app, "SELECT * FROM periods") == []
        _, checks = look(app.engine, "acme", SETTLED)
        assert [check.name for check in checks if check.in_the_way] == ["books_balance", "sessions_book_in_order"]
