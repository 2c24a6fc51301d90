"""What of an owner's sessions stands in the books and on no invoice, and what is on invoices and stands no longer.

Read from the sessions' book and the invoices' lines alone: whatever happened in between, and in which order, the same
comes out. What it comes to is `difference`'s.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Text, and_, case, func, select

from billing import ledger
from billing.invoices.difference import Missing, Part, missing
from billing.invoices.sides import Side
from billing.invoices.standing import CREDIT_NOTE
from billing.ledger import Account
from billing.settle import Charge, charges_of
from billing.store.invoices import invoice_lines, invoices
from billing.store.tables import entries, transfers
from sessions.statements import keys_of
from sessions.store.queries import SessionKey

MOST_LOOKS = 5  # at sessions that are settled again while they are read


class BooksMove(Exception):
    """A session was settled again each time it was read: the step comes again."""


class _Fee(NamedTuple):
    """What stands on the owner's account for a session now; `tax_minor` of it is tax."""

    tax_code: str | None
    amount_minor: int
    tax_minor: int


_NO_FEE = _Fee(None, 0, 0)


class _Post(NamedTuple):
    """One step of a session's books."""

    recorded_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """What must be invoiced or credited of one session under one tax code."""

    key: SessionKey
    tax_code: str | None
    missing: Missing
    since: int  # when the oldest of it was posted
    reason: str  # of the last step in the books
    billed_minor: int  # on invoices by now, less credit notes
    charge: Charge
    words: Mapping[str, Mapping[str, Any]]  # by invoice: what its line says


def due_of(connection: Connection, side: Side) -> list[Due]:
    """Every session whose invoices do not say what the books say, in the order of their ids. The owner is locked.

    Raises `BooksMove`.
    """
    keys = [SessionKey(*row) for row in connection.execute(_differing(side))]
    if not keys:
        return []
    for _ in range(MOST_LOOKS):
        posts = _posts(connection, keys)
        standing = ledger.posted(connection, keys)
        charges = charges_of(connection, keys)
        # A charge counts its transfers: where it agrees, nothing was posted between the first look and the last.
        if all(key in charges and charges[key].settlements == len(posts[key]) for key in keys):
            return _compared(connection, side, keys, posts, standing, charges)
    raise BooksMove(f"the sessions of {side.owner_id} are being settled again")


def _differing(side: Side) -> Select[Any]:
    """The sessions of which books and invoices do not say the same amount, tax and tax code."""
    same = and_(entries.c.site_id == transfers.c.site_id, entries.c.transfer_id == transfers.c.id)
    here = and_(entries.c.seller_id == side.seller_id, entries.c.currency == side.currency)
    theirs = (
        select(transfers.c.site_id, transfers.c.session_id)
        .join(entries, same)
        .where(entries.c.owner_id == side.owner_id, here, entries.c.account == Account.RECEIVABLE.value)
        .group_by(transfers.c.site_id, transfers.c.session_id)
        .cte("theirs")
        .prefix_with("MATERIALIZED")
    )
    account, amount = entries.c.account, entries.c.amount_minor
    mine = case((entries.c.owner_id == side.owner_id, amount), else_=0)
    steps = (
        select(
            transfers.c.site_id,
            transfers.c.session_id,
            case((account.in_([Account.REVENUE.value, Account.TAX.value]), entries.c.tax_code)).label("code"),
            func.sum(case((account == Account.RECEIVABLE.value, mine), else_=0)).label("owed"),
            func.sum(case((account.in_([Account.REVENUE.value, Account.TAX.value]), -amount), else_=0)).label("fee"),
            func.sum(case((account == Account.TAX.value, -amount), else_=0)).label("tax"),
        )
        .join(theirs, and_(theirs.c.site_id == transfers.c.site_id, theirs.c.session_id == transfers.c.session_id))
        .join(entries, same)
        .where(here)
        .group_by(transfers.c.site_id, transfers.c.session_id, "code")
        .cte("steps")
    )
    stands = (
        select(steps.c.site_id, steps.c.session_id)
        .group_by(steps.c.site_id, steps.c.session_id)
        .having(func.sum(steps.c.owed) != 0)
        .cte("stands")
    )
    columns = (steps.c.site_id, steps.c.session_id, steps.c.code, steps.c.fee, steps.c.tax)
    booked = (
        select(*columns)
        .join(stands, and_(stands.c.site_id == steps.c.site_id, stands.c.session_id == steps.c.session_id))
        .where(steps.c.fee != 0)
    )
    amount_sum, tax_sum = func.sum(invoice_lines.c.amount_minor), func.sum(invoice_lines.c.tax_minor)
    billed = (
        select(
            invoice_lines.c.site_id,
            invoice_lines.c.session_id,
            invoice_lines.c.tax_code.label("code"),
            amount_sum.label("fee"),
            tax_sum.label("tax"),
        )
        .join(invoices, _OF_INVOICE)
        .where(*_on(side))
        .group_by(invoice_lines.c.site_id, invoice_lines.c.session_id, invoice_lines.c.tax_code)
        .having(amount_sum != 0)
    )
    more = booked.except_(billed).subquery("more")
    less = billed.except_(booked).subquery("less")
    either = select(more.c.site_id, more.c.session_id).union(select(less.c.site_id, less.c.session_id))
    return select(found := either.subquery()).order_by(found.c.site_id, found.c.session_id)


