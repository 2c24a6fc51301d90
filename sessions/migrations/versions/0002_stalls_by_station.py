"""The index of a stall's events begins with the station.

With the site before it, it looked as good as the key for finding an event by its id while the table was new and
nobody had counted it; that search then read all the events of a station for each one uploaded. What was said of a
whole station is little and asked for often: it has an index of its own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("ix_events_stall", table_name="events")
    op.create_index("ix_events_stall", "events", ["station_id", "stall", "at"], unique=False)
    station_wide = sa.text("stall IS NULL")
    op.create_index(
        "ix_events_station_wide",
        "events",
        ["station_id", "at"],
        unique=False,
        postgresql_where=station_wide,
        sqlite_where=station_wide,
    )


def downgrade() -> None:
    op.drop_index("ix_events_station_wide", table_name="events")
    op.drop_index("ix_events_stall", table_name="events")
    op.create_index("ix_events_stall", "events", ["site_id", "station_id", "stall", "at"], unique=False)
