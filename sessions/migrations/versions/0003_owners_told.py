"""Owners told: where they want to be reached, when not, on which devices they signed in, and how often one may try."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

CAUSE = "a correction's: the name of what corrected it; none: of nothing with a name"
DEVICE = "of a browser key: which of the person's devices it was opened on"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # a private key lies below
BROWSER_KEYS = (
    ("last_used_at", sa.BigInteger(), "of a browser key, to within minutes; none: not since it was made"),
    ("rotated_at", sa.BigInteger(), "of a browser key: since when its secret is this one"),
    ("previous_hash", sa.Text(), "the secret before: good until the new one was seen, and a moment longer"),
    ("previous_until", sa.BigInteger(), "…namely until here; none: the new one was not seen yet"),
)


def upgrade() -> None:
    op.add_column("notices", sa.Column("cause", sa.Text(), nullable=True, comment=CAUSE))
    op.create_index("ix_notices_cause", "notices", ["site_id", "cause"])
    op.add_column("access_keys", sa.Column("device_id", sa.Text(), nullable=True, comment=DEVICE))
    for name, kind, comment in BROWSER_KEYS:
        op.add_column("access_keys", sa.Column(name, kind, comment=comment))
    op.create_index("ix_access_keys_owner", "access_keys", ["owner_id"])
    op.create_index("ix_access_keys_previous", "access_keys", ["previous_hash"])
    op.create_index("ix_owners_email", "owners", [sa.text("lower(email)")])
    secret = sa.text("INSERT INTO deployment (key, value) VALUES ('sign_in_secret', :secret)")
    op.execute(secret.bindparams(secret=secrets.token_hex(32)))
    vapid = sa.text("INSERT INTO deployment (key, value) VALUES ('vapid_key', :key)")
    op.execute(vapid.bindparams(key=f"{secrets.randbelow(P256_ORDER - 1) + 1:064x}"))
    # The folder of `.eml` files is e-mail, where no server is configured.
    op.execute("UPDATE deliveries SET channel = 'email' WHERE channel = 'outbox'")
    op.execute(
        """UPDATE jobs SET body = replace(body, '"channel":"outbox"', '"channel":"email"') WHERE kind = 'hand_over'"""
    )
    op.create_table(
        "contacts",
        sa.Column("owner_id", sa.Text(), sa.ForeignKey("owners.id", name="fk_contacts_owner_id_owners")),
        sa.Column(
            "id",
            sa.Text(),
            nullable=False,
            comment="a digest of channel and address: the same one is never there twice",
        ),
        sa.Column(
            "channel", sa.Text(), nullable=False, comment="push, webhook or chat; e-mail is the owner's own column"
        ),
        sa.Column(
            "label", sa.Text(), nullable=False, comment="what the owner knows it by: a browser, a car, a service"
        ),
        sa.Column(
            "details", sa.Text(), nullable=False, comment="as JSON, what the channel needs: address, keys, secret"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_because", sa.Text(), comment="removed by the owner, or gone by the provider's word"),
        sa.PrimaryKeyConstraint("owner_id", "id", name="pk_contacts"),
        comment="Where an owner wants to be told beside e-mail and inbox; erased with the owner.",
    )
    op.create_table(
        "channel_health",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("left_alone_until", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_health"),
        comment="A row only while a provider fails: it is left alone for a while and then tried again.",
    )
    op.create_table(
        "preferences",
        sa.Column("owner_id", sa.Text(), sa.ForeignKey("owners.id", name="fk_preferences_owner_id_owners")),
        sa.Column("quiet_from", sa.Integer(), comment="minute of the day in `zone`; none: never quiet"),
        sa.Column("quiet_to", sa.Integer()),
        sa.Column("zone", sa.Text(), comment="IANA zone of the owner's quiet hours"),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name="pk_preferences"),
    )
    op.create_table(
        "mutes",
        sa.Column("owner_id", sa.Text(), sa.ForeignKey("owners.id", name="fk_mutes_owner_id_owners")),
        sa.Column("kind", sa.Text(), nullable=False, comment="a kind of notice"),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "kind", "channel", name="pk_mutes"),
        comment="What an owner does not want to be told on a channel; the inbox keeps everything.",
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.Text(), nullable=False, comment="a hash of what the device's long-lived cookie holds"),
        sa.Column("owner_id", sa.Text(), sa.ForeignKey("owners.id", name="fk_devices_owner_id_owners")),
        sa.Column("label", sa.Text(), nullable=False, comment="browser and system, in a few words"),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", "owner_id", name="pk_devices"),
        comment="Browsers an owner has signed in with: a new one is announced. Erased with the owner.",
    )
    op.create_table(
        "rate_limits",
        sa.Column("name", sa.Text(), nullable=False, comment="what is limited, for whom: keyed hashes, no addresses"),
        sa.Column("window_start", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "window_start", name="pk_rate_limits"),
        comment="Counted here and not in a process's memory: every process shares the limit.",
    )


def downgrade() -> None:
    for table in ("rate_limits", "devices", "mutes", "preferences", "channel_health", "contacts"):
        op.drop_table(table)
    op.execute("DELETE FROM deployment WHERE key IN ('sign_in_secret', 'vapid_key')")
    op.execute("UPDATE deliveries SET channel = 'outbox' WHERE channel = 'email'")
    op.execute(
        """UPDATE jobs SET body = replace(body, '"channel":"email"', '"channel":"outbox"') WHERE kind = 'hand_over'"""
    )
    op.drop_index("ix_owners_email", table_name="owners")
    op.drop_index("ix_access_keys_previous", table_name="access_keys")
    op.drop_index("ix_access_keys_owner", table_name="access_keys")
    for name in ("previous_until", "previous_hash", "rotated_at", "last_used_at", "device_id"):
        op.drop_column("access_keys", name)
    op.drop_index("ix_notices_cause", table_name="notices")
    op.drop_column("notices", "cause")
