"""Sums by day, made off the intake's path, and the indexes by which charges are listed.

A charge tells when it was last written, so that the days it stands in can be summed again. What was written before
counts as written when it was first settled.
"""

import sqlalchemy as sa
from alembic import op

from sessions.database import UtcSeconds

revision = "0010"
down_revision = "0009"

WITH_A_FEE = sa.text("fee_minor > 0")


def upgrade() -> None:
    written: sa.Column[int] = sa.Column(
        "changed_at", UtcSeconds(), nullable=False, server_default="0", comment="when this row was last written"
    )
    op.add_column("charges", written)
    op.execute("UPDATE charges SET changed_at = settled_at")
    op.create_index("ix_charges_changed", "charges", ["changed_at"])
    op.create_index("ix_charges_recent", "charges", ["settled_at", "site_id", "session_id"])
    op.create_index("ix_charges_settled", "charges", ["site_id", "settled_at", "session_id"])
    op.create_index(
        "ix_charges_fee",
        "charges",
        ["settled_at", "site_id", "currency", "fee_minor", "tax_minor", "computed_minor"],
        postgresql_where=WITH_A_FEE,
        sqlite_where=WITH_A_FEE,
    )
    op.drop_index("ix_charges_owner_id", table_name="charges")
    op.create_index("ix_charges_owner", "charges", ["owner_id", "settled_at"])
    op.create_table(
        "charge_days",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False, comment="2026-11-22 by the calendar of the seller's books"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="where the charges stand"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("charges", sa.BigInteger(), nullable=False),
        sa.Column("computed_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "site_id", "day", "currency", "tariff", "state", "seller_id", name=op.f("pk_charge_days")
        ),
        comment="Charges by the day they were first settled; of all sites of a seller where `site_id` is empty.",
    )
    op.create_index("ix_charge_days_day", "charge_days", ["day"])
    op.create_table(
        "entry_days",
        sa.Column("book", sa.Text(), nullable=False, comment="sessions or accounts"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False, comment="2026-11-22 by the calendar of the seller's books"),
        sa.Column("debit_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("book", "seller_id", "currency", "account", "day", name=op.f("pk_entry_days")),
        comment="Entries of both books by the day they were recorded.",
    )
    op.create_table(
        "summed",
        sa.Column("what", sa.Text(), nullable=False, comment="charges or entries"),
        sa.Column("until", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_summed")),
        comment="What was written before this moment is in the sums of days; the rest is summed when it is asked for.",
    )


def downgrade() -> None:
    for table in ("summed", "entry_days", "charge_days"):
        op.drop_table(table)
    op.drop_index("ix_charges_owner", table_name="charges")
    op.create_index("ix_charges_owner_id", "charges", ["owner_id"])
    for index in ("ix_charges_fee", "ix_charges_settled", "ix_charges_recent", "ix_charges_changed"):
        op.drop_index(index, table_name="charges")
    op.drop_column("charges", "changed_at")
