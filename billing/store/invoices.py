"""The tables of invoices and of what a seller decided about them. Invoices, their lines and policies are append-only:
what was issued never changes; a correction is another document that names it.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Index, Integer, Table, Text

from sessions.database import UtcSeconds, metadata

seller_policies = Table(
    "seller_policies",
    metadata,
    Column("seller_id", Text, ForeignKey("sellers.id"), primary_key=True),
    Column("n", Integer, primary_key=True, comment="the highest holds"),
    Column("body", Text, nullable=False, comment="the policy as JSON"),
    Column("recorded_at", UtcSeconds, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

invoices = Table(
    "invoices",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="H(owner, seller, currency, n)"),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="invoice or credit_note"),
    Column("series", Text, nullable=False, comment="what its number counts within"),
    Column("number", Integer, nullable=False, comment="gapless within seller and series"),
    Column("name", Text, nullable=False, comment="what people call it: ACME-2026-000123"),
    Column("issued_at", UtcSeconds, nullable=False),
    Column("total_minor", BigInteger, nullable=False, comment="its lines' sum; a credit note's is below zero"),
    Column("tax_minor", BigInteger, nullable=False, comment="within the total"),
    Column("due_minor", BigInteger, nullable=False, comment="what is asked for: with what was carried to it"),
    Column("corrects", Text, comment="a credit note's: the invoice it corrects"),
    Column("body", Text, nullable=False, comment="seller and owner as they were named on it, as JSON"),
    Index("uq_invoices_number", "seller_id", "series", "number", unique=True),
    Index("ix_invoices_issued", "seller_id", "issued_at"),
    Index("ix_invoices_when", "issued_at", "owner_id", "id"),
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("invoice_id", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("site_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("tax_code", Text),
    Column("body", Text, nullable=False, comment="times, minutes and rate as they were then, as JSON"),
    ForeignKeyConstraint(["owner_id", "invoice_id"], ["invoices.owner_id", "invoices.id"]),
    Index("ix_invoice_lines_session", "owner_id", "site_id", "session_id"),
)

invoice_numbers = Table(
    "invoice_numbers",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("series", Text, primary_key=True),
    Column("last", Integer, nullable=False),
    comment="The row is the lock under which numbers are given, by who issues, so that none is lost.",
)

carried = Table(
    "carried",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("seller_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("amount_minor", BigInteger, nullable=False, comment="posted and on no invoice yet"),
    Column("sessions", Integer, nullable=False),
    Column("since", UtcSeconds, nullable=False, comment="the oldest of it: its age"),
    Column("until", UtcSeconds, comment="when an invoice is due; none: it waits for more"),
    Column("least_minor", BigInteger, comment="less than this is not asked for; none: it waits for its time"),
    Column("changed_at", UtcSeconds, nullable=False),
    Index("ix_carried_since", "since", "owner_id"),
    comment="What waits to be invoiced, as the last look at the books left it.",
)
