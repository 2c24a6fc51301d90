"""The tables of what it costs and who pays. What a session causes leads with `site_id`, so that it can be
distributed by it.

`tariffs`, `tariff_assignments`, `transfers` and `entries` are append-only: triggers refuse UPDATE and DELETE
(`sessions/migrations/guards.py`). `charges` is a snapshot that `settle` and `verify` rebuild from facts and ledger.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)

from sessions.database import UtcSeconds, metadata

owners = Table(
    "owners",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("email", Text),
    Column("language", Text, nullable=False, server_default="en"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("erased_at", UtcSeconds),
    comment="The person; what identifies them may be erased, the id stays in the books.",
)

Index("ix_owners_email", func.lower(owners.c.email))  # however support typed it

vehicles = Table(
    "vehicles",
    metadata,
    Column("owner_id", Text, ForeignKey("owners.id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("plate", Text, index=True),
    Column("token_id", Text, comment="the token that stands for this car (Autocharge, Plug & Charge)"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("removed_at", UtcSeconds),
)

token_holders = Table(
    "token_holders",
    metadata,
    Column("token_id", Text, primary_key=True),
    Column("valid_from", UtcSeconds, primary_key=True, comment="0: since ever"),
    Column("valid_to", UtcSeconds),
    Column("owner_id", Text, ForeignKey("owners.id"), nullable=False, index=True),
    Column("author", Text, nullable=False),
    Column("recorded_at", UtcSeconds, nullable=False),
    comment="Whose a token is, and when: a session's owner is who held its token at the plug-in.",
)

tariffs = Table(
    "tariffs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", Text, nullable=False, comment="the tariff as JSON"),
    Column("recorded_at", UtcSeconds, nullable=False),
    Column("author", Text, nullable=False),
)

tariff_assignments = Table(
    "tariff_assignments",
    metadata,
    Column("site_id", Text, ForeignKey("sites.id"), primary_key=True),
    Column("valid_from", UtcSeconds, primary_key=True, comment="0 for a site's first: it has no beginning"),
    Column("tariff", Text, nullable=False),
    Column("tariff_version", Integer, nullable=False),
    Column("recorded_at", UtcSeconds, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["tariff", "tariff_version"], ["tariffs.name", "tariffs.version"]),
)

charges = Table(
    "charges",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("owner_id", Text, comment="none: nobody claimed the session"),
    Column("seller_id", Text, nullable=False),
    Column("tariff", Text, nullable=False),
    Column("tariff_version", Integer, nullable=False),
    Column("rules_version", Integer, nullable=False),
    Column("currency", Text, nullable=False),
    Column("computed_minor", BigInteger, nullable=False, comment="what the facts cost"),
    Column("allowed_minor", BigInteger, nullable=False, comment="what review and finalisation let through"),
    Column("waived_minor", BigInteger, comment="waivers recorded, none; -1: all of it"),
    Column("fee_minor", BigInteger, nullable=False, comment="what is posted"),
    Column("tax_minor", BigInteger, nullable=False),
    Column("held", Text, comment="why it waits in review"),
    Column("decision", Text, comment="the last review decision"),
    Column("settlements", Integer, nullable=False, comment="transfers posted so far"),
    Column("settled_at", UtcSeconds, nullable=False, comment="first settlement"),
    Column("assessed_at", UtcSeconds, nullable=False, comment="the moment the bill was last asked about"),
    Column("finalised_at", UtcSeconds),
    Column("report", Text, nullable=False, comment="the FeeReport as JSON"),
    Column("changed_at", UtcSeconds, nullable=False, server_default="0", comment="when this row was last written"),
    Index(
        "ix_charges_held", "site_id", postgresql_where=text("held IS NOT NULL"), sqlite_where=text("held IS NOT NULL")
    ),
    Index("ix_charges_owner", "owner_id", "settled_at"),
    Index("ix_charges_changed", "changed_at"),
    Index("ix_charges_recent", "settled_at", "site_id", "session_id"),
    Index("ix_charges_settled", "site_id", "settled_at", "session_id"),
    Index(
        "ix_charges_fee",
        *("settled_at", "site_id", "currency", "fee_minor", "tax_minor", "computed_minor"),
        postgresql_where=text("fee_minor > 0"),
        sqlite_where=text("fee_minor > 0"),
    ),
)

transfers = Table(
    "transfers",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="H(session, n)"),
    Column("session_id", Text, nullable=False),
    Column("n", Integer, nullable=False),
    Column("corrects", Text, comment="the transfer before this one of the same session"),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", UtcSeconds, nullable=False),
    Index("uq_transfers_session", "site_id", "session_id", "n", unique=True),
    Index("ix_transfers_recorded", "recorded_at"),
    Index(
        "ix_transfers_corrections",
        "site_id",
        "recorded_at",
        postgresql_where=text("corrects IS NOT NULL"),
        sqlite_where=text("corrects IS NOT NULL"),
    ),
)

entries = Table(
    "entries",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("transfer_id", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("account", Text, nullable=False, comment="receivable, revenue, tax, unclaimed or deferred"),
    Column("owner_id", Text),
    Column("seller_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("tax_code", Text),
    Column("amount_minor", BigInteger, nullable=False, comment="debit above zero, credit below"),
    ForeignKeyConstraint(
        ["site_id", "transfer_id"], ["transfers.site_id", "transfers.id"], deferrable=True, initially="DEFERRED"
    ),
    Index("ix_entries_owner", "owner_id", "seller_id", "currency"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("key", Text, primary_key=True, comment="names the step: the same step is never waiting twice"),
    Column("site_id", Text),
    Column("kind", Text, nullable=False),
    Column("together", Text, comment="steps of one name are done as one; none: alone"),
    Column("body", Text, nullable=False),
    Column("due_at", UtcSeconds, nullable=False, comment="when its time has come, however often it failed since"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("leased_by", Text),
    Column("leased_until", UtcSeconds, comment="nobody takes it before: it is being done, or failed a moment ago"),
    Column("dead", Boolean, nullable=False, server_default=text("false"), comment="parked until a person looks"),
    Column("last_error", Text),
    Column("created_at", UtcSeconds, nullable=False),
    Index("ix_jobs_due", "kind", "due_at", postgresql_where=text("NOT dead"), sqlite_where=text("NOT dead")),
    Index(
        "ix_jobs_together",
        "together",
        postgresql_where=text("together IS NOT NULL"),
        sqlite_where=text("together IS NOT NULL"),
    ),
)

notices = Table(
    "notices",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="the message id on every channel"),
    Column("owner_id", Text, ForeignKey("owners.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="why it was written, as the correction's cause has it"),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("language", Text, nullable=False, server_default=text("'en'"), comment="in which it was written"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("read_at", UtcSeconds),
    Column("cause", Text, comment="a correction's: the name of what corrected it; none: of nothing with a name"),
    Index("ix_notices_owner", "owner_id", "created_at"),
    Index("ix_notices_cause", "site_id", "cause"),
)

notice_sessions = Table(
    "notice_sessions",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("notice_id", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("fee_minor", BigInteger, comment="the fee it told; none: it told of none"),
    ForeignKeyConstraint(["site_id", "notice_id"], ["notices.site_id", "notices.id"]),
    Index("ix_notice_sessions_session", "site_id", "session_id"),
    comment="What each notice is about: what an owner was last told of a session is a question to this table.",
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("notice_id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("accepted_at", UtcSeconds, nullable=False),
    Column("reference", Text, comment="the channel's own name for it: a file, a message id"),
    ForeignKeyConstraint(["site_id", "notice_id"], ["notices.site_id", "notices.id"]),
)

contacts = Table(
    "contacts",
    metadata,
    Column("owner_id", Text, ForeignKey("owners.id"), primary_key=True),
    Column("id", Text, primary_key=True, comment="a digest of channel and address: the same one is never there twice"),
    Column("channel", Text, nullable=False, comment="push, webhook or chat; e-mail is the owner's own column"),
    Column("label", Text, nullable=False, comment="what the owner knows it by: a browser, a car, a service"),
    Column("details", Text, nullable=False, comment="as JSON, what the channel needs: address, keys, secret"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("ended_at", UtcSeconds),
    Column("ended_because", Text, comment="removed by the owner, or gone by the provider's word"),
    comment="Where an owner wants to be told beside e-mail and inbox; erased with the owner.",
)

channel_health = Table(
    "channel_health",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("failing_since", UtcSeconds, nullable=False),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("left_alone_until", UtcSeconds, nullable=False),
    Column("last_error", Text),
    comment="A row only while a provider fails: it is left alone for a while and then tried again.",
)

preferences = Table(
    "preferences",
    metadata,
    Column("owner_id", Text, ForeignKey("owners.id"), primary_key=True),
    Column("quiet_from", Integer, comment="minute of the day in `zone`; none: never quiet"),
    Column("quiet_to", Integer),
    Column("zone", Text, comment="IANA zone of the owner's quiet hours"),
    Column("changed_at", UtcSeconds, nullable=False),
)

mutes = Table(
    "mutes",
    metadata,
    Column("owner_id", Text, ForeignKey("owners.id"), primary_key=True),
    Column("kind", Text, primary_key=True, comment="a kind of notice"),
    Column("channel", Text, primary_key=True),
    comment="What an owner does not want to be told on a channel; the inbox keeps everything.",
)
