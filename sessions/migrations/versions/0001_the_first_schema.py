"""The first schema: what happened at the stall, what it costs, who may come in."""

import secrets

import sqlalchemy as sa
from alembic import op

from sessions.migrations import guards

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "charges",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=True, comment="none: nobody claimed the session"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("tariff_version", sa.Integer(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("computed_minor", sa.BigInteger(), nullable=False, comment="what the facts cost"),
        sa.Column("allowed_minor", sa.BigInteger(), nullable=False, comment="what review and finalisation let through"),
        sa.Column("waived_minor", sa.BigInteger(), nullable=True, comment="waivers recorded, none; -1: all of it"),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False, comment="what is posted"),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.Text(), nullable=True, comment="why it waits in review"),
        sa.Column("decision", sa.Text(), nullable=True, comment="the last review decision"),
        sa.Column("settlements", sa.Integer(), nullable=False, comment="transfers posted so far"),
        sa.Column("settled_at", sa.BigInteger(), nullable=False, comment="first settlement"),
        sa.Column("assessed_at", sa.BigInteger(), nullable=False, comment="the moment the bill was last asked about"),
        sa.Column("finalised_at", sa.BigInteger(), nullable=True),
        sa.Column("report", sa.Text(), nullable=False, comment="the FeeReport as JSON"),
        sa.PrimaryKeyConstraint("site_id", "session_id", name=op.f("pk_charges")),
    )
    op.create_index(
        "ix_charges_held",
        "charges",
        ["site_id"],
        unique=False,
        postgresql_where=sa.text("held IS NOT NULL"),
        sqlite_where=sa.text("held IS NOT NULL"),
    )
    op.create_index(op.f("ix_charges_owner_id"), "charges", ["owner_id"], unique=False)
    op.create_table(
        "conflicts",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "station_id", "event_id", name=op.f("pk_conflicts")),
        comment="Event ids that came with two contents: derived from `events`, so that a fold need not search.",
    )
    op.create_table(
        "deployment",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_deployment")),
        comment="Made once at the first migration: the key that turns a token's number into its surrogate.",
    )
    op.create_table(
        "events",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="of the content, in hex: two under one id are a conflict"
        ),
        sa.Column("stall", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="on the station's clock"),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("token_id", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("offset_s", sa.Integer(), nullable=True, comment="first arrival minus sent_at; none unless live"),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="the key that posted it, or the import"),
        sa.PrimaryKeyConstraint("site_id", "station_id", "id", "digest", name=op.f("pk_events")),
    )
    op.create_index(
        "ix_events_fault",
        "events",
        ["site_id", "station_id", "at"],
        unique=False,
        postgresql_where=sa.text("type IN ('station_fault', 'station_restored')"),
        sqlite_where=sa.text("type IN ('station_fault', 'station_restored')"),
    )
    op.create_index("ix_events_session", "events", ["site_id", "session_id"], unique=False)
    op.create_index("ix_events_stall", "events", ["site_id", "station_id", "stall", "at"], unique=False)
    op.create_table(
        "facts",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, comment="order within the site"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True, comment="given by who must not record the same thing twice"),
        sa.Column("station_id", sa.Text(), nullable=True),
        sa.Column("stall", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("tariff", sa.Text(), nullable=True),
        sa.Column("tariff_version", sa.Integer(), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "n", name=op.f("pk_facts")),
        comment="Everything that bears on a bill beside station events: excuses, claims, waivers, decisions, orders.",
    )
    op.create_index(
        "ix_facts_owner",
        "facts",
        ["owner_id"],
        unique=False,
        postgresql_where=sa.text("owner_id IS NOT NULL"),
        sqlite_where=sa.text("owner_id IS NOT NULL"),
    )
    op.create_index("ix_facts_session", "facts", ["site_id", "session_id"], unique=False)
    op.create_index(
        "ix_facts_site",
        "facts",
        ["site_id", "kind"],
        unique=False,
        postgresql_where=sa.text("session_id IS NULL"),
        sqlite_where=sa.text("session_id IS NULL"),
    )
    op.create_index("uq_facts_key", "facts", ["site_id", "key"], unique=True)
    op.create_table(
        "jobs",
        sa.Column("key", sa.Text(), nullable=False, comment="names the step: the same step is never waiting twice"),
        sa.Column("site_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("together", sa.Text(), nullable=True, comment="steps of one name are done as one; none: alone"),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column(
            "due_at",
            sa.BigInteger(),
            nullable=False,
            comment="when its time has come, however often it failed since",
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("leased_by", sa.Text(), nullable=True),
        sa.Column(
            "leased_until",
            sa.BigInteger(),
            nullable=True,
            comment="nobody takes it before: it is being done, or failed a moment ago",
        ),
        sa.Column(
            "dead", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="parked until a person looks"
        ),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["kind", "due_at"],
        unique=False,
        postgresql_where=sa.text("NOT dead"),
        sqlite_where=sa.text("NOT dead"),
    )
    op.create_index(
        "ix_jobs_together",
        "jobs",
        ["together"],
        unique=False,
        postgresql_where=sa.text("together IS NOT NULL"),
        sqlite_where=sa.text("together IS NOT NULL"),
    )
    op.create_table(
        "owners",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owners")),
        comment="The person; what identifies them may be erased, the id stays in the books.",
    )
    op.create_table(
        "sellers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False, comment="IANA time zone of the seller's books"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sellers")),
    )
    op.create_table(
        "sessions",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="station/session"),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("stall", sa.Text(), nullable=True),
        sa.Column("token_id", sa.Text(), nullable=True),
        sa.Column("plugged_in_at", sa.BigInteger(), nullable=True),
        sa.Column("completed_at", sa.BigInteger(), nullable=True, comment="first completion that counts"),
        sa.Column(
            "full_since",
            sa.BigInteger(),
            nullable=True,
            comment="the completion it stands at; none: energy flows, or the car has left",
        ),
        sa.Column("unplugged_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "superseded_at",
            sa.BigInteger(),
            nullable=True,
            comment="the stall's next plug-in, where no unplug is known",
        ),
        sa.Column("until", sa.BigInteger(), nullable=True, comment="unplug, else the last event heard of the stall"),
        sa.Column("closed", sa.Boolean(), nullable=False, comment="unplugged, or silent for the session time-out"),
        sa.Column(
            "complete_s",
            sa.Integer(),
            nullable=False,
            comment="seconds complete: what idling could be billed at the most",
        ),
        sa.Column("offset_s", sa.Integer(), nullable=False, comment="our clock minus the station's"),
        sa.Column("not_billable", sa.Text(), nullable=True),
        sa.Column("review", sa.Text(), nullable=True),
        sa.Column(
            "timeline", sa.Text(), nullable=True, comment="the spans as JSON: enough to price again without the events"
        ),
        sa.Column("folded_at", sa.BigInteger(), nullable=False, comment="the moment the fold was asked about"),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_sessions")),
    )
    op.create_index(
        "ix_sessions_open",
        "sessions",
        ["site_id", "station_id", "stall"],
        unique=False,
        postgresql_where=sa.text("unplugged_at IS NULL"),
        sqlite_where=sa.text("unplugged_at IS NULL"),
    )
    op.create_index("ix_sessions_plugged_in", "sessions", ["site_id", "plugged_in_at"], unique=False)
    op.create_index("ix_sessions_stall", "sessions", ["site_id", "station_id", "stall", "plugged_in_at"], unique=False)
    op.create_index("ix_sessions_token", "sessions", ["token_id"], unique=False)
    op.create_table(
        "tariffs",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="the tariff as JSON"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_tariffs")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False, comment="surrogate: the only name facts know"),
        sa.Column("uid", sa.Text(), nullable=True, comment="what identifies a person; erased on request"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
    )
    op.create_table(
        "transfers",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="H(session, n)"),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("corrects", sa.Text(), nullable=True, comment="the transfer before this one of the same session"),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_transfers")),
    )
    op.create_index("uq_transfers_session", "transfers", ["site_id", "session_id", "n"], unique=True)
    op.create_table(
        "entries",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("transfer_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False, comment="receivable, revenue, tax, unclaimed or deferred"),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("tax_code", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False, comment="debit above zero, credit below"),
        sa.ForeignKeyConstraint(
            ["site_id", "transfer_id"],
            ["transfers.site_id", "transfers.id"],
            name=op.f("fk_entries_site_id_transfer_id_transfers"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("site_id", "transfer_id", "line", name=op.f("pk_entries")),
    )
    op.create_index("ix_entries_owner", "entries", ["owner_id", "seller_id", "currency"], unique=False)
    op.create_table(
        "notices",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False, comment="the message id on every channel"),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="why it was written, as the correction's cause has it"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_notices_owner_id_owners")),
        sa.PrimaryKeyConstraint("site_id", "id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_owner", "notices", ["owner_id", "created_at"], unique=False)
    op.create_table(
        "notice_sessions",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=True, comment="the fee it told; none: it told of none"),
        sa.ForeignKeyConstraint(
            ["site_id", "notice_id"],
            ["notices.site_id", "notices.id"],
            name=op.f("fk_notice_sessions_site_id_notice_id_notices"),
        ),
        sa.PrimaryKeyConstraint("site_id", "notice_id", "session_id", name=op.f("pk_notice_sessions")),
        comment="What each notice is about: what an owner was last told of a session is a question to this table.",
    )
    op.create_index("ix_notice_sessions_session", "notice_sessions", ["site_id", "session_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True, comment="the channel's own name for it: a file, a message id"),
        sa.ForeignKeyConstraint(
            ["site_id", "notice_id"],
            ["notices.site_id", "notices.id"],
            name=op.f("fk_deliveries_site_id_notice_id_notices"),
        ),
        sa.PrimaryKeyConstraint("site_id", "notice_id", "channel", name=op.f("pk_deliveries")),
    )
    op.create_table(
        "sites",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False, comment="IANA time zone, for no-fee hours and for people"),
        sa.Column(
            "priced_by_occupancy",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="one session's fee may depend on its neighbours: the site is locked as a whole",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["sellers.id"], name=op.f("fk_sites_seller_id_sellers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
    )
    op.create_table(
        "token_holders",
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False, comment="0: since ever"),
        sa.Column("valid_to", sa.BigInteger(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_token_holders_owner_id_owners")),
        sa.PrimaryKeyConstraint("token_id", "valid_from", name=op.f("pk_token_holders")),
        comment="Whose a token is, and when: a session's owner is who held its token at the plug-in.",
    )
    op.create_index(op.f("ix_token_holders_owner_id"), "token_holders", ["owner_id"], unique=False)
    op.create_table(
        "vehicles",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("plate", sa.Text(), nullable=True),
        sa.Column(
            "token_id",
            sa.Text(),
            nullable=True,
            comment="the token that stands for this car (Autocharge, Plug & Charge)",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_vehicles_owner_id_owners")),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_vehicles")),
    )
    op.create_index(op.f("ix_vehicles_plate"), "vehicles", ["plate"], unique=False)
    op.create_table(
        "stations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_stations_site_id_sites")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stations")),
        comment="The row is the lock under which a station's sessions are folded and settled.",
    )
    op.create_index(op.f("ix_stations_site_id"), "stations", ["site_id"], unique=False)
    op.create_table(
        "tariff_assignments",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False, comment="0 for a site's first: it has no beginning"),
        sa.Column("tariff", sa.Text(), nullable=False),
        sa.Column("tariff_version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_tariff_assignments_site_id_sites")),
        sa.ForeignKeyConstraint(
            ["tariff", "tariff_version"],
            ["tariffs.name", "tariffs.version"],
            name=op.f("fk_tariff_assignments_tariff_tariff_version_tariffs"),
        ),
        sa.PrimaryKeyConstraint("site_id", "valid_from", name=op.f("pk_tariff_assignments")),
    )
    op.create_table(
        "access_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False, comment="SHA-256 of the key: 256 random bits need no slow hash"),
        sa.Column("role", sa.Text(), nullable=False, comment="station, owner, support, finance or operator"),
        sa.Column("station_id", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column(
            "kind", sa.Text(), nullable=False, comment="key (a bearer token), link (signs a browser in) or browser"
        ),
        sa.Column(
            "once", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="revoked by its first use"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["owners.id"], name=op.f("fk_access_keys_owner_id_owners")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_access_keys_station_id_stations")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_access_keys_hash")),
    )
    op.create_index("ix_access_keys_station", "access_keys", ["station_id"], unique=False)
    op.create_table(
        "stalls",
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("stall", sa.Text(), nullable=False),
        sa.Column("in_service_from", sa.BigInteger(), nullable=True, comment="none: as long as the site has stood"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_stalls_site_id_sites")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_stalls_station_id_stations")),
        sa.PrimaryKeyConstraint("site_id", "station_id", "stall", name=op.f("pk_stalls")),
    )
    op.create_table(
        "station_contacts",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column(
            "interval_s", sa.Integer(), nullable=True, comment="the heartbeat interval it declared; none: never silent"
        ),
        sa.Column(
            "clock_ahead_s", sa.Integer(), nullable=True, comment="its clock minus ours at the last heartbeat that told"
        ),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_station_contacts_station_id_stations")),
        sa.PrimaryKeyConstraint("station_id", name=op.f("pk_station_contacts")),
        comment="Heartbeats are not facts: the last one overwrites.",
    )
    pepper = sa.text("INSERT INTO deployment (key, value) VALUES ('token_pepper', :pepper)")
    op.execute(pepper.bindparams(pepper=secrets.token_hex(32)))