_OF_INVOICE = and_(invoices.c.owner_id == invoice_lines.c.owner_id, invoices.c.id == invoice_lines.c.invoice_id)


def _on(side: Side) -> tuple[Any, ...]:
    return (
        invoices.c.owner_id == side.owner_id,
        invoices.c.seller_id == side.seller_id,
        invoices.c.currency == side.currency,
    )


def _posts(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, list[_Post]]:
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("session_id", Text())), keys)
    statement = select(transfers.c.site_id, transfers.c.session_id, transfers.c.recorded_at, transfers.c.reason).join(
        wanted, and_(transfers.c.site_id == wanted.c.site_id, transfers.c.session_id == wanted.c.session_id)
    )
    found: dict[SessionKey, list[_Post]] = defaultdict(list)
    for site_id, session_id, recorded_at, reason in connection.execute(statement.order_by(transfers.c.n)):
        found[SessionKey(site_id, session_id)].append(_Post(recorded_at, reason))
    return found


class _Billed(NamedTuple):
    """A line of an invoice, or what a credit note took from one."""

    invoice_id: str
    issued_at: int
    tax_code: str | None
    amount_minor: int
    tax_minor: int
    words: Mapping[str, Any] | None  # none: a credit note's


def _billed(connection: Connection, side: Side, keys: Sequence[SessionKey]) -> dict[SessionKey, list[_Billed]]:
    """Every line about these sessions, oldest document first."""
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("session_id", Text())), keys)
    line = invoice_lines.c
    statement = (
        select(
            *(line.site_id, line.session_id, invoices.c.id, invoices.c.kind, invoices.c.corrects),
            *(invoices.c.issued_at, line.tax_code, line.amount_minor, line.tax_minor, line.body),
        )
        .join(invoices, _OF_INVOICE)
        .join(wanted, and_(line.site_id == wanted.c.site_id, line.session_id == wanted.c.session_id))
        .where(*_on(side))
        .order_by(invoices.c.issued_at, invoices.c.number, line.line)
    )
    found: dict[SessionKey, list[_Billed]] = defaultdict(list)
    for row in connection.execute(statement):
        credit = row.kind == CREDIT_NOTE
        whose, words = (row.corrects, None) if credit else (row.id, json.loads(row.body))
        found[SessionKey(row.site_id, row.session_id)].append(
            _Billed(whose, row.issued_at, row.tax_code, row.amount_minor, row.tax_minor, words)
        )
    return found


def _compared(
    connection: Connection,
    side: Side,
    keys: Sequence[SessionKey],
    posts: Mapping[SessionKey, Sequence[_Post]],
    standing: Mapping[ledger.Key, ledger.Balances],
    charges: Mapping[SessionKey, Charge],
) -> list[Due]:
    billed = _billed(connection, side, keys)
    found = []
    for key in keys:
        lines, fee = billed.get(key, []), _fee(standing.get(key, {}), side)
        looked_at = max((line.issued_at for line in lines), default=-1)
        new = [post.recorded_at for post in posts[key] if post.recorded_at > looked_at]
        for code in sorted({fee.tax_code, *(line.tax_code for line in lines)}, key=lambda code: code or ""):
            of_code = [line for line in lines if line.tax_code == code]
            stands = fee if code == fee.tax_code else _NO_FEE
            lacks = missing(stands.amount_minor, stands.tax_minor, _parts(of_code))
            if lacks.amount_minor or lacks.credits:
                found.append(
                    Due(
                        key=key,
                        tax_code=code,
                        missing=lacks,
                        since=min(new, default=posts[key][-1].recorded_at),
                        reason=posts[key][-1].reason,
                        billed_minor=sum(line.amount_minor for line in lines),
                        charge=charges[key],
                        words={line.invoice_id: line.words for line in of_code if line.words is not None},
                    )
                )
    return found


def _fee(standing: ledger.Balances, side: Side) -> _Fee:
    """A session stands on one account at a time and under one tax code: what is not this owner's is somebody else's."""
    here = {line: amount for line, amount in standing.items() if line[2:4] == (side.seller_id, side.currency)}
    owed = sum(
        amount for line, amount in here.items() if (line.account, line.owner_id) == (Account.RECEIVABLE, side.owner_id)
    )
    if not owed:
        return _NO_FEE
    tax = sum(-amount for line, amount in here.items() if line.account is Account.TAX)
    codes = {line.tax_code for line in here if line.account in (Account.REVENUE, Account.TAX)}
    (code,) = codes or {None}
    return _Fee(code, owed, tax)


def _parts(lines: Sequence[_Billed]) -> list[Part]:
    """What is left of each invoice's lines under one tax code, oldest invoice first."""
    left: dict[str, tuple[int, int]] = {}
    for line in lines:
        amount, tax = left.get(line.invoice_id, (0, 0))
        left[line.invoice_id] = (amount + line.amount_minor, tax + line.tax_minor)
    return [Part(name, amount, tax) for name, (amount, tax) in left.items() if amount]
