"""The tables of what follows from money that did not come, and of who decided what about it. All but provisions lead
with `owner_id`; provisions are the seller's own.

`provisions` and `dispute_decisions` are append-only: an amount provided for is taken back by another below zero.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from sessions.database import UtcSeconds, metadata

arrears = Table(
    "arrears",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("payment_id", Text, primary_key=True, comment="what did not come"),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("stage", Text, nullable=False, comment="trying, warned, blocked, handed_over, written_off or ended"),
    Column("step", Integer, nullable=False, comment="how many of the schedule's days are over"),
    Column("told", Integer, nullable=False, comment="the last try whose failure the owner has heard of"),
    Column("opened_at", UtcSeconds, nullable=False, comment="the first time that it did not come"),
    Column("next_at", UtcSeconds, comment="when something follows by itself; none: nothing does"),
    Column("frozen_at", UtcSeconds, comment="since a dispute is open, or finance said so: nothing follows meanwhile"),
    Column("frozen_because", Text),
    Column("ended_at", UtcSeconds),
    Column("ended_because", Text),
    Column("changed_at", UtcSeconds, nullable=False),
    Index(
        "ix_arrears_open",
        "opened_at",
        "owner_id",
        "payment_id",
        postgresql_where=text("ended_at IS NULL"),
        sqlite_where=text("ended_at IS NULL"),
    ),
    comment="A payment that did not come, until it comes or is given up.",
)

blocks = Table(
    "blocks",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="the payment that is missing"),
    Column("seller_id", Text, nullable=False),
    Column("since", UtcSeconds, nullable=False),
    Column("why", Text, nullable=False),
    Column("lifted_at", UtcSeconds),
    Column("lifted_by", Text),
    Column("lifted_because", Text),
    Index(
        "ix_blocks_standing",
        "since",
        "owner_id",
        "id",
        postgresql_where=text("lifted_at IS NULL"),
        sqlite_where=text("lifted_at IS NULL"),
    ),
    comment="Who may start no new session with a seller, since when and why.",
)

provisions = Table(
    "provisions",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False, comment="below zero: no longer provided for"),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("recorded_at", UtcSeconds, nullable=False),
    comment="What a seller set aside for debts that will not be paid.",
)

dispute_decisions = Table(
    "dispute_decisions",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("dispute_id", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("decision", Text, nullable=False, comment="contest, accept, note or submitted"),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("recorded_at", UtcSeconds, nullable=False),
)
