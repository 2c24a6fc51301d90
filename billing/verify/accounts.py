"""Does the accounts' book hold together, and is what was sealed still so? What payments should have posted is asked of
their rows; what the processor and the bank say of them is `billing.reconcile`'s.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, and_, func, select

from billing.ledger import ACCOUNTS, Subject, transfer_id
from billing.periods.seals import broken
from billing.verify.books import unbalanced
from billing.verify.differences import Code, Difference

_heads, _parts = ACCOUNTS.transfers.c, ACCOUNTS.entries.c
_same = and_(_parts.party_id == _heads.party_id, _parts.transfer_id == _heads.id)
ROWS_A_FETCH = 1_000


def wrong_accounts(connection: Connection, seen: Counter[str]) -> Iterator[Difference]:
    """The accounts' book: each transfer balanced, in one currency, of one seller, numbered from 1 and named by that."""
    summed = (
        func.count(_parts.line).label("lines"),
        func.coalesce(func.sum(_parts.amount_minor), 0).label("sum_minor"),
        func.count(_parts.currency.distinct()).label("currencies"),
        func.min(_parts.currency).label("a_currency"),
        func.count(_parts.seller_id.distinct()).label("sellers"),
        func.min(_parts.seller_id).label("a_seller"),
    )
    statement = (
        select(ACCOUNTS.transfers, *summed)
        .join(ACCOUNTS.entries, _same, isouter=True)
        .group_by(*_heads)
        .order_by(_heads.party_id, _heads.subject, _heads.n)
    )
    rows = connection.execute(statement.execution_options(yield_per=ROWS_A_FETCH))
    for key, transfers in groupby(rows, key=lambda row: Subject(row.party_id, row.subject)):
        for number, row in enumerate(transfers, start=1):
            seen["transfers"] += 1
            seen["entries"] += row.lines
            yield from _wrong(key, number, row)
    lone = select(_parts.transfer_id, _parts.line).join(ACCOUNTS.transfers, _same, isouter=True)
    for transfer, line in connection.execute(lone.where(_heads.id.is_(None))):
        meaning = "the transfer it belongs to is not there"
        yield Difference(Code.ENTRY_ALONE, f"entry {line} of transfer {transfer}", meaning)


def _wrong(key: Subject, number: int, row: Any) -> Iterator[Difference]:
    subject = f"transfer {row.n} of {key.id} ({key.party_id})"
    if (wrong := unbalanced(row)) is not None:
        yield Difference(Code.TRANSFER_UNBALANCED, subject, wrong)
    if row.n != number:
        meaning = f"it is number {number} of its subject: a transfer is gone or was numbered twice"
        yield Difference(Code.CHAIN_BROKEN, subject, meaning)
    elif row.id != transfer_id(key, row.n) or row.corrects != (transfer_id(key, row.n - 1) if row.n > 1 else None):
        meaning = "its id, or the transfer it says it corrects, is not what its subject and number give"
        yield Difference(Code.TRANSFER_MISNAMED, subject, meaning)


def broken_seals(connection: Connection) -> Iterator[Difference]:
    """Days whose deeds or postings are not what was sealed."""
    for seal, meaning in broken(connection):
        yield Difference(Code.SEAL_BROKEN, f"seal of {seal.day}", meaning)
