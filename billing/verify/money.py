"""Does the accounts' book hold what each payment, credit, provision, payout and bank line comes to by its row, and
nothing that has none? How it came to be posted is asked of nobody: each target is computed anew.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, func, select

from billing.ledger import ACCOUNTS, Account, Balances, Line, Subject, difference
from billing.payments import by_hand, lost, rows
from billing.payments.books import subject_of
from billing.payments.credits import Given
from billing.payments.credits import books_of as credit_books
from billing.payments.provisions import provision_books
from billing.reconcile import mirror
from billing.reconcile.bank import lines as bank
from billing.store.arrears import provisions
from billing.store.payments import credits_given, disputes, payments, refunds
from billing.store.reconciliation import bank_lines, payouts, processor_lines
from billing.verify.differences import Code, Difference, amount

Held = dict[Subject, dict[Line, int]]


def wrong_subjects(connection: Connection) -> Iterator[Difference]:
    """Whatever stands otherwise than its row says. Memory holds one balance a subject that is not zero."""
    held = _held(connection)
    for subject, target in _targets(connection, held):
        yield from _differing(subject, target, held.pop(subject, {}))
    for subject, standing in held.items():
        yield from _differing(subject, {}, standing)


def _differing(subject: Subject, target: Balances, standing: Balances) -> Iterator[Difference]:
    for line, missing_minor in difference(target, standing).items():
        stands, should = standing.get(line, 0), standing.get(line, 0) + missing_minor
        meaning = (
            f"{line.account.value} at {line.seller_id} stands at {amount(stands, line.currency)} and should at "
            f"{amount(should, line.currency)}: its row was changed, or never posted"
        )
        yield Difference(Code.ACCOUNT_DIFFERS, f"{subject.id} of {subject.party_id}", meaning)


def _held(connection: Connection) -> Held:
    """What the book holds, by subject; lines that sum to zero are left out."""
    heads, parts = ACCOUNTS.transfers.c, ACCOUNTS.entries.c
    line = (parts.account, parts.owner_id, parts.seller_id, parts.currency, parts.tax_code)
    total = func.sum(parts.amount_minor)
    statement = (
        select(heads.party_id, heads.subject, *line, total)
        .join(ACCOUNTS.entries, and_(parts.party_id == heads.party_id, parts.transfer_id == heads.id))
        .group_by(heads.party_id, heads.subject, *line)
        .having(total != 0)
    )
    found: Held = defaultdict(dict)
    for party_id, subject, account, owner_id, seller_id, currency, tax_code, minor in connection.execute(statement):
        found[Subject(party_id, subject)][Line(Account(account), owner_id, seller_id, currency, tax_code)] = int(minor)
    return found


def _targets(connection: Connection, held: Held) -> Iterator[tuple[Subject, Balances]]:
    yield from _payments(connection)
    for row in connection.execute(select(credits_given)).mappings():
        given = Given(**row)
        yield given.subject, credit_books(given)
    for row in connection.execute(select(disputes).where(disputes.c.counted_minor != 0)).mappings():
        yield lost.subject_of(row["owner_id"], row["id"]), lost.books_of(row)
    for row in connection.execute(select(provisions)).mappings():
        target = provision_books(row["seller_id"], row["currency"], row["amount_minor"])
        yield Subject(row["seller_id"], f"provision {row['id']}"), target
    for row in connection.execute(select(payouts)).mappings():
        sent = mirror.payout_of(row)
        yield mirror.payout_subject(row["seller_id"], sent.ref), mirror.payout_books(row["seller_id"], sent)
    for row in connection.execute(select(bank_lines)).mappings():
        yield bank.subject_of(row["seller_id"], row["id"]), bank.books_of(dict(row))
    for row in connection.execute(select(processor_lines)).mappings():
        subject = mirror.line_subject(row["seller_id"], row["id"])
        # Explained or not is for the next comparison to say; it may be either until then, and nothing else.
        either = [mirror.line_books(row["seller_id"], mirror.line_of(row), explained=known) for known in (True, False)]
        stands = held.get(subject, {})
        yield subject, stands if stands in either else either[0]


def _payments(connection: Connection) -> Iterator[tuple[Subject, Balances]]:
    back = _sums(connection, refunds.c.withdrawn_minor, refunds.c.withdrawn_minor != 0)
    given_up = _sums(connection, disputes.c.amount_minor, disputes.c.state == "lost")
    for row in connection.execute(select(payments)).mappings():
        name = (row["owner_id"], row["id"])
        subject = subject_of(*name)
        if row["means"] != rows.CARD:
            yield subject, by_hand.books_of(dict(row))
            continue
        owed = Line(Account.RECEIVABLE, row["owner_id"], row["seller_id"], row["currency"], None)
        yield subject, _card_books(dict(row), owed, back[name], min(given_up[name], row["disputed_minor"]))


def _card_books(row: Mapping[str, Any], owed: Line, refunded_minor: int, lost_minor: int) -> Balances:
    """Where a payment by card stands: as `billing.payments.books` puts it, from what its rows keep of it."""
    captured, fee, disputed = row["captured_minor"], row["fee_minor"], row["disputed_minor"]
    amounts = {
        Account.PROCESSOR: captured - refunded_minor - fee - disputed,
        Account.PROCESSOR_FEES: fee,
        Account.DISPUTED: disputed - lost_minor,
        Account.BAD_DEBT: lost_minor,
        Account.RECEIVABLE: refunded_minor - captured,
    }
    return {
        owed if account is Account.RECEIVABLE else Line(account, None, owed.seller_id, owed.currency, None): minor
        for account, minor in amounts.items()
        if minor
    }


def _sums(connection: Connection, amounts: Column[int], which: ColumnElement[bool]) -> Counter[tuple[str, str]]:
    """A column's amounts by (owner, payment)."""
    name = (amounts.table.c.owner_id, amounts.table.c.payment_id)
    statement = select(*name, func.sum(amounts)).where(which).group_by(*name)
    return Counter(
        {(owner_id, payment_id): int(minor) for owner_id, payment_id, minor in connection.execute(statement)}
    )
