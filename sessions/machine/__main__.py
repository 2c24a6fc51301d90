"""Draws the tables: `python -m sessions.machine > docs/session-states.md`. Nobody edits that page by hand."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import TypeVar

from sessions.events import EventType
from sessions.machine.tables import CAR, IGNORED, STATION, Car, Station

_State = TypeVar("_State", Car, Station)

HEAD = """\
# Session states

Drawn from the tables in `sessions/machine/tables.py` by `python -m sessions.machine`; a test compares this
page with them. A session is in both regions at once.
"""

CAR_TEXT = """
## The car

The plug-in begins the session. What the station reported before it is read in the same way, and the state
that it leaves holds from the plug-in.
"""

STATION_TEXT = """
## The station

One such machine for each cause, and a cause is a scope (the stall, or the whole station) with a name. The
session is excused while any cause is open.
"""

IGNORED_TEXT = """
## What means nothing where it falls

Such an event is kept, marked with its reason, and changes nothing. `meter` is evidence in every state before
the end and changes none. Apart from any state: an unplug before the plug-in (`before_plug_in`), a fault of
another stall (`other_stall`), an event of another session (`other_session`), one id with two contents
(`conflict`), and what an operator voided (`voided`).

| state | event | reason |
| --- | --- | --- |
"""


def _arrows(table: Mapping[tuple[_State, EventType], _State]) -> Iterator[str]:
    for ends, entries in groupby(table.items(), key=lambda entry: (entry[0][0], entry[1])):
        yield f"    {ends[0]} --> {ends[1]}: {', '.join(kind for (_, kind), _ in entries)}"


def _diagram(first: str, table: Mapping[tuple[_State, EventType], _State], last: Iterable[str]) -> str:
    return "\n".join(["", "```mermaid", "stateDiagram-v2", first, *_arrows(table), *last, "```", ""])


def _ignored_rows() -> Iterator[str]:
    for (state, reason), entries in groupby(IGNORED.items(), key=lambda entry: (entry[0][0], entry[1])):
        kinds = [kind for (_, kind), _ in entries]
        named = "every event" if len(kinds) == len(EventType) else ", ".join(f"`{kind}`" for kind in kinds)
        yield f"| {state} | {named} | `{reason}` |\n"


def page() -> str:
    """The whole page, as docs/session-states.md holds it."""
    car = _diagram(f"    [*] --> {Car.CONNECTED}: {EventType.PLUGGED_IN}", CAR, [f"    {Car.ENDED} --> [*]"])
    station = _diagram(f"    [*] --> {Station.FIT}", STATION, [])
    return HEAD + CAR_TEXT + car + STATION_TEXT + station + IGNORED_TEXT + "".join(_ignored_rows())


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
