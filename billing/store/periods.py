"""The tables of closed months and of the trail that people leave. All append-only: a month is closed once, a deed is
recorded once, and a seal is what proves to somebody else that neither was changed since.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from sessions.database import UtcSeconds, metadata

periods = Table(
    "periods",
    metadata,
    Column("seller_id", Text, ForeignKey("sellers.id"), primary_key=True),
    Column("month", Text, primary_key=True, comment="2026-11, in the time zone of the seller's books"),
    Column("starts_at", UtcSeconds, nullable=False),
    Column("ends_at", UtcSeconds, nullable=False, comment="nothing is recorded before this moment any more"),
    Column("closed_at", UtcSeconds, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("checks", Text, nullable=False, comment="what was looked at before, and what it said, as JSON"),
    Index("ix_periods_end", "seller_id", "ends_at"),
)

period_statements = Table(
    "period_statements",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("owner_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("opening_minor", BigInteger, nullable=False),
    Column("fees_minor", BigInteger, nullable=False, comment="sessions that came to the owner's account"),
    Column("corrections_minor", BigInteger, nullable=False, comment="of sessions that were there before"),
    Column("tax_minor", BigInteger, nullable=False, comment="within fees and corrections"),
    Column("payments_minor", BigInteger, nullable=False),
    Column("refunds_minor", BigInteger, nullable=False),
    Column("credits_minor", BigInteger, nullable=False),
    Column("write_offs_minor", BigInteger, nullable=False),
    Column("closing_minor", BigInteger, nullable=False, comment="the sum of opening and all above but tax"),
    Index("ix_period_statements_owner", "owner_id", "month"),
    comment="A month of an owner with a seller: only those with movement or a balance.",
)

period_revenue = Table(
    "period_revenue",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("site_id", Text, primary_key=True),
    Column("tariff", Text, primary_key=True),
    Column("tariff_version", Integer, primary_key=True),
    Column("tax_code", Text, primary_key=True, comment="empty: no tax"),
    Column("currency", Text, primary_key=True),
    Column("sessions", Integer, nullable=False, comment="that moved revenue in the month"),
    Column("revenue_minor", BigInteger, nullable=False, comment="without tax, with corrections"),
    Column("corrections_minor", BigInteger, nullable=False, comment="of it, what corrects an earlier posting"),
    Column("tax_minor", BigInteger, nullable=False),
)

period_balances = Table(
    "period_balances",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("opening_minor", BigInteger, nullable=False),
    Column("debit_minor", BigInteger, nullable=False),
    Column("credit_minor", BigInteger, nullable=False),
    Column("closing_minor", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True, comment="drawn: of one second nobody knows what came first"),
    Column("at", UtcSeconds, nullable=False),
    Column("author", Text, nullable=False, comment="a role and a key's id; no person's name, which would outlive them"),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="what it was done to, by its id"),
    Column("reason", Text),
    Column("details", Text, nullable=False, comment="as JSON; nothing that identifies a person"),
    Index("ix_audit_at", "at"),
    comment="What people did that no other append-only table says: see billing/periods/trail.py.",
)

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("day", Text, primary_key=True, comment="2026-11-22, UTC"),
    Column("deeds", Integer, nullable=False),
    Column("transfers", Integer, nullable=False, comment="of both books, recorded that day"),
    Column("before", Text, nullable=False, comment="the digest of the day before; empty for the first"),
    Column("digest", Text, nullable=False),
    Column("sealed_at", UtcSeconds, nullable=False),
    comment="A day's trail and postings as one digest, which holds the digest of the day before.",
)
