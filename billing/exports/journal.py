"""The ledger as a Beancount journal: every transfer a transaction, every account opened, and at its end a balance
assertion for each account and currency, so that `bean-check` itself proves that the journal's sums are the ledger's.

An export that begins in the middle opens with what stood before. Dates are days of the seller's books.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, func, select

from billing.books import BOOKS, Entry, Wanted, every_entry
from billing.ledger import Account
from billing.money import decimal_text
from sessions.events import rfc3339
from sessions.store.tables import sellers

KINDS = {
    Account.RECEIVABLE: "Assets",
    Account.REVENUE: "Income",
    Account.TAX: "Liabilities",
    Account.UNCLAIMED: "Assets",
    Account.DEFERRED: "Liabilities",
    Account.PROCESSOR: "Assets",
    Account.PROCESSOR_FEES: "Expenses",
    Account.DISPUTED: "Assets",
    Account.IN_TRANSIT: "Assets",
    Account.BANK: "Assets",
    Account.GOODWILL: "Expenses",
    Account.BAD_DEBT: "Expenses",
    Account.ALLOWANCE: "Assets",
    Account.SUSPENSE: "Assets",
}


class Ref(NamedTuple):
    """An account as a journal names it."""

    seller_id: str
    account: str
    tax_code: str | None

    @property
    def name(self) -> str:
        """`Income:S-acme:Revenue:US`: no two accounts have one name."""
        plain = "".join(part.title() for part in self.account.split("_"))
        parts = [KINDS[Account(self.account)], component("S", self.seller_id), plain]
        return ":".join([*parts, *([component("T", self.tax_code)] if self.tax_code else [])])


def component(prefix: str, text: str) -> str:
    """A part of an account's name, which may hold letters, digits and hyphens: others are written as `-2e-`, a hyphen
    as two. What begins with a small letter is given a prefix.
    """
    escaped = re.sub(r"[^A-Za-z0-9]", lambda found: "--" if found[0] == "-" else f"-{ord(found[0]):x}-", text)
    return escaped if re.match("[A-Z0-9]", escaped) else f"{prefix}-{escaped}"


def quoted(text: str) -> str:
    """A string of the journal, on one line."""
    flat = " ".join(text.split())
    return '"' + flat.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(slots=True)
class _Days:
    """The days of each seller's books, and the last one that was written."""

    zones: dict[str, ZoneInfo]
    last: date

    def of(self, seller_id: str, at: int) -> date:
        day = datetime.fromtimestamp(at, UTC).astimezone(self.zones[seller_id]).date()
        self.last = max(self.last, day)
        return day


def journal(connection: Connection, wanted: Wanted) -> Iterator[str]:
    """The journal in pieces, a directive or more each. The connection sees one moment (`sessions.database.one_moment`).

    Of `wanted`, only the seller and the interval, which is not empty, count: part of an account has no balance.
    """
    wanted = Wanted(seller_id=wanted.seller_id, since=wanted.since, until=wanted.until)
    sums = _sums(connection, wanted.seller_id, None, wanted.until)
    before = {} if wanted.since is None else _sums(connection, wanted.seller_id, None, wanted.since)
    first_at = _first(connection, wanted)
    yield 'option "title" "idlefee"\n'
    for currency in sorted({currency for _, currency in sums}):
        yield f'option "operating_currency" "{currency}"\n'
    if first_at is None and not before:
        return
    begins_at = wanted.since if wanted.since is not None else (first_at or 0)
    zones = {row.id: ZoneInfo(row.zone) for row in connection.execute(select(sellers.c.id, sellers.c.zone))}
    opened = min(datetime.fromtimestamp(begins_at, zone).date() for zone in zones.values())
    for ref in sorted({ref for ref, _ in sums}, key=lambda ref: ref.name):
        yield f"{opened} open {ref.name}\n"
    yield from _opening(before, opened)
    days = _Days(zones, opened)
    for _, entries in groupby(every_entry(connection, wanted), key=lambda entry: entry[:4]):
        yield _transaction(list(entries), days)
    for (ref, currency), amount in sorted(sums.items(), key=lambda one: (one[0][0].name, one[0][1])):
        # A balance is that of its day's first moment; without a tolerance of zero a cent would pass.
        yield f"{days.last + timedelta(1)} balance {ref.name}  {decimal_text(amount, currency)} ~ 0 {currency}\n"


def _opening(before: dict[tuple[Ref, str], int], day: date) -> Iterator[str]:
    standing = {key: amount for key, amount in before.items() if amount}
    for seller_id in sorted({ref.seller_id for ref, _ in standing}):
        yield f'\n{day} * "What stood before"\n  seller: {quoted(seller_id)}\n'
        for (ref, currency), amount in sorted(standing.items(), key=lambda one: (one[0][0].name, one[0][1])):
            if ref.seller_id == seller_id:
                yield f"  {ref.name}  {decimal_text(amount, currency)} {currency}\n"


def _transaction(entries: Iterable[Entry], days: _Days) -> str:
    rows = list(entries)
    first = rows[0]
    metadata = {
        "transfer": first.transfer_id,
        "time": rfc3339(first.recorded_at),
        "site": first.site_id,
        "session": first.session_id,
        "party": first.lead if first.site_id is None else None,
        "subject": first.subject if first.site_id is None else None,
        "corrects": first.corrects,
    }
    lines = [f"\n{days.of(first.seller_id, first.recorded_at)} * {quoted(first.reason)}"]
    lines += [f"  {name}: {quoted(value)}" for name, value in metadata.items() if value is not None]
    for entry in rows:
        ref = Ref(entry.seller_id, entry.account, entry.tax_code)
        lines.append(f"  {ref.name}  {decimal_text(entry.amount_minor, entry.currency)} {entry.currency}")
        if entry.owner_id is not None:
            lines.append(f"    owner: {quoted(entry.owner_id)}")
    return "\n".join(lines) + "\n"


def _sums(
    connection: Connection, seller_id: str | None, since: int | None, until: int | None
) -> dict[tuple[Ref, str], int]:
    """Each account's balance by currency over what was recorded in [since, until)."""
    found: dict[tuple[Ref, str], int] = {}
    for book in BOOKS:
        heads, parts = book.transfers.c, book.entries.c
        by = (parts.seller_id, parts.account, parts.tax_code, parts.currency)
        statement = select(*by, func.sum(parts.amount_minor)).group_by(*by)
        if since is not None or until is not None:
            same = and_(parts[book.lead] == heads[book.lead], parts.transfer_id == heads.id)
            statement = statement.join(book.transfers, same)
            if since is not None:
                statement = statement.where(heads.recorded_at >= since)
            if until is not None:
                statement = statement.where(heads.recorded_at < until)
        if seller_id is not None:
            statement = statement.where(parts.seller_id == seller_id)
        for seller, account, tax_code, currency, amount in connection.execute(statement):
            key = (Ref(seller, account, tax_code), currency)
            found[key] = found.get(key, 0) + int(amount)
    return found


def _first(connection: Connection, wanted: Wanted) -> int | None:
    firsts = []
    for book in BOOKS:
        heads = book.transfers.c
        statement = select(func.min(heads.recorded_at))
        if wanted.seller_id is not None:
            statement = statement.where(heads.seller_id == wanted.seller_id)
        firsts.append(connection.execute(statement).scalar())
    return min((int(at) for at in firsts if at is not None), default=None)
