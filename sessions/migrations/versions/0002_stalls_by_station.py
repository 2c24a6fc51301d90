"""The index of a stall's events begins with the station.

With the site before it, it looked as good as the key for finding an event by its id while the table was new and
nobody had counted it; that search then read all the events of a station for each one uploaded.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("ix_events_stall", table_name="events")
    op.create_index("ix_events_stall", "events", ["station_id", "stall", "at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_events_stall", table_name="events")
    op.create_index("ix_events_stall", "events", ["site_id", "station_id", "stall", "at"], unique=False)