def downgrade() -> None:
    guards.remove()

    op.drop_table("station_contacts")
    op.drop_table("stalls")
    op.drop_index("ix_access_keys_station", table_name="access_keys")
    op.drop_table("access_keys")
    op.drop_table("tariff_assignments")
    op.drop_index(op.f("ix_stations_site_id"), table_name="stations")
    op.drop_table("stations")
    op.drop_index(op.f("ix_vehicles_plate"), table_name="vehicles")
    op.drop_table("vehicles")
    op.drop_index(op.f("ix_token_holders_owner_id"), table_name="token_holders")
    op.drop_table("token_holders")
    op.drop_table("sites")
    op.drop_table("deliveries")
    op.drop_index("ix_notice_sessions_session", table_name="notice_sessions")
    op.drop_table("notice_sessions")
    op.drop_index("ix_notices_owner", table_name="notices")
    op.drop_table("notices")
    op.drop_index("ix_entries_owner", table_name="entries")
    op.drop_table("entries")
    op.drop_index("uq_transfers_session", table_name="transfers")
    op.drop_table("transfers")
    op.drop_table("tokens")
    op.drop_table("tariffs")
    op.drop_index("ix_sessions_token", table_name="sessions")
    op.drop_index("ix_sessions_stall", table_name="sessions")
    op.drop_index("ix_sessions_plugged_in", table_name="sessions")
    op.drop_index(
        "ix_sessions_open",
        table_name="sessions",
        postgresql_where=sa.text("unplugged_at IS NULL"),
        sqlite_where=sa.text("unplugged_at IS NULL"),
    )
    op.drop_table("sessions")
    op.drop_table("sellers")
    op.drop_table("owners")
    op.drop_index(
        "ix_jobs_together",
        table_name="jobs",
        postgresql_where=sa.text("together IS NOT NULL"),
        sqlite_where=sa.text("together IS NOT NULL"),
    )
    op.drop_index(
        "ix_jobs_due", table_name="jobs", postgresql_where=sa.text("NOT dead"), sqlite_where=sa.text("NOT dead")
    )
    op.drop_table("jobs")
    op.drop_index("uq_facts_key", table_name="facts")
    op.drop_index(
        "ix_facts_site",
        table_name="facts",
        postgresql_where=sa.text("session_id IS NULL"),
        sqlite_where=sa.text("session_id IS NULL"),
    )
    op.drop_index("ix_facts_session", table_name="facts")
    op.drop_index(
        "ix_facts_owner",
        table_name="facts",
        postgresql_where=sa.text("owner_id IS NOT NULL"),
        sqlite_where=sa.text("owner_id IS NOT NULL"),
    )
    op.drop_table("facts")
    op.drop_index("ix_events_stall", table_name="events")
    op.drop_index("ix_events_session", table_name="events")
    op.drop_index(
        "ix_events_fault",
        table_name="events",
        postgresql_where=sa.text("type IN ('station_fault', 'station_restored')"),
        sqlite_where=sa.text("type IN ('station_fault', 'station_restored')"),
    )
    op.drop_table("events")
    op.drop_table("deployment")
    op.drop_table("conflicts")
    op.drop_index(op.f("ix_charges_owner_id"), table_name="charges")
    op.drop_index(
        "ix_charges_held",
        table_name="charges",
        postgresql_where=sa.text("held IS NOT NULL"),
        sqlite_where=sa.text("held IS NOT NULL"),
    )
    op.drop_table("charges")
