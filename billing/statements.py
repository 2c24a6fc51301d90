"""An owner's statement of a month: what was owed to a seller before, what the month added and corrected, what was paid,
paid back, credited and written off, what is owed after. Computed from both books' entries alone, so that it closes at
what the ledger says.

A month is the seller's, in the time zone of the seller's books. Nothing is stored and nothing is rounded.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain, groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, and_, func, select

from billing.ledger import Account
from billing.store.accounts import account_entries, account_transfers
from billing.store.tables import entries, transfers
from sessions.store.queries import SessionKey
from sessions.store.tables import sellers


class Month(NamedTuple):
    """A calendar month."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def next(self) -> "Month":
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    def starts_at(self, zone: ZoneInfo) -> int:
        """Its first second on the wall clocks of `zone`, as UTC seconds."""
        return int(datetime(self.year, self.month, 1, tzinfo=zone).timestamp())

    @classmethod
    def of(cls, moment: int, zone: ZoneInfo) -> "Month":
        local = datetime.fromtimestamp(moment, UTC).astimezone(zone)
        return cls(local.year, local.month)

    @classmethod
    def read(cls, text: str) -> "Month":
        """`2026-11`. Raises `ValueError`."""
        year, _, month = text.partition("-")
        if len(year) != 4 or len(month) != 2 or not (year + month).isdecimal() or not 1 <= int(month) <= 12:
            raise ValueError(f"{text!r} is no month: one is for example 2026-11")
        if not 1970 <= int(year) < 9999:
            raise ValueError(f"{text!r} is no month we keep books of")
        return cls(int(year), int(month))


class Kind(StrEnum):
    """What a line is. What takes from what is owed is below zero."""

    FEE = "fee"
    CORRECTION = "correction"
    PAYMENT = "payment"
    REFUND = "refund"  # paid back, or a record of a payment that was taken back
    CREDIT = "credit"
    WRITE_OFF = "write_off"


@dataclass(frozen=True, slots=True)
class Line:
    """One step of the books of a session, or of what `subject` names (a payment, a credit, a write-off), as far as it
    is this owner's. Of the amount, `tax_minor` is tax.
    """

    at: int
    kind: Kind
    key: SessionKey | None
    subject: str | None
    reason: str
    amount_minor: int
    tax_minor: int

    @property
    def is_correction(self) -> bool:
        return self.kind is Kind.CORRECTION


@dataclass(frozen=True, slots=True)
class Statement:
    """One owner, seller, currency and month; amounts in minor units, above zero where the owner owes."""

    seller_id: str
    seller: str
    zone: ZoneInfo
    currency: str
    month: Month
    opening_minor: int
    lines: Sequence[Line]

    def minor_of(self, *kinds: Kind) -> int:
        """What the lines of these kinds come to."""
        return sum(line.amount_minor for line in self.lines if line.kind in kinds)

    @property
    def fees_minor(self) -> int:
        return self.minor_of(Kind.FEE)

    @property
    def corrections_minor(self) -> int:
        return self.minor_of(Kind.CORRECTION)

    @property
    def sessions(self) -> int:
        """How many sessions the month added."""
        return sum(line.kind is Kind.FEE for line in self.lines)

    @property
    def tax_minor(self) -> int:
        """The tax in what the month added and corrected."""
        return sum(line.tax_minor for line in self.lines)

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Book:
    """What an owner and a seller have to do with one another in one currency, oldest line first."""

    seller_id: str
    seller: str
    zone: ZoneInfo
    currency: str
    lines: list[Line]

    def statement(self, month: Month) -> Statement:
        start, end = month.starts_at(self.zone), month.next.starts_at(self.zone)
        return Statement(
            seller_id=self.seller_id,
            seller=self.seller,
            zone=self.zone,
            currency=self.currency,
            month=month,
            opening_minor=sum(line.amount_minor for line in self.lines if line.at < start),
            lines=[line for line in self.lines if start <= line.at < end],
        )


def statements(connection: Connection, owner_id: str, now: int) -> list[Statement]:
    """Every month from an owner's first entry to the present one, newest first, one a seller and currency."""
    found = [book.statement(month) for book in _books(connection, owner_id) for month in _months(book, now)]
    return sorted(found, key=lambda one: (one.month, one.seller, one.currency), reverse=True)


def statements_of(connection: Connection, owner_id: str, month: Month, now: int) -> list[Statement]:
    """Those of one month; a month before the first entry, or still to come, has none."""
    return [book.statement(month) for book in _books(connection, owner_id) if month in _months(book, now)]


def _months(book: _Book, now: int) -> Iterator[Month]:
    month, last = Month.of(book.lines[0].at, book.zone), Month.of(now, book.zone)
    while month <= last:
        yield month
        month = month.next


