"""The tables of collecting: what an owner gave consent to, what was asked of them, what came of it. All lead with
`owner_id`; `processor_events` leads with the event's own id, since nobody knows yet whose it is.

The books hold the money (`accounts.py`); these rows hold where each payment stands.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from sessions.database import UtcSeconds, metadata

UNSETTLED = text("state NOT IN ('succeeded', 'cancelled')")
"""Payments that are not over, as the index knows them: SQLite walks it only for a query that says the same words."""

BY_HAND = text("means IN ('hand', 'bank')")
"""Payments that no processor knows, likewise."""

TO_DECIDE = text("reason_code = 'elsewhere' AND decided_at IS NULL AND state <> 'failed'")
"""Refunds made at the processor itself of which nobody said yet whether the owner owes the amount again, likewise."""

customers = Table(
    "customers",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("seller_id", Text, primary_key=True),
    Column("processor_ref", Text, nullable=False, unique=True),
    Column("created_at", UtcSeconds, nullable=False),
    comment="Whom the processor knows an owner as, at each seller.",
)

payment_methods = Table(
    "payment_methods",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("seller_id", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="the processor's name for it"),
    Column("kind", Text, nullable=False),
    Column("brand", Text),
    Column("last4", Text),
    Column("expires", Text, comment="2029-04"),
    Column("consent", Text, nullable=False, comment="the words that were agreed to"),
    Column("consent_at", UtcSeconds, nullable=False),
    Column("consent_ref", Text, nullable=False, comment="the SetupIntent that proves it"),
    Column("default_since", UtcSeconds, comment="the newest is the default"),
    Column("added_at", UtcSeconds, nullable=False),
    Column("ended_at", UtcSeconds),
    Column("ended_because", Text),
)

setups = Table(
    "setups",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("seller_id", Text, nullable=False),
    Column("processor_ref", Text, comment="the page the owner was sent to; none: not asked for yet"),
    Column("state", Text, nullable=False, comment="open, complete or expired"),
    Column("consent", Text, nullable=False, comment="the words that were shown"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("changed_at", UtcSeconds, nullable=False),
    Index("ix_setups_ref", "processor_ref"),
)

payments = Table(
    "payments",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("invoice_id", Text, comment="what it was asked for; none: paid on account"),
    Column("means", Text, nullable=False, comment="card, bank or hand"),
    Column("amount_minor", BigInteger, nullable=False, comment="asked for"),
    Column("captured_minor", BigInteger, nullable=False, server_default="0"),
    Column("refunded_minor", BigInteger, nullable=False, server_default="0", comment="by the processor's word"),
    Column("refunding_minor", BigInteger, nullable=False, server_default="0", comment="asked for and not ended"),
    Column("disputed_minor", BigInteger, nullable=False, server_default="0", comment="in open or lost disputes"),
    Column("fee_minor", BigInteger, nullable=False, server_default="0"),
    Column(
        "state",
        Text,
        nullable=False,
        comment="planned, sent, processing, needs_owner, failed, succeeded or cancelled",
    ),
    Column("processor_ref", Text, comment="the PaymentIntent"),
    Column("method_id", Text),
    Column("customer_ref", Text, comment="whom it was asked of there"),
    Column("failure_code", Text),
    Column("failure_text", Text),
    Column("action_url", Text, comment="where the owner confirms it"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("looks", Integer, nullable=False, server_default="0", comment="how often it was looked up or asked for"),
    Column("seen_look", Integer, nullable=False, server_default="0", comment="the look that this row tells of"),
    Column("next_attempt_at", UtcSeconds, comment="none: nothing is planned"),
    Column("frozen_because", Text, comment="a dispute: nothing is tried meanwhile"),
    Column("reference", Text, comment="of what came by bank or hand"),
    Column("author", Text, nullable=False, comment="who recorded it; idlefee: the collection"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("changed_at", UtcSeconds, nullable=False),
    Column("succeeded_at", UtcSeconds),
    Index("ix_payments_ref", "processor_ref", unique=True),
    Index("ix_payments_invoice", "owner_id", "invoice_id"),
    Index(
        "ix_payments_unsettled",
        "state",
        "changed_at",
        postgresql_where=UNSETTLED,
        sqlite_where=UNSETTLED,
    ),
    Index("ix_payments_created", "created_at", "owner_id", "id"),
    Index(
        "ix_payments_by_hand",
        "created_at",
        "owner_id",
        "id",
        postgresql_where=BY_HAND,
        sqlite_where=BY_HAND,
    ),
)

payment_attempts = Table(
    "payment_attempts",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("payment_id", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("at", UtcSeconds, nullable=False),
    Column("outcome", Text, nullable=False, comment="as the payment's state was afterwards"),
    Column("code", Text),
    Column("text", Text),
    comment="Append-only: each time the bank was asked, and what it said.",
)

calls = Table(
    "calls",
    metadata,
    Column("key", Text, primary_key=True, comment="the idempotency key"),
    Column("owner_id", Text),
    Column("purpose", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="the payment, refund, customer or setup it is for"),
    Column("digest", Text, nullable=False, comment="of what was asked: one key never asks two things"),
    Column("planned_at", UtcSeconds, nullable=False),
    Column("sent_at", UtcSeconds, comment="first; a day later the processor has forgotten the key"),
    Column("answered_at", UtcSeconds),
    Column("answer", Text, comment="the processor's name for what came of it"),
    Index("ix_calls_subject", "subject"),
    comment="Our own memory of every call that moves money, written before it is made.",
)

refunds = Table(
    "refunds",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("payment_id", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column(
        "withdrawn_minor",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="of the seller's balance, which is what the books hold of it",
    ),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, comment="asked, approved, sent, pending, succeeded, failed or refused"),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcSeconds, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UtcSeconds),
    Column("decided_because", Text),
    Column("processor_ref", Text),
    Column("failure_code", Text),
    Column("changed_at", UtcSeconds, nullable=False),
    Index("ix_refunds_payment", "owner_id", "payment_id"),
    Index("ix_refunds_ref", "processor_ref", unique=True),
    Index("ix_refunds_open", "state", "asked_at"),
    Index(
        "ix_refunds_to_decide",
        "asked_at",
        "owner_id",
        "id",
        postgresql_where=TO_DECIDE,
        sqlite_where=TO_DECIDE,
    ),
)

disputes = Table(
    "disputes",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="the processor's name for it"),
    Column("payment_id", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("fee_minor", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, won or lost"),
    Column("opened_at", UtcSeconds, nullable=False),
    Column("evidence_due_at", UtcSeconds),
    Column("closed_at", UtcSeconds),
    Column("changed_at", UtcSeconds, nullable=False),
    Column(
        "counted_minor",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="of a lost one: what the owner was let off afterwards, and has had by it",
    ),
    Index("ix_disputes_state", "state", "opened_at"),
)

credits_given = Table(
    "credits_given",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="credit or write_off"),
    Column("amount_minor", BigInteger, nullable=False),
    Column("allowance_minor", BigInteger, nullable=False, server_default="0", comment="a write-off's: provided for"),
    Column("about", Text, comment="what it is given for: a payment, a refund"),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, comment="asked, posted, refused or reversed"),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UtcSeconds, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UtcSeconds),
    Column("decided_because", Text),
    Index("ix_credits_given_open", "state", "asked_at"),
)

processor_events = Table(
    "processor_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("object_ref", Text, nullable=False),
    Column("created_at", UtcSeconds, nullable=False),
    Column("received_at", UtcSeconds, nullable=False),
    Column("payload", Text, nullable=False),
    Column("handled_at", UtcSeconds),
    Column("outcome", Text),
    Index(
        "ix_processor_events_open",
        "received_at",
        postgresql_where=text("handled_at IS NULL"),
        sqlite_where=text("handled_at IS NULL"),
    ),
    comment="Stored before it is answered, handled later, once.",
)
