"""The ledger, read: transfers and entries in the order they were recorded, and what every owner owes. Reads only.

Two transactions may record within one second, and the one with the smaller id commit last: who exports periods asks
up to a moment that is over.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, and_, func, select, tuple_, union_all

from billing.ledger import ACCOUNTS, SESSIONS, Account
from billing.store.tables import entries, transfers


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which transfers; none of a field means all. [since, until) holds the moment they were recorded."""

    seller_id: str | None = None
    site_id: str | None = None
    session_id: str | None = None
    since: int | None = None
    until: int | None = None


class Place(NamedTuple):
    """A transfer's place in the ledger's order."""

    at: int
    site_id: str
    id: str


class Step(NamedTuple):
    """A transfer's place where a session's corrections follow what they correct, in one second too."""

    at: int
    site_id: str
    session_id: str
    n: int


class AccountRef(NamedTuple):
    """One line of the trial balance."""

    seller_id: str
    currency: str
    account: str


class Entry(NamedTuple):
    """One entry with what its transfer says of it. Debit above zero, credit below."""

    recorded_at: int
    site_id: str
    transfer_id: str
    line: int
    session_id: str
    n: int
    corrects: str | None
    reason: str
    account: str
    owner_id: str | None
    seller_id: str
    currency: str
    tax_code: str | None
    amount_minor: int


_same = and_(entries.c.site_id == transfers.c.site_id, entries.c.transfer_id == transfers.c.id)
_COLUMNS = (
    transfers.c.recorded_at,
    transfers.c.site_id,
    transfers.c.id,
    entries.c.line,
    transfers.c.session_id,
    transfers.c.n,
    transfers.c.corrects,
    transfers.c.reason,
    entries.c.account,
    entries.c.owner_id,
    entries.c.seller_id,
    entries.c.currency,
    entries.c.tax_code,
    entries.c.amount_minor,
)
_ORDER = (transfers.c.recorded_at, transfers.c.site_id, transfers.c.session_id, transfers.c.n)
_ROWS_A_FETCH = 1_000


def transfers_after(connection: Connection, wanted: Wanted, after: Step | None, most: int) -> list[list[Entry]]:
    """Up to `most` transfers behind `after`, oldest first, each with its entries."""
    steps = _asked(select(transfers.c.site_id, transfers.c.id), wanted)
    if after is not None:
        steps = steps.where(tuple_(*_ORDER) > tuple(after))
    keys = [tuple(row) for row in connection.execute(steps.order_by(*_ORDER).limit(most))]
    named = tuple_(transfers.c.site_id, transfers.c.id).in_(keys)
    found: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for row in connection.execute(_entries().where(named)):
        found[row[1], row[2]].append(Entry(*row))
    return [found[key[0], key[1]] for key in keys]


def every_entry(connection: Connection, wanted: Wanted) -> Iterator[Entry]:
    """All entries asked for, oldest first, in bounded memory."""
    streamed = connection.execution_options(yield_per=_ROWS_A_FETCH)
    for row in streamed.execute(_asked(_entries(), wanted)):
        yield Entry(*row)


def latest_entries(connection: Connection, account: AccountRef, before: Place | None, most: int) -> list[Entry]:
    """Up to `most` entries of an account, newest first, behind the place `before`."""
    place = (transfers.c.recorded_at, transfers.c.site_id, transfers.c.id)
    here = (entries.c.seller_id, entries.c.currency, entries.c.account)
    statement = (
        select(*_COLUMNS).join(entries, _same).where(*(column == of for column, of in zip(here, account, strict=True)))
    )
    if before is not None:
        statement = statement.where(tuple_(*place) < tuple(before))
    ordered = statement.order_by(*(column.desc() for column in place), entries.c.line).limit(most)
    return [Entry._make(row) for row in connection.execute(ordered)]


def _entries() -> Select[Any]:
    return select(*_COLUMNS).join(entries, _same).order_by(*_ORDER, entries.c.line)


def _asked(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.seller_id is not None:
        statement = statement.where(transfers.c.seller_id == wanted.seller_id)
    if wanted.site_id is not None:
        statement = statement.where(transfers.c.site_id == wanted.site_id)
    if wanted.session_id is not None:
        statement = statement.where(transfers.c.session_id == wanted.session_id)
    if wanted.since is not None:
        statement = statement.where(transfers.c.recorded_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(transfers.c.recorded_at < wanted.until)
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
