"""What a receipt says of its seller, and a way to the corrections of one moment, which the incidents count.

The index holds corrections only: a first bill does not touch it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

LEGAL_NAME = "as registered; none: its name"
ADDRESS = "where it is registered, as receipts print it"
TAX_ID = "its tax registration"
CORRECTIONS = sa.text("corrects IS NOT NULL")


def upgrade() -> None:
    op.add_column("sellers", sa.Column("legal_name", sa.Text(), nullable=True, comment=LEGAL_NAME))
    op.add_column("sellers", sa.Column("address", sa.Text(), nullable=True, comment=ADDRESS))
    op.add_column("sellers", sa.Column("tax_id", sa.Text(), nullable=True, comment=TAX_ID))
    op.create_index(
        "ix_transfers_corrections",
        "transfers",
        ["site_id", "recorded_at"],
        postgresql_where=CORRECTIONS,
        sqlite_where=CORRECTIONS,
    )


def downgrade() -> None:
    op.drop_index("ix_transfers_corrections", table_name="transfers")
    for column in ("tax_id", "address", "legal_name"):
        op.drop_column("sellers", column)
