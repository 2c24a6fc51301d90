"""Payments that did not come, who is blocked for them, provisions, and decisions about disputes."""

import sqlalchemy as sa
from alembic import op

from sessions.database import UtcSeconds

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "arrears",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False, comment="what did not come"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "stage", sa.Text(), nullable=False, comment="trying, warned, blocked, handed_over, written_off or ended"
        ),
        sa.Column("step", sa.Integer(), nullable=False, comment="how many of the schedule's days are over"),
        sa.Column("told", sa.Integer(), nullable=False, comment="the last try whose failure the owner has heard of"),
        sa.Column("opened_at", UtcSeconds(), nullable=False, comment="the first time that it did not come"),
        sa.Column(
            "next_at", UtcSeconds(), nullable=True, comment="when something follows by itself; none: nothing does"
        ),
        sa.Column(
            "frozen_at",
            UtcSeconds(),
            nullable=True,
            comment="since a dispute is open, or finance said so: nothing follows meanwhile",
        ),
        sa.Column("frozen_because", sa.Text(), nullable=True),
        sa.Column("ended_at", UtcSeconds(), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.Column("changed_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "payment_id", name=op.f("pk_arrears")),
        comment="A payment that did not come, until it comes or is given up.",
    )
    op.create_index(
        "ix_arrears_open",
        "arrears",
        ["opened_at", "owner_id", "payment_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "blocks",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the payment that is missing"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("since", UtcSeconds(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("lifted_at", UtcSeconds(), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_blocks")),
        comment="Who may start no new session with a seller, since when and why.",
    )
    op.create_index(
        "ix_blocks_standing",
        "blocks",
        ["since", "owner_id", "id"],
        unique=False,
        postgresql_where=sa.text("lifted_at IS NULL"),
        sqlite_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "provisions",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="below zero: no longer provided for"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "id", name=op.f("pk_provisions")),
        comment="What a seller set aside for debts that will not be paid.",
    )
    op.create_table(
        "dispute_decisions",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("dispute_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False, comment="contest, accept, note or submitted"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "dispute_id", "n", name=op.f("pk_dispute_decisions")),
    )


def downgrade() -> None:
    op.drop_table("dispute_decisions")
    op.drop_table("provisions")
    op.drop_index("ix_blocks_standing", table_name="blocks")
    op.drop_table("blocks")
    op.drop_index("ix_arrears_open", table_name="arrears")
    op.drop_table("arrears")
