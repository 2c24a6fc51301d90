"""Closed months, what they came to, and the audit trail."""

import sqlalchemy as sa
from alembic import op

from sessions.database import UtcSeconds
from sessions.migrations import guards

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "periods",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False, comment="2026-11, in the time zone of the seller's books"),
        sa.Column("starts_at", UtcSeconds(), nullable=False),
        sa.Column("ends_at", UtcSeconds(), nullable=False, comment="nothing is recorded before this moment any more"),
        sa.Column("closed_at", UtcSeconds(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("checks", sa.Text(), nullable=False, comment="what was looked at before, and what it said, as JSON"),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_periods_seller_id_sellers")),
        sa.PrimaryKeyConstraint("seller_id", "month", name=op.f("pk_periods")),
    )
    op.create_index("ix_periods_end", "periods", ["seller_id", "ends_at"])
    op.create_table(
        "period_statements",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("fees_minor", sa.BigInteger(), nullable=False, comment="sessions that came to the owner's account"),
        sa.Column("corrections_minor", sa.BigInteger(), nullable=False, comment="of sessions that were there before"),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False, comment="within fees and corrections"),
        sa.Column("payments_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunds_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits_minor", sa.BigInteger(), nullable=False),
        sa.Column("write_offs_minor", sa.BigInteger(), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False, comment="the sum of opening and all above but tax"),
        sa.PrimaryKeyConstraint("seller_id", "month", "owner_id", "currency", name=op.f("pk_period_statements")),
        comment="A month of an owner with a seller: only those with movement or a balance.",
    )
    op.create_index("ix_period_statements_owner", "period_statements", ["owner_id", "month"])
    op.create_table(
        "period_revenue",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("tariff_version", sa.Integer(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=False, comment="empty: no tax"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("sessions", sa.Integer(), nullable=False, comment="that moved revenue in the month"),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=False, comment="without tax, with corrections"),
        sa.Column(
            "corrections_minor", sa.BigInteger(), nullable=False, comment="of it, what corrects an earlier posting"
        ),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "seller_id",
            "month",
            "site_id",
            "tariff",
            "tariff_version",
            "tax_code",
            "currency",
            name=op.f("pk_period_revenue"),
        ),
    )
    op.create_table(
        "period_balances",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("debit_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "month", "currency", "account", name=op.f("pk_period_balances")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False, comment="drawn: of one second nobody knows what came first"),
        sa.Column("at", UtcSeconds(), nullable=False),
        sa.Column(
            "author",
            sa.Text(),
            nullable=False,
            comment="a role and a key's id; no person's name, which would outlive them",
        ),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it was done to, by its id"),
        sa.Column("reason", sa.Text()),
        sa.Column("details", sa.Text(), nullable=False, comment="as JSON; nothing that identifies a person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        comment="What people did that no other append-only table says: see billing/periods/trail.py.",
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "audit_seals",
        sa.Column("day", sa.Text(), nullable=False, comment="2026-11-22, UTC"),
        sa.Column("deeds", sa.Integer(), nullable=False),
        sa.Column("transfers", sa.Integer(), nullable=False, comment="of both books, recorded that day"),
        sa.Column("before", sa.Text(), nullable=False, comment="the digest of the day before; empty for the first"),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sealed_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_audit_seals")),
        comment="A day's trail and postings as one digest, which holds the digest of the day before.",
    )
    people = sa.text("kind NOT IN ('finalised', 'notice_accepted')")
    op.create_index("ix_facts_people", "facts", ["recorded_at"], postgresql_where=people, sqlite_where=people)


def downgrade() -> None:
    guards.remove_closed_months()
    op.drop_index("ix_facts_people", table_name="facts")
    op.drop_table("audit_seals")
    op.drop_table("audit")
    op.drop_table("period_balances")
    op.drop_table("period_revenue")
    op.drop_table("period_statements")
    op.drop_table("periods")
