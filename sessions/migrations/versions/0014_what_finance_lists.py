"""Indexes of what finance lists: sessions that allow no fee, bank lines that wait, payments no processor knows."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    newest = sa.text("coalesce(plugged_in_at + offset_s, 0) DESC")
    op.create_index(
        "ix_sessions_not_billable",
        "sessions",
        [newest, "site_id", "id"],
        postgresql_where=sa.text("closed AND not_billable IS NOT NULL"),
        sqlite_where=sa.text("closed = 1 AND not_billable IS NOT NULL"),
    )
    op.create_index(
        "ix_bank_lines_open",
        "bank_lines",
        ["booked_at", "seller_id", "id"],
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_payments_by_hand",
        "payments",
        ["created_at", "owner_id", "id"],
        postgresql_where=sa.text("means IN ('hand', 'bank')"),
        sqlite_where=sa.text("means IN ('hand', 'bank')"),
    )


def downgrade() -> None:
    op.drop_index("ix_payments_by_hand", table_name="payments")
    op.drop_index("ix_bank_lines_open", table_name="bank_lines")
    op.drop_index("ix_sessions_not_billable", table_name="sessions")
