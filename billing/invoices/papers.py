"""Invoices and credit notes to be read: lists page by page, and one with its lines, what corrects it and who paid it.

What was issued is read as it was issued; what became of it since is computed (`standing`). Nothing is written here.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, tuple_

from billing.invoices.sides import Side
from billing.invoices.standing import DOCUMENT, INVOICE, Document, Standing, document_of, standings
from billing.store.invoices import invoice_lines, invoices
from sessions.store.queries import SessionKey


class Wanted(NamedTuple):
    """Which documents: none of a field is any. Times in UTC seconds, [since, until)."""

    owner_id: str | None = None
    seller_id: str | None = None
    currency: str | None = None
    kind: str | None = None
    since: int | None = None
    until: int | None = None


class Place(NamedTuple):
    """Where a document stands in a list."""

    issued_at: int
    owner_id: str
    id: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A document in a list, with what is open of it now; a credit note's is none."""

    document: Document
    open_minor: int

    @property
    def place(self) -> Place:
        return Place(self.document.issued_at, self.document.owner_id, self.document.id)


@dataclass(frozen=True, slots=True)
class Line:
    """A line: a session, its amount with the tax in it, and what was known of it at the issue (`lines.words_of`)."""

    n: int
    key: SessionKey
    tax_code: str | None
    amount_minor: int
    tax_minor: int
    words: Mapping[str, Any]


class TaxSum(NamedTuple):
    """What a document comes to under one tax code."""

    code: str | None
    rate_ppm: int
    net_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class Paper:
    """One document with everything it says and what became of it. `parties`: seller and owner as named at the issue."""

    document: Document
    parties: Mapping[str, Any]
    lines: Sequence[Line]
    corrects: Document | None
    corrected_by: Sequence[Document]
    paid_by: Sequence[tuple[str, int]]  # a payment's or credit's subject or a credit note's name, and how much
    open_minor: int
    to_ask_minor: int

    @property
    def brought_minor(self) -> int:
        """What the invoice asks for beside its lines: remainders of others; below zero: credit that it uses up."""
        return int(self.parties["brought_minor"])

    @property
    def later_minor(self) -> int:
        """What of its sum is too little to be asked for, and goes on to the next invoice."""
        return max(0, self.document.total_minor + self.brought_minor) - self.document.due_minor

    def taxes(self) -> list[TaxSum]:
        """Its lines by tax code and rate."""
        sums: dict[tuple[str, int], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for line in self.lines:
            key = (line.tax_code or "", int(line.words["tax_rate_ppm"]) if line.tax_code else 0)
            net, tax = sums[key]
            sums[key] = (net + line.amount_minor - line.tax_minor, tax + line.tax_minor)
        return [TaxSum(code or None, rate, net, tax) for (code, rate), (net, tax) in sorted(sums.items())]


def documents_after(connection: Connection, wanted: Wanted, place: Place | None, most: int) -> list[Listed]:
    """Documents, newest first, from behind a place."""
    columns = invoices.c
    key = (columns.issued_at, columns.owner_id, columns.id)
    statement = select(*DOCUMENT).order_by(*(column.desc() for column in key)).limit(most)
    for name in ("owner_id", "seller_id", "currency", "kind"):
        if (value := getattr(wanted, name)) is not None:
            statement = statement.where(columns[name] == value)
    if wanted.since is not None:
        statement = statement.where(columns.issued_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(columns.issued_at < wanted.until)
    if place is not None:
        statement = statement.where(tuple_(*key) < tuple_(*place))
    found = [document_of(row) for row in connection.execute(statement).mappings()]
    sides = standings(connection, sorted({one.owner_id for one in found}))
    return [Listed(one, sides[_side(one)].open_minor(one.id)) for one in found]


def paper(connection: Connection, owner_id: str, invoice_id: str) -> Paper | None:
    """One document of an owner, or none."""
    mine = (invoices.c.owner_id == owner_id, invoices.c.id == invoice_id)
    row = connection.execute(select(*DOCUMENT, invoices.c.body).where(*mine)).mappings().first()
    if row is None:
        return None
    document = document_of(row)
    side = standings(connection, [owner_id])[_side(document)]
    return Paper(
        document=document,
        parties=json.loads(row["body"]),
        lines=_lines(connection, owner_id, invoice_id),
        corrects=_named(side, document.corrects),
        corrected_by=[one for one in side.documents if one.corrects == invoice_id],
        paid_by=side.payers(invoice_id),
        open_minor=side.open_minor(invoice_id),
        to_ask_minor=side.asked_minor(document) if document.kind == INVOICE else 0,
    )


def _side(document: Document) -> Side:
    return Side(document.owner_id, document.seller_id, document.currency)


def _named(side: Standing, invoice_id: str | None) -> Document | None:
    return next((one for one in side.documents if one.id == invoice_id), None)


def _lines(connection: Connection, owner_id: str, invoice_id: str) -> list[Line]:
    columns = invoice_lines.c
    statement = select(invoice_lines).where(columns.owner_id == owner_id, columns.invoice_id == invoice_id)
    return [
        Line(
            n=row.line,
            key=SessionKey(row.site_id, row.session_id),
            tax_code=row.tax_code,
            amount_minor=row.amount_minor,
            tax_minor=row.tax_minor,
            words=json.loads(row.body),
        )
        for row in connection.execute(statement.order_by(columns.line))
    ]
