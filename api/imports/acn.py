"""ACN-Data, as the charging networks of Caltech and JPL publish their sessions: one JSON document with `_items`.

`connectionTime` is the plug-in, `doneChargingTime` the completion (null where the station told none), `disconnectTime`
the unplug. `userID` names the owner and the token; null means that nobody claimed the session.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from api.imports.rows import Advance, BadRow, Problem, Row, UnreadableFile, read_text, sentences, session_events
from sessions.events import EventType

_HTTP_DATE = re.compile(r"\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


def _moment(stamp: object) -> datetime:
    found = _HTTP_DATE.fullmatch(stamp) if isinstance(stamp, str) else None
    if found is None or found[2] not in _MONTHS:
        raise ValueError("must be a moment such as Wed, 01 Jan 2020 18:10:34 GMT")
    day, month, year, hour, minute, second = found.groups()
    return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)


_Moment = Annotated[datetime, PlainValidator(_moment)]


class _Session(BaseModel):
    """One of `_items`; what is not needed (`userInputs`, `clusterID`) is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    session: str = Field(alias="sessionID", min_length=1)
    site: str = Field(alias="siteID", min_length=1)
    station: str = Field(alias="stationID", min_length=1)
    stall: str = Field(alias="spaceID", min_length=1)
    zone: str | None = Field(None, alias="timezone")
    user: str | None = Field(None, alias="userID", min_length=1, max_length=64)
    plugged_in: _Moment = Field(alias="connectionTime")
    completed: _Moment | None = Field(None, alias="doneChargingTime")
    unplugged: _Moment | None = Field(None, alias="disconnectTime")
    energy_kwh: float | None = Field(None, alias="kWhDelivered", ge=0)


_SESSIONS = TypeAdapter(list[_Session])


def read(path: Path) -> Iterator[tuple[Row | Problem, Advance]]:
    """The sessions of the document in its order. Raises `UnreadableFile`."""
    text = read_text(path)
    items, site_name = _items(text)
    try:
        read_at_once: list[_Session | None] = list(_SESSIONS.validate_python(items))
    except ValidationError:
        read_at_once = [None] * len(items)
    for number, (line, item, session) in enumerate(zip(_lines(text, len(items)), items, read_at_once, strict=True)):
        try:
            row: Row | Problem = _row(line, session or _Session.model_validate(item), site_name)
        except ValidationError as fault:
            row = Problem(line, sentences(fault.errors(include_url=False, include_input=False)))
        except BadRow as fault:
            row = Problem(line, str(fault))
        yield row, Advance(number + 1, len(items))


def _items(text: str) -> tuple[list[Any], str | None]:
    try:
        document = json.loads(text)
    except ValueError as fault:
        raise UnreadableFile(f"it is not JSON: {fault}") from None
    except RecursionError:
        raise UnreadableFile("it is nested too deeply to be ACN data") from None
    items = document.get("_items") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise UnreadableFile("it is no ACN document: that has its sessions in a list named _items")
    meta = document.get("_meta") if isinstance(document, dict) else None
    name = meta.get("site") if isinstance(meta, dict) else None
    return items, name if isinstance(name, str) and name.isprintable() and name else None


def _lines(text: str, count: int) -> Iterator[int]:
    """The line on which each item of the list begins."""
    if not count:
        return
    decoder = json.JSONDecoder()
    at = _past_space(text, text.index("[", max(text.find('"_items"'), 0)) + 1)
    line = 1 + text.count("\n", 0, at)
    for left in reversed(range(count)):
        yield line
        if left:
            end = decoder.raw_decode(text, at)[1]
            begin = _past_space(text, text.index(",", end) + 1)
            line += text.count("\n", at, begin)
            at = begin


def _past_space(text: str, at: int) -> int:
    while text[at].isspace():
        at += 1
    return at


def _row(line: int, session: _Session, site_name: str | None) -> Row:
    moments = {
        EventType.PLUGGED_IN: session.plugged_in,
        EventType.CHARGE_COMPLETE: session.completed,
        EventType.UNPLUGGED: session.unplugged,
    }
    events = session_events(
        station=session.station,
        stall=session.stall,
        session=session.session,
        token=session.user,
        moments={kind: moment for kind, moment in moments.items() if moment is not None},
        energy_kwh=session.energy_kwh,
    )
    return Row(line, session.site, site_name, session.zone, session.station, session.user, session.user, events)
