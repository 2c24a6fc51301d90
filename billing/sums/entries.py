"""Both books' entries, answered: the trial balance, and what an account moved on each day. Reads only."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, and_, func, select

from billing.ledger import ACCOUNTS, SESSIONS, Account, Book, TrialRow
from billing.store.sums import entry_days, summed
from billing.sums.days import Calendars, calendars, day_of

WHAT = "entries"
BOOKS = {"sessions": SESSIONS, "accounts": ACCOUNTS}

Key = TypeVar("Key", bound=tuple[str, ...])
Moved = dict[tuple[str, str, Account, str], tuple[int, int]]  # (seller, currency, account, day) → debit, credit


def trial_balance(connection: Connection) -> list[TrialRow]:
    """`ledger.trial_balance`, by the sums of days and what they do not hold yet."""
    found = _of_rows(connection, _until(connection))
    group = (entry_days.c.seller_id, entry_days.c.currency, entry_days.c.account)
    of_days = select(*group, func.sum(entry_days.c.debit_minor), func.sum(entry_days.c.credit_minor))
    for *name, debit, credit in connection.execute(of_days.group_by(*group)):
        _put(found, tuple(name), debit, credit)
    return _trial(found)


def trial_balance_of_rows(connection: Connection) -> list[TrialRow]:
    """The same by the entries alone, however many they are: what the sums of days are compared with."""
    return _trial(_of_rows(connection, 0))


def _of_rows(connection: Connection, since: int) -> dict[tuple[str, ...], tuple[int, int]]:
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for book in BOOKS.values():
        for *name, debit, credit in between(connection, book, since, None):
            _put(found, tuple(map(str, name)), int(debit), int(credit))
    return found


def _trial(found: Mapping[tuple[str, ...], tuple[int, int]]) -> list[TrialRow]:
    return [
        TrialRow(seller_id, currency, Account(account), debit, credit, debit - credit)
        for (seller_id, currency, account), (debit, credit) in sorted(found.items())
    ]


def moved_by_day(connection: Connection, accounts: Sequence[Account], first_day: str, last_day: str) -> Moved:
    """Debits and credits of these accounts on each of the days, by the calendars of the sellers' books."""
    found: Moved = {}
    columns = entry_days.c
    of_days = (
        select(
            columns.seller_id, columns.currency, columns.account, columns.day, columns.debit_minor, columns.credit_minor
        )
        .where(columns.account.in_([account.value for account in accounts]))
        .where(columns.day >= first_day, columns.day <= last_day)
    )
    for seller_id, currency, account, day, debit, credit in connection.execute(of_days):
        _put(found, (seller_id, currency, Account(account), day), debit, credit)
    for seller_id, currency, account, day, debit, credit in _tail(connection, calendars(connection)):
        if account in accounts and first_day <= day <= last_day:
            _put(found, (seller_id, currency, account, day), debit, credit)
    return found


def _put(found: dict[Key, tuple[int, int]], key: Key, debit_minor: int, credit_minor: int) -> None:
    before = found.get(key, (0, 0))
    found[key] = (before[0] + int(debit_minor), before[1] + int(credit_minor))


def _tail(connection: Connection, known: Calendars) -> Iterator[tuple[str, str, Account, str, int, int]]:
    """What the sums of days do not hold yet, a day at a time."""
    since = _until(connection)
    while (first := first_from(connection, since)) is not None:
        since = known.next_midnight(first)
        for book in BOOKS.values():
            for seller_id, currency, account, debit, credit in between(connection, book, first, since):
                yield seller_id, currency, Account(account), day_of(first, known.zones[seller_id]), debit, credit


def first_from(connection: Connection, since: int) -> int | None:
    """When something was recorded in either book, at the moment or next after it."""
    recorded = [book.transfers.c.recorded_at for book in BOOKS.values()]
    found = [connection.execute(select(func.min(at)).where(at >= since)).scalar() for at in recorded]
    return min((at for at in found if at is not None), default=None)


def between(connection: Connection, book: Book, since: int, until: int | None) -> list[tuple[str, str, str, int, int]]:
    """(seller, currency, account, debits, credits) of what was recorded in [since, until)."""
    heads, parts = book.transfers.c, book.entries.c
    amount, group = parts.amount_minor, (parts.seller_id, parts.currency, parts.account)
    statement: Any = (
        select(
            *group,
            func.coalesce(func.sum(amount).filter(amount > 0), 0),
            func.coalesce(func.sum(-amount).filter(amount < 0), 0),
        )
        .join(
            book.transfers,
            and_(heads[book.lead] == parts[book.lead], heads.id == parts.transfer_id),
        )
        .where(heads.recorded_at >= since)
        .group_by(*group)
    )
    if until is not None:
        statement = statement.where(heads.recorded_at < until)
    return [(row[0], row[1], row[2], int(row[3]), int(row[4])) for row in connection.execute(statement)]


def _until(connection: Connection) -> int:
    return connection.execute(select(summed.c.until).where(summed.c.what == WHAT)).scalar() or 0
