"""The index by which all sessions are listed, newest plug-in first."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    newest = sa.text("coalesce(plugged_in_at + offset_s, 0) DESC")
    op.create_index("ix_sessions_newest", "sessions", [newest, "site_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_sessions_newest", table_name="sessions")
