"""What every format is read into: rows with their place, person and events, and the faults of rows that have none.

An event's id is derived from its session and its type, so that the same file read twice tells the same events twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sessions.events import FAULTS, EventType, MeterData, SessionEvent

LONGEST_NAME = 100  # of a session: its events' ids add the type to it, and an id holds 128


class UnreadableFile(Exception):
    """The file as a whole cannot be read: what is wrong, and what to change."""


class Row(NamedTuple):
    """One row of a file. `site` none: wherever the station is registered."""

    line: int
    site: str | None
    site_name: str | None
    zone: str | None
    station: str
    owner: str | None
    token: str | None
    events: Sequence[SessionEvent]


class Problem(NamedTuple):
    """What is wrong with the row at `line`, and what to change. `lost`: nothing of it was stored."""

    line: int
    message: str
    lost: bool = True


class Advance(NamedTuple):
    """How far the reading is: `done` of `total`, in the reader's own unit."""

    done: int
    total: int


Reader = Callable[[Path], Iterator[tuple[Row | Problem, Advance]]]


class BadRow(ValueError):
    """The row cannot be used; the message says what to change."""


def session_events(
    *,
    station: str,
    stall: str,
    session: str,
    token: str | None,
    moments: Mapping[EventType, datetime],
    energy_kwh: float | None = None,
    cause: str | None = None,
) -> list[SessionEvent]:
    """The events of one recorded session, in their order. Raises `BadRow`.

    Files seldom hold the start of charging: then it is put at the plug-in or the completion, whichever is earlier.
    """
    if len(session) > LONGEST_NAME:
        raise BadRow(f"the session's name has {len(session)} characters: use at most {LONGEST_NAME}")
    plugged_in = moments[EventType.PLUGGED_IN]
    completed = moments.get(EventType.CHARGE_COMPLETE, plugged_in)
    energy = None if energy_kwh is None else MeterData(energy_wh=round(energy_kwh * 1000, 3))
    told = {EventType.CHARGING_STARTED: min(plugged_in, completed), **moments}
    try:
        return [
            SessionEvent(
                id=f"{session}:{kind.value}",
                station=station,
                stall=stall,
                session=session,
                type=kind,
                at=told[kind],  # type: ignore[arg-type]  # a door takes aware datetimes; the field holds UTC seconds
                token=token if kind is EventType.PLUGGED_IN else None,
                cause=cause if kind in FAULTS else None,
                data=energy if kind is EventType.UNPLUGGED else None,
            )
            for kind in EventType
            if kind in told
        ]
    except ValidationError as fault:
        raise BadRow(sentences(fault.errors(include_url=False, include_input=False))) from None


def sentences(errors: Sequence[ErrorDetails], names: Mapping[str, str] | None = None) -> str:
    """Every fault of a row with its field, in one line; `names` maps a model's field to the file's own."""
    return "; ".join(_sentence(error, names or {}) for error in errors)


def _sentence(error: ErrorDetails, names: Mapping[str, str]) -> str:
    where = ".".join(names.get(str(part), str(part)) for part in error["loc"])
    what = "is missing" if error["type"] == "missing" else _plain(error["msg"])
    return f"{where} {what}".strip()


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").replace("Input should", "must").replace("String should", "must")


def read_text(path: Path) -> str:
    """The file's text. Raises `UnreadableFile`."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UnreadableFile(f"it is not UTF-8 text (byte {fault.start}): save it as UTF-8") from None
    except OSError as fault:
        raise UnreadableFile(str(fault.strerror)) from None
