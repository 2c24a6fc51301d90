"""Double-entry, append-only: transfers of entries that sum to zero, in integer minor units, one currency a transfer.

Debit is above zero, credit below. What a session is owed lives in five accounts; what it should be is `settle`'s
business. The database refuses changes and unbalanced transfers by itself (`sessions/migrations/guards.py`).
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, and_, func, select

from billing.store.tables import entries, transfers
from sessions.database import bulk_insert, keys_of
from sessions.store.queries import SessionKey


class Account(StrEnum):
    """The accounts an idle fee moves through."""

    RECEIVABLE = "receivable"  # what an owner owes a seller
    REVENUE = "revenue"
    TAX = "tax"  # collected for the tax office, by code
    UNCLAIMED = "unclaimed"  # fees of sessions nobody claimed…
    DEFERRED = "deferred"  # …and their other side: neither revenue nor tax before they are claimed


class Line(NamedTuple):
    """Where an amount stands."""

    account: Account
    owner_id: str | None
    seller_id: str
    currency: str
    tax_code: str | None


Balances = Mapping[Line, int]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One balanced step of a session's books; `n` counts a session's transfers from 1."""

    key: SessionKey
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


def transfer_id(key: SessionKey, n: int) -> str:
    """H(session, n): the same settlement has the same id wherever it is computed."""
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


def transfers_for(key: SessionKey, n: int, moves: Balances, reason: str) -> list[Transfer]:
    """The transfers that carry out `moves`, numbered after the `n` there are: one a seller and currency."""
    books: dict[tuple[str, str], list[tuple[Line, int]]] = defaultdict(list)
    for line in sorted(moves, key=lambda line: tuple(part or "" for part in line)):
        books[line.seller_id, line.currency].append((line, moves[line]))
    return [
        Transfer(key, n + at, seller_id, currency, reason, lines)
        for at, ((seller_id, currency), lines) in enumerate(sorted(books.items()), start=1)
    ]


def post(connection: Connection, new: Sequence[Transfer], now: int) -> None:
    """Append the transfers, entries first, so that the database can check each sum as its transfer arrives.

    Raises `TransferExists` if an id is taken.
    """
    if not new:
        return
    names = [(transfer.key.site_id, transfer.id) for transfer in new]
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("id", Text())), names)
    there = select(transfers.c.id).join(
        wanted, and_(transfers.c.site_id == wanted.c.site_id, transfers.c.id == wanted.c.id)
    )
    if (taken := connection.execute(there).scalars().first()) is not None:
        raise TransferExists(taken)
    bulk_insert(
        connection,
        entries,
        ("site_id", "transfer_id", "line", "account", "owner_id", "seller_id", "currency", "tax_code", "amount_minor"),
        [
            (
                transfer.key.site_id,
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
        transfers,
        ("site_id", "id", "session_id", "n", "corrects", "seller_id", "currency", "reason", "recorded_at"),
        [
            (
                transfer.key.site_id,
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


def posted(connection: Connection, keys: Collection[SessionKey]) -> dict[SessionKey, dict[Line, int]]:
    """What the ledger holds for each session, summed by line; lines that sum to zero are left out."""
    if not keys:
        return {}
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("session_id", Text())), keys)
    # Transfers first, then their entries: SQLite would walk every entry of a site for every session.
    theirs = (
        select(transfers.c.site_id, transfers.c.id, transfers.c.session_id)
        .join(
            wanted,
            and_(transfers.c.site_id == wanted.c.site_id, transfers.c.session_id == wanted.c.session_id),
        )
        .cte("theirs")
        .prefix_with("MATERIALIZED")
    )
    line = (entries.c.account, entries.c.owner_id, entries.c.seller_id, entries.c.currency, entries.c.tax_code)
    statement = (
        select(theirs.c.site_id, theirs.c.session_id, *line, func.sum(entries.c.amount_minor))
        .join(entries, and_(entries.c.site_id == theirs.c.site_id, entries.c.transfer_id == theirs.c.id))
        .group_by(theirs.c.site_id, theirs.c.session_id, *line)
    )
    found: dict[SessionKey, dict[Line, int]] = defaultdict(dict)
    for site_id, session_id, account, owner_id, seller_id, currency, tax_code, amount in connection.execute(statement):
        if amount:
            found[SessionKey(site_id, session_id)][Line(Account(account), owner_id, seller_id, currency, tax_code)] = (
                int(amount)
            )
    return found


class TrialRow(NamedTuple):
    """One account of one seller in one currency, summed over every entry there is."""

    seller_id: str
    currency: str
    account: Account
    debit_minor: int
    credit_minor: int
    balance_minor: int


def trial_balance(connection: Connection) -> list[TrialRow]:
    """Every account's debits, credits and balance; the balances of a currency sum to zero."""
    amount = entries.c.amount_minor
    statement: Any = (
        select(
            entries.c.seller_id,
            entries.c.currency,
            entries.c.account,
            func.coalesce(func.sum(amount).filter(amount > 0), 0),
            func.coalesce(func.sum(-amount).filter(amount < 0), 0),
        )
        .group_by(entries.c.seller_id, entries.c.currency, entries.c.account)
        .order_by(entries.c.seller_id, entries.c.currency, entries.c.account)
    )
    return [
        TrialRow(seller, currency, Account(account), int(debit), int(credit), int(debit) - int(credit))
        for seller, currency, account, debit, credit in connection.execute(statement)
    ]


def owner_balances(connection: Connection, owner_id: str) -> dict[tuple[str, str], int]:
    """What an owner owes, by (seller, currency)."""
    statement = (
        select(entries.c.seller_id, entries.c.currency, func.sum(entries.c.amount_minor))
        .where(entries.c.owner_id == owner_id, entries.c.account == Account.RECEIVABLE.value)
        .group_by(entries.c.seller_id, entries.c.currency)
    )
    return {(seller, currency): int(amount) for seller, currency, amount in connection.execute(statement)}