class _Entry(NamedTuple):
    at: int
    site_id: str
    session_id: str
    n: int
    reason: str
    seller_id: str
    currency: str
    account: str
    owner_id: str | None
    amount_minor: int


def _books(connection: Connection, owner_id: str) -> list[_Book]:
    """Everything that ever moved the owner's account, by seller and currency."""
    names = {row.id: (row.name, ZoneInfo(row.zone)) for row in connection.execute(select(sellers))}
    books: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for book, line in chain(_of_sessions(connection, owner_id), _of_accounts(connection, owner_id)):
        books[book].append(line)
    return [
        _Book(seller_id, *names[seller_id], currency, sorted(lines, key=lambda line: (line.at, line.key or ("", ""))))
        for (seller_id, currency), lines in sorted(books.items())
    ]


def _of_accounts(connection: Connection, owner_id: str) -> Iterator[tuple[tuple[str, str], Line]]:
    """What payments, credits and write-offs moved."""
    heads, parts = account_transfers.c, account_entries.c
    statement = (
        select(
            heads.recorded_at,
            heads.subject,
            heads.reason,
            parts.seller_id,
            parts.currency,
            func.sum(parts.amount_minor).label("amount_minor"),
        )
        .join(account_entries, and_(parts.party_id == heads.party_id, parts.transfer_id == heads.id))
        .where(parts.owner_id == owner_id, parts.account == Account.RECEIVABLE.value)
        .group_by(heads.recorded_at, heads.subject, heads.n, heads.reason, parts.seller_id, parts.currency)
        .order_by(heads.recorded_at, heads.subject, heads.n)
    )
    for row in connection.execute(statement):
        kind = _kind(row.subject, row.amount_minor)
        line = Line(row.recorded_at, kind, None, row.subject, row.reason, int(row.amount_minor), 0)
        yield (row.seller_id, row.currency), line


def _kind(subject: str, amount_minor: int) -> Kind:
    """What moves an account and is neither credit nor write-off is money: it came, or it went back."""
    kind = subject.partition(" ")[0]
    if kind in (Kind.CREDIT, Kind.WRITE_OFF):
        return Kind(kind)
    return Kind.REFUND if amount_minor > 0 else Kind.PAYMENT


def _of_sessions(connection: Connection, owner_id: str) -> Iterator[tuple[tuple[str, str], Line]]:
    """What sessions that ever stood on the owner's account moved there, cut down to what is theirs."""
    same = and_(entries.c.site_id == transfers.c.site_id, entries.c.transfer_id == transfers.c.id)
    theirs = (
        select(transfers.c.site_id, transfers.c.session_id)
        .join(entries, same)
        .where(entries.c.owner_id == owner_id, entries.c.account == Account.RECEIVABLE.value)
        .distinct()
        .cte("theirs")
    )
    statement: Select[Any] = (
        select(
            transfers.c.recorded_at,
            transfers.c.site_id,
            transfers.c.session_id,
            transfers.c.n,
            transfers.c.reason,
            entries.c.seller_id,
            entries.c.currency,
            entries.c.account,
            entries.c.owner_id,
            entries.c.amount_minor,
        )
        .join(theirs, and_(theirs.c.site_id == transfers.c.site_id, theirs.c.session_id == transfers.c.session_id))
        .join(entries, same)
        .order_by(transfers.c.site_id, transfers.c.session_id, transfers.c.n, entries.c.line)
    )
    rows = (_Entry(*row) for row in connection.execute(statement))
    for _, session in groupby(rows, key=lambda row: (row.site_id, row.session_id)):
        yield from _lines(list(session), owner_id)


def _lines(session: Iterable[_Entry], owner_id: str) -> Iterator[tuple[tuple[str, str], Line]]:
    """One session's steps as they moved the owner's account.

    A session stands on one account at a time, so the tax in what stands on the owner's is all of its tax or none.
    """
    stood: dict[tuple[str, str], int] = defaultdict(int)
    tax: dict[tuple[str, str], int] = defaultdict(int)
    tax_shown: dict[tuple[str, str], int] = defaultdict(int)
    begun = False
    for _n, step in groupby(session, key=lambda row: row.n):
        rows = list(step)
        first = rows[0]
        book = (first.seller_id, first.currency)
        tax[book] -= sum(row.amount_minor for row in rows if row.account == Account.TAX.value)
        moved = [row for row in rows if row.account == Account.RECEIVABLE.value and row.owner_id == owner_id]
        amount = sum(row.amount_minor for row in moved)
        stood[book] += amount
        due_tax = tax[book] if stood[book] else 0
        if not moved and due_tax == tax_shown[book]:
            continue
        key = SessionKey(first.site_id, first.session_id)
        kind = Kind.CORRECTION if begun else Kind.FEE
        yield book, Line(first.at, kind, key, None, first.reason, amount, due_tax - tax_shown[book])
        tax_shown[book], begun = due_tax, True
