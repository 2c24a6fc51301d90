"""The second book: what payments, credits and payouts move. It leads with who pays, the first with the site."""

import sqlalchemy as sa
from alembic import op

from sessions.database import UtcSeconds

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "account_transfers",
        sa.Column("party_id", sa.Text(), nullable=False, comment="the owner, or for what concerns none the seller"),
        sa.Column("id", sa.Text(), nullable=False, comment="H(subject, n)"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it is about: a payment, a credit, a payout"),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("corrects", sa.Text(), nullable=True, comment="the transfer before this one of the same subject"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("party_id", "id", name=op.f("pk_account_transfers")),
    )
    op.create_index("uq_account_transfers_subject", "account_transfers", ["party_id", "subject", "n"], unique=True)
    op.create_index("ix_account_transfers_recorded", "account_transfers", ["recorded_at"])
    op.create_table(
        "account_entries",
        sa.Column("party_id", sa.Text(), nullable=False),
        sa.Column("transfer_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="debit above zero, credit below"),
        sa.ForeignKeyConstraint(
            ["party_id", "transfer_id"],
            ["account_transfers.party_id", "account_transfers.id"],
            name=op.f("fk_account_entries_party_id_account_transfers"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("party_id", "transfer_id", "line", name=op.f("pk_account_entries")),
    )
    op.create_index("ix_account_entries_owner", "account_entries", ["owner_id", "seller_id", "currency"])
    op.create_index("ix_transfers_recorded", "transfers", ["recorded_at"])


def downgrade() -> None:
    op.drop_index("ix_transfers_recorded", table_name="transfers")
    op.drop_table("account_entries")
    op.drop_table("account_transfers")
