"""What the processor and the bank say of our money, and the differences to what we say."""

import sqlalchemy as sa
from alembic import op

from sessions.database import UtcSeconds

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "bank_lines",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="a digest of what the bank wrote"),
        sa.Column("booked_at", UtcSeconds(), nullable=False, comment="the bank's day, at its first second in UTC"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="above zero: came in"),
        sa.Column("text", sa.Text(), nullable=False, comment="what it is for, and by whom, in the bank's words"),
        sa.Column("state", sa.Text(), nullable=False, comment="open, matched or not_ours"),
        sa.Column("matched_kind", sa.Text(), nullable=True, comment="payment or payout"),
        sa.Column("matched_id", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True, comment="whose payment it is"),
        sa.Column("proposal", sa.Text(), nullable=True, comment="what it may be, as JSON, until somebody decides"),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcSeconds(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("imported_at", UtcSeconds(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_bank_lines_seller_id_sellers")),
        sa.PrimaryKeyConstraint("seller_id", "id", name=op.f("pk_bank_lines")),
    )
    op.create_index("ix_bank_lines_booked", "bank_lines", ["seller_id", "booked_at"])
    op.create_index("ix_bank_lines_matched", "bank_lines", ["seller_id", "matched_kind", "matched_id"], unique=True)
    op.create_index("ix_bank_lines_owner", "bank_lines", ["owner_id"])
    op.create_table(
        "differences",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="H(seller, code, subject)"),
        sa.Column("code", sa.Text(), nullable=False, comment="the case, as `billing.reconcile.cases` names it"),
        sa.Column(
            "subject", sa.Text(), nullable=False, comment="payment …, refund …, dispute …, payout …, line …, bank …"
        ),
        sa.Column("party_id", sa.Text(), nullable=True, comment="the owner it concerns, where it does one"),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("ours_minor", sa.BigInteger(), nullable=True),
        sa.Column("theirs_minor", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False, comment="what is known of it, in a sentence"),
        sa.Column("at", UtcSeconds(), nullable=False, comment="when what it is about happened"),
        sa.Column("first_seen_at", UtcSeconds(), nullable=False),
        sa.Column("last_seen_at", UtcSeconds(), nullable=False),
        sa.Column("ended_at", UtcSeconds(), nullable=True, comment="it was gone when it was looked for"),
        sa.Column("assigned_to", sa.Text(), nullable=True, comment="who looks into it: a role, or a person"),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=True, comment="who assigned or noted last"),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_differences_seller_id_sellers")),
        sa.PrimaryKeyConstraint("seller_id", "id", name=op.f("pk_differences")),
    )
    op.create_index(
        "ix_differences_open",
        "differences",
        ["first_seen_at", "id"],
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "payouts",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the processor's name for it"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="below zero: taken from the bank"),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, in_transit, paid, failed or canceled"),
        sa.Column("created_at", UtcSeconds(), nullable=False),
        sa.Column("arrives_at", UtcSeconds(), nullable=False),
        sa.Column("seen_at", UtcSeconds(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_payouts_seller_id_sellers")),
        sa.PrimaryKeyConstraint("seller_id", "id", name=op.f("pk_payouts")),
    )
    op.create_index("ix_payouts_created", "payouts", ["seller_id", "created_at"])
    op.create_table(
        "processor_lines",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column(
            "id", sa.Text(), nullable=False, comment="the processor's name for a line of the seller's balance there"
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=True),
        sa.Column("payment_ref", sa.Text(), nullable=True),
        sa.Column("payout_ref", sa.Text(), nullable=True, comment="the payout it went to the bank with"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="signed as the balance moved"),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False, comment="the balance moved by the amount less this"),
        sa.Column("created_at", UtcSeconds(), nullable=False),
        sa.Column("available_at", UtcSeconds(), nullable=False),
        sa.Column("seen_at", UtcSeconds(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_processor_lines_seller_id_sellers")),
        sa.PrimaryKeyConstraint("seller_id", "id", name=op.f("pk_processor_lines")),
    )
    op.create_index("ix_processor_lines_created", "processor_lines", ["seller_id", "created_at"])
    op.create_index("ix_processor_lines_payment", "processor_lines", ["seller_id", "payment_ref"])
    op.create_index("ix_processor_lines_payout", "processor_lines", ["seller_id", "payout_ref"])
    op.create_table(
        "reconciliations",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("since", UtcSeconds(), nullable=False),
        sa.Column("until", UtcSeconds(), nullable=False),
        sa.Column("ran_at", UtcSeconds(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False, comment="how much of what was looked at, as JSON"),
        sa.Column("acted", sa.Integer(), nullable=False, comment="how many things the engine put right"),
        sa.Column("found", sa.Integer(), nullable=False, comment="how many differences were left"),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_reconciliations_seller_id_sellers")),
        sa.PrimaryKeyConstraint("seller_id", "n", name=op.f("pk_reconciliations")),
        comment="Each time a seller's accounts were compared.",
    )


def downgrade() -> None:
    op.drop_table("reconciliations")
    op.drop_table("processor_lines")
    op.drop_table("payouts")
    op.drop_table("differences")
    op.drop_table("bank_lines")
