"""Double-entry, append-only: transfers of entries that sum to zero, in integer minor units, one currency a transfer.

Debit is above zero, credit below. There are two books of one kind: what sessions cause leads with the site, what
payments cause leads with who pays, so that both can be distributed. What should stand where is `settle`'s and
`payments`' business. The database refuses changes and unbalanced transfers by itself (`sessions/migrations/guards.py`).
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, Text, and_, func, select

from billing.store.accounts import account_entries, account_transfers
from billing.store.tables import entries, transfers
from sessions.database import is_postgresql
from sessions.statements import Among, Given, bulk_insert
from sessions.store.queries import SessionKey


class Account(StrEnum):
    """The accounts an idle fee moves through, and then the money that pays it."""

    RECEIVABLE = "receivable"  # what an owner owes a seller; below zero: what the seller owes back
    REVENUE = "revenue"
    TAX = "tax"  # collected for the tax office, by code
    UNCLAIMED = "unclaimed"  # fees of sessions nobody claimed…
    DEFERRED = "deferred"  # …and their other side: neither revenue nor tax before they are claimed
    PROCESSOR = "processor"  # what the card processor holds for the seller
    PROCESSOR_FEES = "processor_fees"
    DISPUTED = "disputed"  # taken back by a bank while it decides
    IN_TRANSIT = "in_transit"  # paid out by the processor, not seen at the bank yet
    BANK = "bank"
    GOODWILL = "goodwill"  # credits that correct no fee
    BAD_DEBT = "bad_debt"
    ALLOWANCE = "allowance"  # provided for debts that will not be paid; write-offs use it up first
    SUSPENSE = "suspense"  # money that moved and that nobody can explain yet


class Line(NamedTuple):
    """Where an amount stands."""

    account: Account
    owner_id: str | None
    seller_id: str
    currency: str
    tax_code: str | None


Balances = Mapping[Line, int]


class Subject(NamedTuple):
    """What a transfer of the accounts' book is about. `party_id` is the owner, or for what concerns none the seller;
    `id` names the thing: `payment …`, `credit …`, `payout …`.
    """

    party_id: str
    id: str


Key = SessionKey | Subject


@dataclass(frozen=True, slots=True)
class Book:
    """A pair of tables: `lead` is the column by which they are distributed, `subject` what a transfer is about."""

    transfers: Table
    entries: Table
    lead: str
    subject: str
    key: Callable[[str, str], Key]


SESSIONS = Book(transfers, entries, "site_id", "session_id", SessionKey)
ACCOUNTS = Book(account_transfers, account_entries, "party_id", "subject", Subject)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One balanced step of a session's or another subject's books; `n` counts a subject's transfers from 1."""

    key: Key
    n: int
    seller_id: str
    currency: str
    reason: str
    lines: Sequence[tuple[Line, int]]

    @property
    def id(self) -> str:
        return transfer_id(self.key, self.n)


class TransferExists(Exception):
    """A transfer's id is taken: somebody else settled the session meanwhile, or the lock was not held."""


def transfer_id(key: Key, n: int) -> str:
    """H(session or subject, n): the same settlement has the same id wherever it is computed."""
    return hashlib.blake2b(f"{key.id}\0{n}".encode(), digest_size=16).hexdigest()


def owed(
    *, fee_minor: int, tax_minor: int, tax_code: str | None, owner_id: str | None, seller_id: str, currency: str
) -> dict[Line, int]:
    """Where a fee of `fee_minor`, of which `tax_minor` is tax, should stand; empty for no fee."""
    if fee_minor == 0:
        return {}
    if owner_id is None:
        return {
            Line(Account.UNCLAIMED, None, seller_id, currency, None): fee_minor,
            Line(Account.DEFERRED, None, seller_id, currency, None): -fee_minor,
        }
    lines = {
        Line(Account.RECEIVABLE, owner_id, seller_id, currency, None): fee_minor,
        Line(Account.REVENUE, None, seller_id, currency, tax_code): tax_minor - fee_minor,
    }
    if tax_minor:
        lines[Line(Account.TAX, None, seller_id, currency, tax_code)] = -tax_minor
    return lines


