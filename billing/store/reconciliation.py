"""The tables of what others say of our money: the card processor's own lines and payouts, the bank's lines, and the
differences between their words and ours. All lead with the seller, whose accounts they are.

What they said is a mirror, filled by a pull and by imports; the books hold the money (`accounts.py`).
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from sessions.database import UtcSeconds, metadata

processor_lines = Table(
    "processor_lines",
    metadata,
    Column("seller_id", Text, ForeignKey("sellers.id"), primary_key=True),
    Column("id", Text, primary_key=True, comment="the processor's name for a line of the seller's balance there"),
    Column("kind", Text, nullable=False),
    Column("source_ref", Text),
    Column("payment_ref", Text),
    Column("payout_ref", Text, comment="the payout it went to the bank with"),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False, comment="signed as the balance moved"),
    Column("fee_minor", BigInteger, nullable=False, comment="the balance moved by the amount less this"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("available_at", UtcSeconds, nullable=False),
    Column("seen_at", UtcSeconds, nullable=False),
    Index("ix_processor_lines_created", "seller_id", "created_at"),
    Index("ix_processor_lines_payment", "seller_id", "payment_ref"),
    Index("ix_processor_lines_payout", "seller_id", "payout_ref"),
)

payouts = Table(
    "payouts",
    metadata,
    Column("seller_id", Text, ForeignKey("sellers.id"), primary_key=True),
    Column("id", Text, primary_key=True, comment="the processor's name for it"),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False, comment="below zero: taken from the bank"),
    Column("status", Text, nullable=False, comment="pending, in_transit, paid, failed or canceled"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("arrives_at", UtcSeconds, nullable=False),
    Column("seen_at", UtcSeconds, nullable=False),
    Index("ix_payouts_created", "seller_id", "created_at"),
)

LINE_OPEN = text("state = 'open'")
"""Bank lines that wait, as their index knows them: SQLite walks it only for a query that says the same words."""

bank_lines = Table(
    "bank_lines",
    metadata,
    Column("seller_id", Text, ForeignKey("sellers.id"), primary_key=True),
    Column("id", Text, primary_key=True, comment="a digest of what the bank wrote"),
    Column("booked_at", UtcSeconds, nullable=False, comment="the bank's day, at its first second in UTC"),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False, comment="above zero: came in"),
    Column("text", Text, nullable=False, comment="what it is for, and by whom, in the bank's words"),
    Column("state", Text, nullable=False, comment="open, matched or not_ours"),
    Column("matched_kind", Text, comment="payment or payout"),
    Column("matched_id", Text),
    Column("owner_id", Text, comment="whose payment it is"),
    Column("proposal", Text, comment="what it may be, as JSON, until somebody decides"),
    Column("decided_by", Text),
    Column("decided_at", UtcSeconds),
    Column("reason", Text),
    Column("imported_at", UtcSeconds, nullable=False),
    Index("ix_bank_lines_booked", "seller_id", "booked_at"),
    Index("ix_bank_lines_matched", "seller_id", "matched_kind", "matched_id", unique=True),
    Index("ix_bank_lines_owner", "owner_id"),
    Index(
        "ix_bank_lines_open",
        "booked_at",
        "seller_id",
        "id",
        postgresql_where=LINE_OPEN,
        sqlite_where=LINE_OPEN,
    ),
)

differences = Table(
    "differences",
    metadata,
    Column("seller_id", Text, ForeignKey("sellers.id"), primary_key=True),
    Column("id", Text, primary_key=True, comment="H(seller, code, subject)"),
    Column("code", Text, nullable=False, comment="the case, as `billing.reconcile.cases` names it"),
    Column("subject", Text, nullable=False, comment="payment …, refund …, dispute …, payout …, line …, bank …"),
    Column("party_id", Text, comment="the owner it concerns, where it does one"),
    Column("currency", Text),
    Column("ours_minor", BigInteger),
    Column("theirs_minor", BigInteger),
    Column("detail", Text, nullable=False, comment="what is known of it, in a sentence"),
    Column("at", UtcSeconds, nullable=False, comment="when what it is about happened"),
    Column("first_seen_at", UtcSeconds, nullable=False),
    Column("last_seen_at", UtcSeconds, nullable=False),
    Column("ended_at", UtcSeconds, comment="it was gone when it was looked for"),
    Column("assigned_to", Text, comment="who looks into it: a role, or a person"),
    Column("note", Text),
    Column("changed_by", Text, comment="who assigned or noted last"),
    Index(
        "ix_differences_open",
        "first_seen_at",
        "id",
        postgresql_where=text("ended_at IS NULL"),
        sqlite_where=text("ended_at IS NULL"),
    ),
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("seller_id", Text, ForeignKey("sellers.id"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("since", UtcSeconds, nullable=False),
    Column("until", UtcSeconds, nullable=False),
    Column("ran_at", UtcSeconds, nullable=False),
    Column("seen", Text, nullable=False, comment="how much of what was looked at, as JSON"),
    Column("acted", Integer, nullable=False, comment="how many things the engine put right"),
    Column("found", Integer, nullable=False, comment="how many differences were left"),
    comment="Each time a seller's accounts were compared.",
)
