"""`verify` names whatever was changed in documents, payments and the accounts' book by somebody with the schema's own
role; honest ones have no difference.
"""

from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from billing import decisions
from billing.payments import refunds
from billing.payments.refunding import Refunding
from billing.payments.refunds import Code as Why
from billing.verify import Code, verify
from billing.verify.accounts import wrong_accounts
from billing.verify.documents import wrong_documents
from billing.verify.money import wrong_subjects
from tests.integration.invoicing import invoice_all, pay_in_full, set_clock
from tests.integration.paid_world import FINANCE, PaidWorld, paid_world
from tests.integration.small_world import LATER, a_session, post

TABLES = ("account_transfers", "account_entries", "invoices", "invoice_lines")
ONE = "SELECT min(transfer_id) FROM account_entries WHERE account = 'receivable'"
CREDIT_NOTE = "(SELECT id FROM invoices WHERE kind = 'credit_note')"

DAMAGE: tuple[tuple[str, Code], ...] = (
    (f"UPDATE account_entries SET amount_minor = amount_minor + 1 WHERE transfer_id = ({ONE}) AND line = 1",
     Code.TRANSFER_UNBALANCED),
    ("UPDATE account_entries SET amount_minor = amount_minor * 2", Code.ACCOUNT_DIFFERS),
    ("UPDATE account_entries SET account = 'bad_debt' WHERE account = 'processor_fees'", Code.ACCOUNT_DIFFERS),
    ("UPDATE account_transfers SET n = n + 10", Code.CHAIN_BROKEN),
    ("DELETE FROM account_entries WHERE account = 'processor_fees'", Code.TRANSFER_UNBALANCED),
    ("UPDATE payments SET captured_minor = captured_minor - 1 WHERE means = 'card'", Code.ACCOUNT_DIFFERS),
    ("UPDATE payments SET captured_minor = captured_minor - 1 WHERE means = 'hand'", Code.ACCOUNT_DIFFERS),
    ("UPDATE payments SET state = 'cancelled' WHERE means = 'hand'", Code.ACCOUNT_DIFFERS),
    ("UPDATE payments SET fee_minor = 0 WHERE means = 'card'", Code.ACCOUNT_DIFFERS),
    ("UPDATE refunds SET withdrawn_minor = 0", Code.ACCOUNT_DIFFERS),
    ("UPDATE disputes SET state = 'lost'", Code.ACCOUNT_DIFFERS),
    ("DELETE FROM payments WHERE means = 'card'", Code.ACCOUNT_DIFFERS),
    ("UPDATE invoices SET total_minor = total_minor + 1 WHERE number = 1", Code.DOCUMENT_DIFFERS),
    ("UPDATE invoices SET tax_minor = tax_minor + 1", Code.DOCUMENT_DIFFERS),
    ("UPDATE invoice_lines SET amount_minor = amount_minor + 1", Code.DOCUMENT_DIFFERS),
    (f"UPDATE invoice_lines SET amount_minor = 100 * amount_minor WHERE invoice_id = {CREDIT_NOTE}",
     Code.DOCUMENT_DIFFERS),
    ("UPDATE invoices SET corrects = 'another' WHERE kind = 'credit_note'", Code.DOCUMENT_DIFFERS),
    ("UPDATE invoices SET number = number + 10", Code.NUMBERS_DIFFER),
    ("UPDATE invoice_numbers SET last = last + 1", Code.NUMBERS_DIFFER),
    ("DELETE FROM invoices WHERE kind = 'credit_note'", Code.DOCUMENT_DIFFERS),
)  # fmt: skip


@pytest.fixture
def world(database_url: str) -> Iterator[PaidWorld]:
    """Two invoices and a credit note, paid by hand; by card two payments, one refunded in part, one disputed."""
    with paid_world(database_url) as world:
        app = world.app
        post(app, a_session("h1", "a"), a_session("m1", "b", idle_s=900))
        invoice_all(app)
        with app.writing() as connection:
            key = decisions.session_key(connection, "h1/a")
            decisions.waive(connection, key, 40, author="test", reason="kind", now=LATER)
        set_clock(app, LATER + 60)
        post(app, a_session("h2", "c"))
        invoice_all(app)
        pay_in_full(app)
        refunded = world.pay(20_00)
        disputed = world.pay(30_00)
        world.sandbox.orders.dispute(world.payment(disputed)["processor_ref"])
        world.see(disputed)
        with app.writing() as connection:
            refunds.ask(
                connection, "ann", refunded, 5_00, code=Why.FEE_FELL, reason="a test", by=FINANCE, now=world.now
            )
        for lease in world.leases(refunds.SEND):
            Refunding(world.processor).send(lease)
        yield world


class _Undo(Exception):
    pass


def unguarded(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        return
    for table in TABLES:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))


def test_what_was_changed_in_money_and_documents_is_named(world: PaidWorld) -> None:
    assert verify(world.app.engine, world.now, print).clean
    unnoticed = []
    for statement, code in DAMAGE:
        try:
            with world.app.writing() as connection:
                unguarded(connection)
                assert connection.execute(text(statement)).rowcount > 0, statement
                found = [
                    *wrong_accounts(connection, Counter()), *wrong_subjects(connection), *wrong_documents(connection)
                ]  # fmt: skip
                if code not in {one.code for one in found}:
                    unnoticed.append((statement, found))
                raise _Undo
        except _Undo:
            pass
    assert unnoticed == []
    assert verify(world.app.engine, world.now, print).clean