def difference(target: Balances, posted: Balances) -> dict[Line, int]:
    """What must still be posted so that `posted` becomes `target`; lines without a difference are left out."""
    moves = {line: target.get(line, 0) - posted.get(line, 0) for line in {**target, **posted}}
    return {line: amount for line, amount in moves.items() if amount}


def transfers_for(key: Key, n: int, moves: Balances, reason: str) -> list[Transfer]:
    """The transfers that carry out `moves`, numbered after the `n` there are: one a seller and currency."""
    books: dict[tuple[str, str], list[tuple[Line, int]]] = defaultdict(list)
    for line in sorted(moves, key=lambda line: tuple(part or "" for part in line)):
        books[line.seller_id, line.currency].append((line, moves[line]))
    return [
        Transfer(key, n + at, seller_id, currency, reason, lines)
        for at, ((seller_id, currency), lines) in enumerate(sorted(books.items()), start=1)
    ]


def post(connection: Connection, new: Sequence[Transfer], now: int, book: Book = SESSIONS) -> None:
    """Append the transfers, entries first, so that the database can check each sum as its transfer arrives.

    Raises `TransferExists` if an id is taken.
    """
    if not new:
        return
    postgresql = is_postgresql(connection)
    names = _NAMED.bind(postgresql, ((transfer.key[0], transfer.id) for transfer in new))
    if (taken := connection.execute(_taken(postgresql, book), names).scalars().first()) is not None:
        raise TransferExists(taken)
    bulk_insert(
        connection,
        book.entries,
        (book.lead, "transfer_id", "line", "account", "owner_id", "seller_id", "currency", "tax_code", "amount_minor"),
        [
            (
                transfer.key[0],
                transfer.id,
                number,
                line.account.value,
                line.owner_id,
                line.seller_id,
                line.currency,
                line.tax_code,
                amount,
            )
            for transfer in new
            for number, (line, amount) in enumerate(transfer.lines, start=1)
        ],
        conflict="",
    )
    bulk_insert(
        connection,
        book.transfers,
        (book.lead, "id", book.subject, "n", "corrects", "seller_id", "currency", "reason", "recorded_at"),
        [
            (
                transfer.key[0],
                transfer.id,
                transfer.key.id,
                transfer.n,
                transfer_id(transfer.key, transfer.n - 1) if transfer.n > 1 else None,
                transfer.seller_id,
                transfer.currency,
                transfer.reason,
                now,
            )
            for transfer in new
        ],
        conflict="",
    )


_NAMED = Given("named", ("lead", Text()), ("id", Text()))


@cache
def _taken(postgresql: bool, book: Book) -> Select[Any]:
    named, heads = _NAMED.clause(postgresql), book.transfers.c
    return select(heads.id).join(named, and_(heads[book.lead] == named.c.lead, heads.id == named.c.id))


def posted(connection: Connection, keys: Collection[Key], book: Book = SESSIONS) -> dict[Key, dict[Line, int]]:
    """What the ledger holds for each session or subject, summed by line; lines that sum to zero are left out."""
    if not keys:
        return {}
    postgresql = is_postgresql(connection)
    found: dict[Key, dict[Line, int]] = defaultdict(dict)
    rows = connection.execute(_posted(postgresql, book), _WANTED.bind(postgresql, keys))
    for lead, subject, account, owner_id, seller_id, currency, tax_code, amount in rows:
        if amount:
            line = Line(Account(account), owner_id, seller_id, currency, tax_code)
            found[book.key(lead, subject)][line] = int(amount)
    return found


_WANTED = Given("wanted", ("lead", Text()), ("subject", Text()))


