"""A notice knows the language it was written in. Those written before count as written in their owner's."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    written_in = sa.Column(
        "language", sa.Text(), nullable=False, server_default=sa.text("'en'"), comment="in which it was written"
    )
    op.add_column("notices", written_in)
    theirs = "SELECT owners.language FROM owners WHERE owners.id = notices.owner_id"
    op.execute(f"UPDATE notices SET language = coalesce(({theirs}), 'en')")


def downgrade() -> None:
    op.drop_column("notices", "language")
