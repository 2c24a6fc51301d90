"""The ledger, read: transfers and entries of both books in the order they were recorded, and what every owner owes.
Reads only.

Two transactions may record within one second, and the one with the smaller id commit last: who exports periods asks
up to a moment that is over. Of one second, what sessions caused comes before what payments caused.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, false, func, literal, select, tuple_, union_all

from billing.ledger import ACCOUNTS, SESSIONS, Account, Book

BOOKS = (SESSIONS, ACCOUNTS)  # a book's number is its place here


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which transfers; none of a field means all. [since, until) holds the moment they were recorded.

    `site_id` and `session_id` ask for the sessions' book alone, `party_id` and `subject` for the accounts'.
    """

    seller_id: str | None = None
    site_id: str | None = None
    session_id: str | None = None
    party_id: str | None = None
    subject: str | None = None
    since: int | None = None
    until: int | None = None


class Place(NamedTuple):
    """An entry's place in the ledger's order."""

    at: int
    book: int
    lead: str
    id: str


class Step(NamedTuple):
    """A transfer's place where corrections follow what they correct, in one second too."""

    at: int
    book: int
    lead: str
    subject: str
    n: int


class AccountRef(NamedTuple):
    """One line of the trial balance."""

    seller_id: str
    currency: str
    account: str


class Entry(NamedTuple):
    """One entry with what its transfer says of it. Debit above zero, credit below.

    `lead` and `subject` are a session's site and id in the sessions' book, in the accounts' the party and what it is
    about (`payment …`).
    """

    recorded_at: int
    book: int
    lead: str
    transfer_id: str
    line: int
    subject: str
    n: int
    corrects: str | None
    reason: str
    account: str
    owner_id: str | None
    seller_id: str
    currency: str
    tax_code: str | None
    amount_minor: int

    @property
    def site_id(self) -> str | None:
        return self.lead if BOOKS[self.book] is SESSIONS else None

    @property
    def session_id(self) -> str | None:
        return self.subject if BOOKS[self.book] is SESSIONS else None

    @property
    def step(self) -> Step:
        return Step(self.recorded_at, self.book, self.lead, self.subject, self.n)

    @property
    def place(self) -> Place:
        return Place(self.recorded_at, self.book, self.lead, self.transfer_id)


_ROWS_A_FETCH = 1_000


def transfers_after(connection: Connection, wanted: Wanted, after: Step | None, most: int) -> list[list[Entry]]:
    """Up to `most` transfers behind `after`, oldest first, each with its entries."""
    found = [_transfers_of(connection, number, wanted, after, most) for number in range(len(BOOKS))]
    return list(islice(merge(*found, key=lambda entries: entries[0][:2]), most))


def _transfers_of(
    connection: Connection, number: int, wanted: Wanted, after: Step | None, most: int
) -> list[list[Entry]]:
    book = BOOKS[number]
    heads = book.transfers.c
    steps = _asked(select(heads[book.lead], heads.id), book, wanted)
    if after is not None:
        steps = steps.where(_beyond(number, _order(book), after))
    keys = [tuple(row) for row in connection.execute(steps.order_by(*_order(book)).limit(most))]
    if not keys:
        return []
    named = tuple_(heads[book.lead], heads.id).in_(keys)
    found: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for row in connection.execute(_entries(number).where(named)):
        entry = Entry._make(row)
        found[entry.lead, entry.transfer_id].append(entry)
    return [found[key[0], key[1]] for key in keys]


def _beyond(number: int, order: Sequence[Any], after: Step) -> ColumnElement[bool]:
    """What of a book lies behind a step of either."""
    at, lead, subject, n = after.at, after.lead, after.subject, after.n
    if number == after.book:
        return tuple_(*order) > (at, lead, subject, n)
    recorded_at: ColumnElement[int] = order[0]
    return recorded_at >= at if number > after.book else recorded_at > at


def every_entry(connection: Connection, wanted: Wanted) -> Iterator[Entry]:
    """All entries asked for, oldest first, in bounded memory."""
    asked = [_asked(_entries(number), book, wanted) for number, book in enumerate(BOOKS)]
    streamed = (connection.execute(one.execution_options(yield_per=_ROWS_A_FETCH)) for one in asked)
    rows = [map(Entry._make, result) for result in streamed]
    return merge(*rows, key=lambda entry: entry[:2])


