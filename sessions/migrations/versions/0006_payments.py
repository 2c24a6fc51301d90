"""Customers, payment methods, payments, refunds, disputes, and what the processor said."""

import sqlalchemy as sa
from alembic import op

from sessions.database import UtcSeconds

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("key", sa.Text(), nullable=False, comment="the idempotency key"),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="the payment, refund, customer or setup it is for"),
        sa.Column("digest", sa.Text(), nullable=False, comment="of what was asked: one key never asks two things"),
        sa.Column("planned_at", UtcSeconds(), nullable=False),
        sa.Column(
            "sent_at", UtcSeconds(), nullable=True, comment="first; a day later the processor has forgotten the key"
        ),
        sa.Column("answered_at", UtcSeconds(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True, comment="the processor's name for what came of it"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_calls")),
        comment="Our own memory of every call that moves money, written before it is made.",
    )
    op.create_index("ix_calls_subject", "calls", ["subject"], unique=False)
    op.create_table(
        "credits_given",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="credit or write_off"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "allowance_minor",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="a write-off's: provided for",
        ),
        sa.Column("about", sa.Text(), nullable=True, comment="what it is given for: a payment, a refund"),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="asked, posted, refused or reversed"),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcSeconds(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcSeconds(), nullable=True),
        sa.Column("decided_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_credits_given")),
    )
    op.create_index("ix_credits_given_open", "credits_given", ["state", "asked_at"], unique=False)
    op.create_table(
        "customers",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("processor_ref", sa.Text(), nullable=False),
        sa.Column("created_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "seller_id", name=op.f("pk_customers")),
        sa.UniqueConstraint("processor_ref", name=op.f("uq_customers_processor_ref")),
        comment="Whom the processor knows an owner as, at each seller.",
    )
    op.create_table(
        "disputes",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the processor's name for it"),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="open, won or lost"),
        sa.Column("opened_at", UtcSeconds(), nullable=False),
        sa.Column("evidence_due_at", UtcSeconds(), nullable=True),
        sa.Column("closed_at", UtcSeconds(), nullable=True),
        sa.Column("changed_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_disputes")),
    )
    op.create_index("ix_disputes_state", "disputes", ["state", "opened_at"], unique=False)
    op.create_table(
        "payment_attempts",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", UtcSeconds(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False, comment="as the payment's state was afterwards"),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "payment_id", "n", name=op.f("pk_payment_attempts")),
        comment="Append-only: each time the bank was asked, and what it said.",
    )
    op.create_table(
        "payment_methods",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the processor's name for it"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("last4", sa.Text(), nullable=True),
        sa.Column("expires", sa.Text(), nullable=True, comment="2029-04"),
        sa.Column("consent", sa.Text(), nullable=False, comment="the words that were agreed to"),
        sa.Column("consent_at", UtcSeconds(), nullable=False),
        sa.Column("consent_ref", sa.Text(), nullable=False, comment="the SetupIntent that proves it"),
        sa.Column("default_since", UtcSeconds(), nullable=True, comment="the newest is the default"),
        sa.Column("added_at", UtcSeconds(), nullable=False),
        sa.Column("ended_at", UtcSeconds(), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "seller_id", "id", name=op.f("pk_payment_methods")),
    )
    op.create_table(
        "payments",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("invoice_id", sa.Text(), nullable=True, comment="what it was asked for; none: paid on account"),
        sa.Column("means", sa.Text(), nullable=False, comment="card, bank or hand"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="asked for"),
        sa.Column("captured_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "refunded_minor", sa.BigInteger(), server_default="0", nullable=False, comment="by the processor's word"
        ),
        sa.Column(
            "refunding_minor", sa.BigInteger(), server_default="0", nullable=False, comment="asked for and not ended"
        ),
        sa.Column(
            "disputed_minor", sa.BigInteger(), server_default="0", nullable=False, comment="in open or lost disputes"
        ),
        sa.Column("fee_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="planned, sent, processing, needs_owner, failed, succeeded or cancelled",
        ),
        sa.Column("processor_ref", sa.Text(), nullable=True, comment="the PaymentIntent"),
        sa.Column("method_id", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_text", sa.Text(), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True, comment="where the owner confirms it"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "looks",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="how often it was looked up or asked for",
        ),
        sa.Column(
            "seen_look", sa.Integer(), server_default="0", nullable=False, comment="the look that this row tells of"
        ),
        sa.Column("next_attempt_at", UtcSeconds(), nullable=True, comment="none: nothing is planned"),
        sa.Column("frozen_because", sa.Text(), nullable=True, comment="a dispute: nothing is tried meanwhile"),
        sa.Column("reference", sa.Text(), nullable=True, comment="of what came by bank or hand"),
        sa.Column("author", sa.Text(), nullable=False, comment="who recorded it; idlefee: the collection"),
        sa.Column("created_at", UtcSeconds(), nullable=False),
        sa.Column("changed_at", UtcSeconds(), nullable=False),
        sa.Column("succeeded_at", UtcSeconds(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_payments")),
    )
    op.create_index("ix_payments_created", "payments", ["created_at", "owner_id", "id"], unique=False)
    op.create_index("ix_payments_invoice", "payments", ["owner_id", "invoice_id"], unique=False)
    op.create_index("ix_payments_ref", "payments", ["processor_ref"], unique=True)
    op.create_index(
        "ix_payments_unsettled",
        "payments",
        ["state", "changed_at"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('succeeded', 'cancelled')"),
        sqlite_where=sa.text("state NOT IN ('succeeded', 'cancelled')"),
    )
    op.create_table(
        "processor_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("object_ref", sa.Text(), nullable=False),
        sa.Column("created_at", UtcSeconds(), nullable=False),
        sa.Column("received_at", UtcSeconds(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("handled_at", UtcSeconds(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processor_events")),
        comment="Stored before it is answered, handled later, once.",
    )
    op.create_index(
        "ix_processor_events_open",
        "processor_events",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("handled_at IS NULL"),
        sqlite_where=sa.text("handled_at IS NULL"),
    )
    op.create_table(
        "refunds",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "withdrawn_minor",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="of the seller's balance, which is what the books hold of it",
        ),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="asked, approved, sent, pending, succeeded, failed or refused"
        ),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcSeconds(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcSeconds(), nullable=True),
        sa.Column("decided_because", sa.Text(), nullable=True),
        sa.Column("processor_ref", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("changed_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_refunds")),
    )
    op.create_index("ix_refunds_open", "refunds", ["state", "asked_at"], unique=False)
    op.create_index("ix_refunds_payment", "refunds", ["owner_id", "payment_id"], unique=False)
    op.create_index("ix_refunds_ref", "refunds", ["processor_ref"], unique=True)
    op.create_table(
        "setups",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column(
            "processor_ref", sa.Text(), nullable=True, comment="the page the owner was sent to; none: not asked for yet"
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="open, complete or expired"),
        sa.Column("consent", sa.Text(), nullable=False, comment="the words that were shown"),
        sa.Column("created_at", UtcSeconds(), nullable=False),
        sa.Column("changed_at", UtcSeconds(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_setups")),
    )
    op.create_index("ix_setups_ref", "setups", ["processor_ref"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_setups_ref", table_name="setups")
    op.drop_table("setups")
    op.drop_index("ix_refunds_ref", table_name="refunds")
    op.drop_index("ix_refunds_payment", table_name="refunds")
    op.drop_index("ix_refunds_open", table_name="refunds")
    op.drop_table("refunds")
    op.drop_index(
        "ix_processor_events_open",
        table_name="processor_events",
        postgresql_where=sa.text("handled_at IS NULL"),
        sqlite_where=sa.text("handled_at IS NULL"),
    )
    op.drop_table("processor_events")
    op.drop_index(
        "ix_payments_unsettled",
        table_name="payments",
        postgresql_where=sa.text("state NOT IN ('succeeded', 'cancelled')"),
        sqlite_where=sa.text("state NOT IN ('succeeded', 'cancelled')"),
    )
    op.drop_index("ix_payments_ref", table_name="payments")
    op.drop_index("ix_payments_invoice", table_name="payments")
    op.drop_index("ix_payments_created", table_name="payments")
    op.drop_table("payments")
    op.drop_table("payment_methods")
    op.drop_table("payment_attempts")
    op.drop_index("ix_disputes_state", table_name="disputes")
    op.drop_table("disputes")
    op.drop_table("customers")
    op.drop_index("ix_credits_given_open", table_name="credits_given")
    op.drop_table("credits_given")
    op.drop_index("ix_calls_subject", table_name="calls")
    op.drop_table("calls")
