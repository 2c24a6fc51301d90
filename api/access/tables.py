"""The tables of access. A key's text is shown once and never stored; only its hash is."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from sessions.database import UtcSeconds, metadata

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False, unique=True, comment="SHA-256 of the key: 256 random bits need no slow hash"),
    Column("role", Text, nullable=False, comment="station, owner, support, finance or operator"),
    Column("station_id", Text, ForeignKey("stations.id")),
    Column("owner_id", Text, ForeignKey("owners.id")),
    Column("label", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="key (a bearer token), link (signs a browser in) or browser"),
    Column("once", Boolean, nullable=False, server_default=text("false"), comment="revoked by its first use"),
    Column("created_at", UtcSeconds, nullable=False),
    Column("expires_at", UtcSeconds),
    Column("revoked_at", UtcSeconds),
    Column("device_id", Text, comment="of a browser key: which of the person's devices it was opened on"),
    Column("last_used_at", UtcSeconds, comment="of a browser key, to within minutes; none: not since it was made"),
    Column("rotated_at", UtcSeconds, comment="of a browser key: since when its secret is this one"),
    Column("previous_hash", Text, comment="the secret before: good until the new one was seen, and a moment longer"),
    Column("previous_until", UtcSeconds, comment="…namely until here; none: the new one was not seen yet"),
    Index("ix_access_keys_station", "station_id"),
    Index("ix_access_keys_owner", "owner_id"),
    Index("ix_access_keys_previous", "previous_hash"),
)

devices = Table(
    "devices",
    metadata,
    Column("id", Text, primary_key=True, comment="a hash of what the device's long-lived cookie holds"),
    Column("owner_id", Text, ForeignKey("owners.id"), primary_key=True),
    Column("label", Text, nullable=False, comment="browser and system, in a few words"),
    Column("first_seen_at", UtcSeconds, nullable=False),
    Column("last_seen_at", UtcSeconds, nullable=False),
    comment="Browsers an owner has signed in with: a new one is announced. Erased with the owner.",
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("name", Text, primary_key=True, comment="what is limited, for whom: keyed hashes, no addresses"),
    Column("window_start", UtcSeconds, primary_key=True),
    Column("used", Integer, nullable=False),
    comment="Counted here and not in a process's memory: every process shares the limit.",
)
