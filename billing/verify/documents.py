"""Do invoices and credit notes say what their lines say, are they numbered without a gap, and is nothing credited
beyond what it was? What should be on them is asked of nobody: issuing compares the books with them at every look.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, and_, case, func, or_, select

from billing.invoices.numbering import name_of
from billing.invoices.standing import CREDIT_NOTE, INVOICE
from billing.store.invoices import invoice_lines, invoice_numbers, invoices
from billing.verify.differences import Code, Difference, amount

_line, _head = invoice_lines.c, invoices.c
_of_invoice = and_(_line.owner_id == _head.owner_id, _line.invoice_id == _head.id)


def wrong_documents(connection: Connection) -> Iterator[Difference]:
    """Whatever was changed, taken out or put in after it was issued."""
    yield from _wrong_totals(connection)
    yield from _lone_lines(connection)
    yield from _wrong_numbers(connection)
    yield from _credited_too_much(connection)


def _wrong_totals(connection: Connection) -> Iterator[Difference]:
    total = func.coalesce(func.sum(_line.amount_minor), 0)
    tax = func.coalesce(func.sum(_line.tax_minor), 0)
    one_way = or_(
        and_(_head.kind == INVOICE, func.min(_line.amount_minor) >= 0),
        and_(_head.kind == CREDIT_NOTE, func.max(_line.amount_minor) <= 0),
    )
    statement = (
        select(_head.name, _head.series, _head.number, _head.currency, _head.total_minor, total.label("lines_minor"))
        .join(invoice_lines, _of_invoice, isouter=True)
        .group_by(*_head)
        .having(or_(total != _head.total_minor, tax != _head.tax_minor, ~one_way))
        .order_by(_head.seller_id, _head.series, _head.number)
    )
    for row in connection.execute(statement):
        said, lines = amount(row.total_minor, row.currency), amount(row.lines_minor, row.currency)
        meaning = f"it says {said} and its lines come to {lines}, of which the tax or the sign may differ as well"
        yield Difference(Code.DOCUMENT_DIFFERS, f"document {name_of(row.series, row.number)}", meaning)


def _lone_lines(connection: Connection) -> Iterator[Difference]:
    lone = select(_line.invoice_id, _line.line).join(invoices, _of_invoice, isouter=True).where(_head.id.is_(None))
    for invoice_id, line in connection.execute(lone.order_by(_line.invoice_id, _line.line)):
        meaning = "the document it belongs to is not there"
        yield Difference(Code.DOCUMENT_DIFFERS, f"line {line} of document {invoice_id}", meaning)


def _wrong_numbers(connection: Connection) -> Iterator[Difference]:
    """Numbers are 1, 2, 3 … as far as the counter has come."""
    given = (
        select(_head.seller_id, _head.series, func.count().label("count"), func.max(_head.number).label("newest"))
        .group_by(_head.seller_id, _head.series)
        .subquery()
    )
    same = and_(invoice_numbers.c.seller_id == given.c.seller_id, invoice_numbers.c.series == given.c.series)
    statement = select(given, invoice_numbers.c.last).join(invoice_numbers, same, isouter=True)
    for row in connection.execute(statement.order_by(given.c.seller_id, given.c.series)):
        if not row.count == row.newest == row.last:
            meaning = f"{row.count} documents bear its numbers, the newest is {row.newest}, {row.last} were given"
            yield Difference(Code.NUMBERS_DIFFER, f"series {row.series} of {row.seller_id}", meaning)
    counted = select(invoice_numbers).join(given, same, isouter=True).where(given.c.series.is_(None))
    for row in connection.execute(counted.where(invoice_numbers.c.last > 0)):
        meaning = f"{row.last} numbers were given and no document bears one"
        yield Difference(Code.NUMBERS_DIFFER, f"series {row.series} of {row.seller_id}", meaning)


def _credited_too_much(connection: Connection) -> Iterator[Difference]:
    """What an invoice says of a session, less the credit notes that correct it, is never below zero."""
    of = case((_head.kind == CREDIT_NOTE, _head.corrects), else_=_head.id).label("of")
    left = func.sum(_line.amount_minor)
    statement = (
        select(_line.owner_id, _line.session_id, of, left.label("left"))
        .join(invoices, _of_invoice)
        .group_by(_line.owner_id, _line.site_id, _line.session_id, _line.tax_code, of)
        .having(left < 0)
    )
    for row in connection.execute(statement):
        meaning = f"{-row.left} minor units more than it says were credited, or what they correct is not there"
        yield Difference(Code.DOCUMENT_DIFFERS, f"session {row.session_id} on document {row.of}", meaning)
