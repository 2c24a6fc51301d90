"""Are the stored events what the stations sent, and is each id that came with two contents noted as a conflict?"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, except_, func, select

from billing.verify.differences import Code, Difference
from sessions.events import digest_of
from sessions.store.tables import conflicts, events

_ROWS_A_FETCH = 5_000


def altered_events(connection: Connection, progress: Callable[[int], None]) -> Iterator[Difference]:
    """Compute each event's digest again; reads every event once, in no order."""
    statement = select(
        events.c.station_id,
        events.c.id,
        events.c.stall,
        events.c.session_id,
        events.c.type,
        events.c.at,
        events.c.seq,
        events.c.cause,
        events.c.token_id,
        events.c.data,
        events.c.digest,
    )
    result = connection.execute(statement, execution_options={"yield_per": _ROWS_A_FETCH})
    for rows in result.partitions():
        for row in rows:
            if not _as_received(row):
                meaning = (
                    "the stored content is not what was received (its digest differs): the row was changed after it "
                    "was stored; restore it from a backup or from the station's own log"
                )
                yield Difference(Code.EVENT_ALTERED, f"event {row[0]}/{row[1]}", meaning)
        progress(len(rows))


def _as_received(row: Any) -> bool:
    try:
        return digest_of(_content(row)).hex() == str(row.digest)
    except (LookupError, ValueError, AttributeError):
        return False  # what cannot even be read was never stored like this


def _content(row: Any) -> tuple[object, ...]:
    station_id, id_, stall, session_id, kind, at, seq, cause, token_id, data = row[:10]
    session = None if session_id is None else session_id.split("/", 1)[1]
    measured = None if data is None else json.loads(data)
    data = measured if measured is None else tuple(map(measured.get, ("soc_percent", "energy_wh", "power_w")))
    return id_, station_id, stall, session, kind, at, seq, cause, token_id, data


def wrong_conflicts(connection: Connection) -> Iterator[Difference]:
    """Conflicts that are not noted, and notes without a conflict."""
    name = (events.c.site_id, events.c.station_id, events.c.id)
    twice = select(*name).group_by(*name).having(func.count() > 1)
    noted = select(conflicts.c.site_id, conflicts.c.station_id, conflicts.c.event_id)
    for _, station_id, event_id in connection.execute(except_(twice, noted)):
        meaning = "it came with two contents and yet counts: the conflict is not noted, so that one of them is billed"
        yield Difference(Code.CONFLICT_UNNOTED, f"event {station_id}/{event_id}", meaning)
    for _, station_id, event_id in connection.execute(except_(noted, twice)):
        meaning = "it is noted as a conflict and counts for nothing, although it came with one content"
        yield Difference(Code.CONFLICT_UNFOUNDED, f"event {station_id}/{event_id}", meaning)
