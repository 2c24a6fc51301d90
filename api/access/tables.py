"""The tables of access. A key's text is shown once and never stored; only its hash is."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Table, Text, text

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
    Index("ix_access_keys_station", "station_id"),
)
