"""Do the books hold what the charges say: every transfer balanced and in its place, every balance the sum of its
entries?
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from billing.ledger import SESSIONS, Account, Balances, Line, difference, posted, transfer_id, trial_balance
from billing.settle import Charge
from billing.store.tables import entries, transfers
from billing.verify.differences import Code, Difference, amount
from billing.verify.walk import Chunk
from sessions.store.queries import SessionKey

Standing = Counter[tuple[str, str, Account]]  # (seller, currency, account) → minor units


def wrong_postings(
    connection: Connection, keys: Sequence[SessionKey], books: Mapping[SessionKey, Balances]
) -> Iterator[Difference]:
    """Sessions for which the ledger holds something else than the facts come to. `books` leaves out what is unknown."""
    held = posted(connection, [key for key in keys if key in books])
    for key, target in books.items():
        for line, missing_minor in difference(target, held.get(key, {})).items():
            stands_minor, should_minor = target.get(line, 0) - missing_minor, target.get(line, 0)
            meaning = (
                f"{_account(line)} stands at {amount(stands_minor, line.currency)} and should at "
                f"{amount(should_minor, line.currency)}: settling the session again posts the difference"
            )
            yield Difference(Code.LEDGER_DIFFERS, f"books of {key.id}", meaning)


def _account(line: Line) -> str:
    whose = f" of {line.owner_id}" if line.owner_id else ""
    return f"{line.account.value}{whose} at {line.seller_id}{f' ({line.tax_code})' if line.tax_code else ''}"


def wrong_transfers(
    connection: Connection, chunk: Chunk, charges: Mapping[SessionKey, Charge], seen: Counter[str]
) -> Iterator[Difference]:
    """The chunk's transfers: each balanced, in one currency, of one seller, numbered as settled. Counted in `seen`."""
    numbers: Counter[SessionKey] = Counter()
    for row in _transfers(connection, chunk):
        key = SessionKey(row.site_id, row.session_id)
        numbers[key] += 1
        seen["transfers"] += 1
        seen["entries"] += row.lines
        subject = f"transfer {row.n} of {row.session_id}"
        if (wrong := unbalanced(row)) is not None:
            yield Difference(Code.TRANSFER_UNBALANCED, subject, wrong)
        if row.n != numbers[key]:
            meaning = f"transfer {numbers[key]} is missing before it: a settlement is gone or was numbered twice"
            yield Difference(Code.CHAIN_BROKEN, subject, meaning)
            numbers[key] = row.n
        elif row.id != transfer_id(key, row.n) or row.corrects != (transfer_id(key, row.n - 1) if row.n > 1 else None):
            meaning = "its id, or the transfer it says it corrects, is not what its session and number give"
            yield Difference(Code.TRANSFER_MISNAMED, subject, meaning)
    for key in chunk.keys:
        settlements = charges[key].settlements if key in charges else 0
        if settlements != numbers[key]:
            meaning = f"its charge was settled by {settlements} transfers, the ledger holds {numbers[key]}"
            yield Difference(Code.CHAIN_BROKEN, f"books of {key.id}", meaning)


def _transfers(connection: Connection, chunk: Chunk) -> Iterator[Row[Any]]:
    summed = (
        func.count(entries.c.line).label("lines"),
        func.coalesce(func.sum(entries.c.amount_minor), 0).label("sum_minor"),
        func.count(entries.c.currency.distinct()).label("currencies"),
        func.min(entries.c.currency).label("a_currency"),
        func.count(entries.c.seller_id.distinct()).label("sellers"),
        func.min(entries.c.seller_id).label("a_seller"),
    )
    statement = (
        select(transfers, *summed)
        .join(
            entries,
            and_(entries.c.site_id == transfers.c.site_id, entries.c.transfer_id == transfers.c.id),
            isouter=True,
        )
        .where(chunk.holds(transfers.c.site_id, transfers.c.session_id))
        .group_by(*transfers.c)
        .order_by(transfers.c.site_id, transfers.c.session_id, transfers.c.n)
    )
    yield from connection.execute(statement)


def unbalanced(row: Row[Any]) -> str | None:
    """What is wrong with a transfer, by the sums of its entries."""
    if row.lines < 2:
        return f"it has {row.lines} entries; money moves between two at least"
    if (row.currencies, row.a_currency) != (1, row.currency) or (row.sellers, row.a_seller) != (1, row.seller_id):
        return "its entries are not all in its own currency and of its own seller"
    if row.sum_minor:
        return f"its entries sum to {amount(row.sum_minor, row.currency)} instead of zero: money appeared or vanished"
    return None


def lone_entries(connection: Connection) -> Iterator[Difference]:
    """Entries whose transfer is not there: they move balances and no settlement explains them."""
    statement = (
        select(entries.c.transfer_id, entries.c.line, entries.c.amount_minor, entries.c.currency)
        .join(
            transfers,
            and_(entries.c.site_id == transfers.c.site_id, entries.c.transfer_id == transfers.c.id),
            isouter=True,
        )
        .where(transfers.c.id.is_(None))
    )
    for transfer, line, minor, currency in connection.execute(statement):
        meaning = f"it moves {amount(minor, currency)}, and the transfer it belongs to is not there"
        yield Difference(Code.ENTRY_ALONE, f"entry {line} of transfer {transfer}", meaning)


def stand(standing: Standing, books: Mapping[SessionKey, Balances]) -> None:
    """Add up where the facts put every charge."""
    for balances in books.values():
        for line, minor in balances.items():
            standing[line.seller_id, line.currency, line.account] += minor


def wrong_balances(connection: Connection, standing: Standing) -> Iterator[Difference]:
    """Accounts whose balance, the sum of all entries, is not where the charges put it."""
    stored = {
        (row.seller_id, row.currency, row.account): row.balance_minor for row in trial_balance(connection, [SESSIONS])
    }
    for seller_id, currency, account in sorted({*stored, *standing}):
        name = (seller_id, currency, account)
        if stored.get(name, 0) != standing[name]:
            meaning = (
                f"its entries sum to {amount(stored.get(name, 0), currency)}, "
                f"the charges come to {amount(standing[name], currency)}"
            )
            yield Difference(Code.BALANCE_DIFFERS, f"account {account.value} of {seller_id} in {currency}", meaning)