@cache
def _posted(postgresql: bool, book: Book) -> Select[Any]:
    heads, parts = book.transfers.c, book.entries.c
    wanted = _WANTED.clause(postgresql)
    # Transfers first, then their entries: SQLite would walk every entry of a site for every session.
    theirs = (
        select(heads[book.lead].label("lead"), heads.id, heads[book.subject].label("subject"))
        .join(wanted, and_(heads[book.lead] == wanted.c.lead, heads[book.subject] == wanted.c.subject))
        .cte("theirs")
        .prefix_with("MATERIALIZED")
    )
    line = (parts.account, parts.owner_id, parts.seller_id, parts.currency, parts.tax_code)
    return (
        select(theirs.c.lead, theirs.c.subject, *line, func.sum(parts.amount_minor))
        .join(book.entries, and_(parts[book.lead] == theirs.c.lead, parts.transfer_id == theirs.c.id))
        .group_by(theirs.c.lead, theirs.c.subject, *line)
    )


def converge(connection: Connection, key: Subject, target: Balances, reason: str, now: int) -> bool:
    """Post what is missing so that the accounts' book holds `target` for the subject; False if nothing was.

    The convergence of `settle` for everything that is no session: said twice it posts once. The caller holds the
    lock of whom the subject belongs to (`billing.payments.locks`).
    """
    moves = difference(target, posted(connection, [key], ACCOUNTS).get(key, {}))
    if not moves:
        return False
    heads = account_transfers.c
    there = select(func.count()).where(heads.party_id == key.party_id, heads.subject == key.id)
    n = connection.execute(there).scalar_one()
    post(connection, transfers_for(key, n, moves, reason), now, ACCOUNTS)
    return True


class TrialRow(NamedTuple):
    """One account of one seller in one currency, summed over every entry there is."""

    seller_id: str
    currency: str
    account: Account
    debit_minor: int
    credit_minor: int
    balance_minor: int


def trial_balance(connection: Connection, books: Collection[Book] = (SESSIONS, ACCOUNTS)) -> list[TrialRow]:
    """Every account's debits, credits and balance; the balances of a currency sum to zero."""
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for book in books:
        parts = book.entries.c
        amount, account = parts.amount_minor, (parts.seller_id, parts.currency, parts.account)
        statement: Any = select(
            *account,
            func.coalesce(func.sum(amount).filter(amount > 0), 0),
            func.coalesce(func.sum(-amount).filter(amount < 0), 0),
        ).group_by(*account)
        for seller, currency, name, debit, credit in connection.execute(statement):
            before = found.get((seller, currency, name), (0, 0))
            found[seller, currency, name] = (before[0] + int(debit), before[1] + int(credit))
    return [
        TrialRow(seller, currency, Account(name), debit, credit, debit - credit)
        for (seller, currency, name), (debit, credit) in sorted(found.items())
    ]


def owner_balances(connection: Connection, owner_id: str) -> dict[tuple[str, str], int]:
    """What an owner owes, by (seller, currency); below zero: what is theirs."""
    return balances_of_owners(connection, [owner_id]).get(owner_id, {})


def balances_of_owners(connection: Connection, owner_ids: Collection[str]) -> dict[str, dict[tuple[str, str], int]]:
    """`owner_balances` of many; who has no entry is left out."""
    postgresql = is_postgresql(connection)
    found: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    for book in (SESSIONS, ACCOUNTS):
        rows = connection.execute(_balances(postgresql, book), _OWNERS.bind(postgresql, owner_ids))
        for owner_id, seller, currency, amount in rows:
            found[owner_id][seller, currency] += int(amount)
    return found


_OWNERS = Among("owner_ids")


@cache
def _balances(postgresql: bool, book: Book) -> Select[Any]:
    parts = book.entries.c
    whose = (parts.owner_id, parts.seller_id, parts.currency)
    receivable = (_OWNERS.clause(postgresql, parts.owner_id), parts.account == Account.RECEIVABLE.value)
    return select(*whose, func.sum(parts.amount_minor)).where(*receivable).group_by(*whose)
