"""The tables of sums by day, derived from charges and entries off the intake's path. `billing.sums` makes them, and
`verify` compares them with what they sum.
"""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from sessions.database import UtcSeconds, metadata

charge_days = Table(
    "charge_days",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("day", Text, primary_key=True, comment="2026-11-22 by the calendar of the seller's books"),
    Column("currency", Text, primary_key=True),
    Column("tariff", Text, primary_key=True),
    Column("state", Text, primary_key=True, comment="where the charges stand"),
    Column("seller_id", Text, primary_key=True),
    Column("charges", BigInteger, nullable=False),
    Column("computed_minor", BigInteger, nullable=False),
    Column("fee_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Index("ix_charge_days_day", "day"),
    comment="Charges by the day they were first settled; of all sites of a seller where `site_id` is empty.",
)

entry_days = Table(
    "entry_days",
    metadata,
    Column("book", Text, primary_key=True, comment="sessions or accounts"),
    Column("seller_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("day", Text, primary_key=True, comment="2026-11-22 by the calendar of the seller's books"),
    Column("debit_minor", BigInteger, nullable=False),
    Column("credit_minor", BigInteger, nullable=False),
    comment="Entries of both books by the day they were recorded.",
)

summed = Table(
    "summed",
    metadata,
    Column("what", Text, primary_key=True, comment="charges or entries"),
    Column("until", UtcSeconds, nullable=False),
    comment="What was written before this moment is in the sums of days; the rest is summed when it is asked for.",
)
