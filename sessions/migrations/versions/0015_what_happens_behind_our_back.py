"""Refunds made at the processor that a person decides about, whom a payment was asked of there, and what of a lost
dispute the owner was let off afterwards.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TO_DECIDE = sa.text("reason_code = 'elsewhere' AND decided_at IS NULL AND state <> 'failed'")


def upgrade() -> None:
    op.create_index(
        "ix_refunds_to_decide",
        "refunds",
        ["asked_at", "owner_id", "id"],
        unique=False,
        postgresql_where=TO_DECIDE,
        sqlite_where=TO_DECIDE,
    )
    op.add_column("payments", sa.Column("customer_ref", sa.Text(), nullable=True, comment="whom it was asked of there"))
    op.add_column(
        "disputes",
        sa.Column(
            "counted_minor",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="of a lost one: what the owner was let off afterwards, and has had by it",
        ),
    )


def downgrade() -> None:
    op.drop_column("disputes", "counted_minor")
    op.drop_column("payments", "customer_ref")
    op.drop_index("ix_refunds_to_decide", table_name="refunds")
