"""The tables of what happened at the stall. Keys lead with `site_id`, so that they can be distributed by it.

`events` and `facts` are append-only: triggers of the database refuse UPDATE and DELETE
(`sessions/migrations/guards.py`). `sessions` is a snapshot, rebuilt from them at will.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from sessions.database import UtcSeconds, metadata

deployment = Table(
    "deployment",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Made once at the first migration: the key that turns a token's number into its surrogate.",
)

sellers = Table(
    "sellers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False, comment="IANA time zone of the seller's books"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("legal_name", Text, comment="as registered; none: its name"),
    Column("address", Text, comment="where it is registered, as receipts print it"),
    Column("tax_id", Text, comment="its tax registration"),
)

sites = Table(
    "sites",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seller_id", Text, ForeignKey("sellers.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False, comment="IANA time zone, for no-fee hours and for people"),
    Column(
        "priced_by_occupancy",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="one session's fee may depend on its neighbours: the site is locked as a whole",
    ),
    Column("created_at", UtcSeconds, nullable=False),
)

stations = Table(
    "stations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("site_id", Text, ForeignKey("sites.id"), nullable=False, index=True),
    Column("created_at", UtcSeconds, nullable=False),
    comment="The row is the lock under which a station's sessions are folded and settled.",
)

station_contacts = Table(
    "station_contacts",
    metadata,
    Column("station_id", Text, ForeignKey("stations.id"), primary_key=True),
    Column("interval_s", Integer, comment="the heartbeat interval it declared; none: never silent"),
    Column("clock_ahead_s", Integer, comment="its clock minus ours at the last heartbeat that told"),
    Column("heard_at", UtcSeconds, nullable=False),
    comment="Heartbeats are not facts: the last one overwrites.",
)

stalls = Table(
    "stalls",
    metadata,
    Column("site_id", Text, ForeignKey("sites.id"), primary_key=True),
    Column("station_id", Text, ForeignKey("stations.id"), primary_key=True),
    Column("stall", Text, primary_key=True),
    Column("in_service_from", UtcSeconds, comment="none: as long as the site has stood"),
    Column("created_at", UtcSeconds, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True, comment="surrogate: the only name facts know"),
    Column("uid", Text, comment="what identifies a person; erased on request"),
    Column("created_at", UtcSeconds, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("station_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("digest", Text, primary_key=True, comment="of the content, in hex: two under one id are a conflict"),
    Column("stall", Text),
    Column("session_id", Text),
    Column("type", Text, nullable=False),
    Column("at", UtcSeconds, nullable=False, comment="on the station's clock"),
    Column("seq", BigInteger),
    Column("cause", Text),
    Column("token_id", Text),
    Column("data", Text),
    Column("offset_s", Integer, comment="first arrival minus sent_at; none unless live"),
    Column("received_at", UtcSeconds, nullable=False),
    Column("author", Text, nullable=False, comment="the key that posted it, or the import"),
    Index("ix_events_session", "site_id", "session_id"),
    Index("ix_events_stall", "station_id", "stall", "at"),  # not the site first: see migration 0002
    Index(
        "ix_events_station_wide",
        "station_id",
        "at",
        postgresql_where=text("stall IS NULL"),
        sqlite_where=text("stall IS NULL"),
    ),
    Index(
        "ix_events_fault",
        "site_id",
        "station_id",
        "at",
        postgresql_where=text("type IN ('station_fault', 'station_restored')"),
        sqlite_where=text("type IN ('station_fault', 'station_restored')"),
    ),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("station_id", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("recorded_at", UtcSeconds, nullable=False),
    comment="Event ids that came with two contents: derived from `events`, so that a fold need not search.",
)

facts = Table(
    "facts",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("n", Integer, primary_key=True, comment="order within the site"),
    Column("kind", Text, nullable=False),
    Column("key", Text, comment="given by who must not record the same thing twice"),
    Column("station_id", Text),
    Column("stall", Text),
    Column("session_id", Text),
    Column("event_id", Text),
    Column("starts_at", UtcSeconds),
    Column("ends_at", UtcSeconds),
    Column("owner_id", Text),
    Column("amount_minor", BigInteger),
    Column("tariff", Text),
    Column("tariff_version", Integer),
    Column("recorded_at", UtcSeconds, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_facts_session", "site_id", "session_id"),
    Index("uq_facts_key", "site_id", "key", unique=True),
    Index(
        "ix_facts_owner",
        "owner_id",
        postgresql_where=text("owner_id IS NOT NULL"),
        sqlite_where=text("owner_id IS NOT NULL"),
    ),
    Index(
        "ix_facts_site",
        "site_id",
        "kind",
        postgresql_where=text("session_id IS NULL"),
        sqlite_where=text("session_id IS NULL"),
    ),
    Index(
        "ix_facts_people",  # what people decided, for the trail: clocks and channels record the most, and no deed
        "recorded_at",
        postgresql_where=text("kind NOT IN ('finalised', 'notice_accepted')"),
        sqlite_where=text("kind NOT IN ('finalised', 'notice_accepted')"),
    ),
    comment="Everything that bears on a bill beside station events: excuses, claims, waivers, decisions, orders.",
)

sessions = Table(
    "sessions",
    metadata,
    Column("site_id", Text, primary_key=True),
    Column("id", Text, primary_key=True, comment="station/session"),
    Column("station_id", Text, nullable=False),
    Column("stall", Text),
    Column("token_id", Text),
    Column("plugged_in_at", UtcSeconds),
    Column("completed_at", UtcSeconds, comment="first completion that counts"),
    Column("full_since", UtcSeconds, comment="the completion it stands at; none: energy flows, or the car has left"),
    Column("unplugged_at", UtcSeconds),
    Column("superseded_at", UtcSeconds, comment="the stall's next plug-in, where no unplug is known"),
    Column("until", UtcSeconds, comment="unplug, else the last event heard of the stall"),
    Column("closed", Boolean, nullable=False, comment="unplugged, or silent for the session time-out"),
    Column(
        "complete_s",
        Integer,
        nullable=False,
        comment="seconds complete: what idling could be billed at the most",
    ),
    Column("offset_s", Integer, nullable=False, comment="our clock minus the station's"),
    Column("not_billable", Text),
    Column("review", Text),
    Column("timeline", Text, comment="the spans as JSON: enough to price again without the events"),
    Column("folded_at", UtcSeconds, nullable=False, comment="the moment the fold was asked about"),
    Index("ix_sessions_stall", "site_id", "station_id", "stall", "plugged_in_at"),
    Index(
        "ix_sessions_open",
        "site_id",
        "station_id",
        "stall",
        postgresql_where=text("unplugged_at IS NULL"),
        sqlite_where=text("unplugged_at IS NULL"),
    ),
    Index("ix_sessions_token", "token_id"),
    Index("ix_sessions_plugged_in", "site_id", "plugged_in_at"),
    Index("ix_sessions_newest", text("coalesce(plugged_in_at + offset_s, 0) DESC"), "site_id", "id"),
    Index(
        "ix_sessions_not_billable",
        text("coalesce(plugged_in_at + offset_s, 0) DESC"),
        "site_id",
        "id",
        postgresql_where=text("closed AND not_billable IS NOT NULL"),
        sqlite_where=text("closed = 1 AND not_billable IS NOT NULL"),
    ),
)
