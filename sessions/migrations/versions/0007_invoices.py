"""Sellers' policies, invoices and their lines, gapless numbers."""

import sqlalchemy as sa
from alembic import op

from sessions.database import UtcSeconds

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "carried",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="posted and on no invoice yet"),
        sa.Column("sessions", sa.Integer(), nullable=False),
        sa.Column("since", UtcSeconds(), nullable=False, comment="the oldest of it: its age"),
        sa.Column("until", UtcSeconds(), nullable=True, comment="when an invoice is due; none: it waits for more"),
        sa.Column(
            "least_minor",
            sa.BigInteger(),
            nullable=True,
            comment="less than this is not asked for; none: it waits for its time",
        ),
        sa.Column("changed_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "seller_id", "currency", name=op.f("pk_carried")),
        comment="What waits to be invoiced, as the last look at the books left it.",
    )
    op.create_index("ix_carried_since", "carried", ["since", "owner_id"], unique=False)
    op.create_table(
        "invoice_numbers",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", "series", name=op.f("pk_invoice_numbers")),
        comment="The row is the lock under which numbers are given, by who issues, so that none is lost.",
    )
    op.create_table(
        "invoices",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="H(owner, seller, currency, n)"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="invoice or credit_note"),
        sa.Column("series", sa.Text(), nullable=False, comment="what its number counts within"),
        sa.Column("number", sa.Integer(), nullable=False, comment="gapless within seller and series"),
        sa.Column("name", sa.Text(), nullable=False, comment="what people call it: ACME-2026-000123"),
        sa.Column("issued_at", UtcSeconds(), nullable=False),
        sa.Column(
            "total_minor", sa.BigInteger(), nullable=False, comment="its lines' sum; a credit note's is below zero"
        ),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False, comment="within the total"),
        sa.Column(
            "due_minor", sa.BigInteger(), nullable=False, comment="what is asked for: with what was carried to it"
        ),
        sa.Column("corrects", sa.Text(), nullable=True, comment="a credit note's: the invoice it corrects"),
        sa.Column("body", sa.Text(), nullable=False, comment="seller and owner as they were named on it, as JSON"),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_invoices")),
    )
    op.create_index("ix_invoices_issued", "invoices", ["seller_id", "issued_at"], unique=False)
    op.create_index("ix_invoices_when", "invoices", ["issued_at", "owner_id", "id"], unique=False)
    op.create_index("uq_invoices_number", "invoices", ["seller_id", "series", "number"], unique=True)
    op.create_table(
        "invoice_lines",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False, comment="times, minutes and rate as they were then, as JSON"),
        sa.ForeignKeyConstraint(
            ["owner_id", "invoice_id"],
            ["invoices.owner_id", "invoices.id"],
            name=op.f("fk_invoice_lines_owner_id_invoice_id_invoices"),
        ),
        sa.PrimaryKeyConstraint("owner_id", "invoice_id", "line", name=op.f("pk_invoice_lines")),
    )
    op.create_index("ix_invoice_lines_session", "invoice_lines", ["owner_id", "site_id", "session_id"], unique=False)
    op.create_table(
        "seller_policies",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, comment="the highest holds"),
        sa.Column("body", sa.Text(), nullable=False, comment="the policy as JSON"),
        sa.Column("recorded_at", UtcSeconds(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_seller_policies_seller_id_sellers")),
        sa.PrimaryKeyConstraint("seller_id", "n", name=op.f("pk_seller_policies")),
    )


def downgrade() -> None:
    op.drop_table("seller_policies")
    op.drop_index("ix_invoice_lines_session", table_name="invoice_lines")
    op.drop_table("invoice_lines")
    op.drop_index("uq_invoices_number", table_name="invoices")
    op.drop_index("ix_invoices_when", table_name="invoices")
    op.drop_index("ix_invoices_issued", table_name="invoices")
    op.drop_table("invoices")
    op.drop_table("invoice_numbers")
    op.drop_index("ix_carried_since", table_name="carried")
    op.drop_table("carried")