def latest_entries(connection: Connection, account: AccountRef, before: Place | None, most: int) -> list[Entry]:
    """Up to `most` entries of an account, newest first, behind the place `before`."""
    found = []
    for number, book in enumerate(BOOKS):
        heads, parts = book.transfers.c, book.entries.c
        place = (heads.recorded_at, heads[book.lead], heads.id)
        here = (parts.seller_id, parts.currency, parts.account)
        statement = (
            select(*_columns(number))
            .join(book.entries, _same(book))
            .where(*(column == of for column, of in zip(here, account, strict=True)))
        )
        if before is not None:
            statement = statement.where(_before(number, place, before))
        ordered = statement.order_by(*(column.desc() for column in place), parts.line).limit(most)
        found.append([Entry._make(row) for row in connection.execute(ordered)])
    return list(islice(merge(*found, key=lambda entry: (-entry.recorded_at, -entry.book)), most))


def _before(number: int, place: Sequence[Any], before: Place) -> ColumnElement[bool]:
    if number == before.book:
        return tuple_(*place) < (before.at, before.lead, before.id)
    recorded_at: ColumnElement[int] = place[0]
    return recorded_at <= before.at if number < before.book else recorded_at < before.at


def _columns(number: int) -> tuple[Any, ...]:
    book = BOOKS[number]
    heads, parts = book.transfers.c, book.entries.c
    return (
        heads.recorded_at,
        literal(number).label("book"),
        heads[book.lead],
        heads.id,
        parts.line,
        heads[book.subject],
        heads.n,
        heads.corrects,
        heads.reason,
        parts.account,
        parts.owner_id,
        parts.seller_id,
        parts.currency,
        parts.tax_code,
        parts.amount_minor,
    )


def _order(book: Book) -> tuple[Any, ...]:
    heads = book.transfers.c
    return heads.recorded_at, heads[book.lead], heads[book.subject], heads.n


def _same(book: Book) -> ColumnElement[bool]:
    heads, parts = book.transfers.c, book.entries.c
    return and_(parts[book.lead] == heads[book.lead], parts.transfer_id == heads.id)


def _entries(number: int) -> Select[Any]:
    book = BOOKS[number]
    statement: Select[Any] = select(*_columns(number)).join(book.entries, _same(book))
    return statement.order_by(*_order(book), book.entries.c.line)


def _asked(statement: Select[Any], book: Book, wanted: Wanted) -> Select[Any]:
    heads = book.transfers.c
    by_session, by_subject = (wanted.site_id, wanted.session_id), (wanted.party_id, wanted.subject)
    mine, others = (by_session, by_subject) if book is SESSIONS else (by_subject, by_session)
    if others != (None, None):
        return statement.where(false())
    for column, value in (
        (heads.seller_id, wanted.seller_id),
        (heads[book.lead], mine[0]),
        (heads[book.subject], mine[1]),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if wanted.since is not None:
        statement = statement.where(heads.recorded_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(heads.recorded_at < wanted.until)
    return statement


class Owed(NamedTuple):
    """What one owner owes one seller in one currency."""

    owner_id: str
    seller_id: str
    currency: str
    amount_minor: int


def owed_after(connection: Connection, after: Sequence[str] | None, most: int) -> list[Owed]:
    """Up to `most` balances that are not zero, behind (owner, seller, currency), in that order."""
    both = union_all(*(_receivables(book.entries) for book in (SESSIONS, ACCOUNTS))).subquery()
    place = (both.c.owner_id, both.c.seller_id, both.c.currency)
    owed_minor = func.sum(both.c.amount_minor)
    statement = select(*place, owed_minor).group_by(*place).having(owed_minor != 0).order_by(*place).limit(most)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple(after))
    return [Owed(row[0], row[1], row[2], int(row[3])) for row in connection.execute(statement)]


def _receivables(of: Table) -> Select[Any]:
    mine = (of.c.owner_id, of.c.seller_id, of.c.currency, of.c.amount_minor)
    return select(*mine).where(of.c.account == Account.RECEIVABLE.value, of.c.owner_id.is_not(None))
