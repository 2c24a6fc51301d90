"""CSV: a header, then one recorded session a row. `docs/examples/site-day.csv` is a sample.

Needed are `site`, `station`, `stall`, `session` and `plugged_in`; the other columns may be left out or left empty.
Moments name their UTC offset. A row may hold one fault of its stall: `fault` names its cause, `fault_from` and
`fault_to` bound it. A session with an owner and no token has a token of the owner's name.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from api.imports.rows import Advance, BadRow, Problem, Row, UnreadableFile, sentences, session_events
from sessions.events import EventType, utc_seconds


def _moment(stamp: object) -> datetime:
    return datetime.fromtimestamp(utc_seconds(stamp), UTC)


_Moment = Annotated[datetime, PlainValidator(_moment)]


class _Session(BaseModel):
    """One row; its fields are the columns. Empty cells never reach it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    site: str
    zone: str | None = None
    station: str
    stall: str
    session: str
    owner: str | None = Field(None, max_length=64)
    token: str | None = None
    plugged_in: _Moment
    charging_started: _Moment | None = None
    charge_complete: _Moment | None = None
    unplugged: _Moment | None = None
    energy_kwh: float | None = Field(None, ge=0)
    fault: str | None = None
    fault_from: _Moment | None = None
    fault_to: _Moment | None = None

    @model_validator(mode="after")
    def _fault_is_whole(self) -> Self:
        if (self.fault is None) != (self.fault_from is None) or (self.fault_to and not self.fault_from):
            raise ValueError("fault and fault_from belong together: fill in both, or neither")
        return self


_COLUMNS = tuple(_Session.model_fields)
_NEEDED = tuple(name for name, field in _Session.model_fields.items() if field.is_required())


def read(path: Path) -> Iterator[tuple[Row | Problem, Advance]]:
    """The rows of the table in their order. Raises `UnreadableFile`."""
    try:
        total = path.stat().st_size
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _rows(file, total)
    except UnicodeDecodeError as fault:
        raise UnreadableFile(f"it is not UTF-8 text ({fault.reason}): save it as UTF-8") from None
    except OSError as fault:
        raise UnreadableFile(str(fault.strerror)) from None


def _rows(file: Iterable[str], total: int) -> Iterator[tuple[Row | Problem, Advance]]:
    table = csv.reader(file, strict=True)
    try:
        header = _header(next(table, []))
        done = 0
        for cells in table:
            done += sum(map(len, cells)) + len(cells)
            if any(cell.strip() for cell in cells):
                yield _row(table.line_num, header, cells), Advance(min(done, total), total)
    except csv.Error as fault:
        raise UnreadableFile(f"line {table.line_num} is no CSV: {fault}") from None


def _header(cells: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    if unknown := [name for name in header if name not in _COLUMNS]:
        raise UnreadableFile(f"column {unknown[0]!r} is unknown: name the columns from {', '.join(_COLUMNS)}")
    if missing := [name for name in _NEEDED if name not in header]:
        raise UnreadableFile(f"column {missing[0]!r} is missing: its first line must name {', '.join(_NEEDED)}")
    if len(set(header)) < len(header):
        raise UnreadableFile("a column is named twice: name each once")
    return header


def _row(line: int, header: Sequence[str], cells: Sequence[str]) -> Row | Problem:
    if len(cells) != len(header):
        return Problem(line, f"{len(cells)} cells where the header names {len(header)} columns")
    filled = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
    try:
        return _as_row(line, _Session.model_validate(filled))
    except ValidationError as fault:
        return Problem(line, sentences(fault.errors(include_url=False, include_input=False)))
    except BadRow as fault:
        return Problem(line, str(fault))


def _as_row(line: int, session: _Session) -> Row:
    token = session.token or session.owner
    moments = {
        EventType.PLUGGED_IN: session.plugged_in,
        EventType.CHARGING_STARTED: session.charging_started,
        EventType.CHARGE_COMPLETE: session.charge_complete,
        EventType.STATION_FAULT: session.fault_from,
        EventType.STATION_RESTORED: session.fault_to,
        EventType.UNPLUGGED: session.unplugged,
    }
    events = session_events(
        station=session.station,
        stall=session.stall,
        session=session.session,
        token=token,
        moments={kind: moment for kind, moment in moments.items() if moment is not None},
        energy_kwh=session.energy_kwh,
        cause=session.fault,
    )
    return Row(line, session.site, None, session.zone, session.station, session.owner, token, events)
