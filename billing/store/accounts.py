"""The tables of money that moves between owners, sellers, the card processor and the bank. What a payment causes leads
with who pays, so that it can be distributed by it; a job, never one transaction, joins it to what sessions cause.

`account_transfers` and `account_entries` are append-only, as are their sisters of the sessions' book (`tables.py`).
"""

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, Table, Text

from sessions.database import UtcSeconds, metadata

account_transfers = Table(
    "account_transfers",
    metadata,
    Column("party_id", Text, primary_key=True, comment="the owner, or for what concerns none the seller"),
    Column("id", Text, primary_key=True, comment="H(subject, n)"),
    Column("subject", Text, nullable=False, comment="what it is about: a payment, a credit, a payout"),
    Column("n", Integer, nullable=False),
    Column("corrects", Text, comment="the transfer before this one of the same subject"),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", UtcSeconds, nullable=False),
    Index("uq_account_transfers_subject", "party_id", "subject", "n", unique=True),
    Index("ix_account_transfers_recorded", "recorded_at"),
)

account_entries = Table(
    "account_entries",
    metadata,
    Column("party_id", Text, primary_key=True),
    Column("transfer_id", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("owner_id", Text),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("tax_code", Text),
    Column("amount_minor", BigInteger, nullable=False, comment="debit above zero, credit below"),
    ForeignKeyConstraint(
        ["party_id", "transfer_id"],
        ["account_transfers.party_id", "account_transfers.id"],
        deferrable=True,
        initially="DEFERRED",
    ),
    Index("ix_account_entries_owner", "owner_id", "seller_id", "currency"),
)
