"""The machine's two regions as tables. Everything that decides what an event does to a session is in here.

Theory of operation. A session is two things at once: what the **car** does and whether the **station** is
fit. Each region is a table from (state, event) to the next state; no code elsewhere asks what state it is
in. An event without an entry is not an error: stations repeat themselves, and messages get lost. It is kept,
marked with the reason that `IGNORED` gives it, and changes nothing.

The plug-in is no transition. It says from when on the car's state counts: what the station reported before
it folds like all else, and the state that it leaves holds from the plug-in.
"""

from enum import StrEnum

from sessions.events import EventType

_E = EventType


class Car(StrEnum):
    """What the car does, from its plug-in on."""

    CONNECTED = "connected"
    CHARGING = "charging"
    COMPLETE = "complete"
    ENDED = "ended"


class Station(StrEnum):
    """What one cause makes of the station. The station is excused while any cause is."""

    FIT = "fit"
    EXCUSED = "excused"


CAR: dict[tuple[Car, EventType], Car] = {
    (Car.CONNECTED, _E.CHARGING_STARTED): Car.CHARGING,
    (Car.CONNECTED, _E.CHARGING_RESUMED): Car.CHARGING,
    (Car.CONNECTED, _E.UNPLUGGED): Car.ENDED,
    (Car.CHARGING, _E.CHARGE_COMPLETE): Car.COMPLETE,
    (Car.CHARGING, _E.UNPLUGGED): Car.ENDED,
    (Car.COMPLETE, _E.CHARGING_STARTED): Car.CHARGING,
    (Car.COMPLETE, _E.CHARGING_RESUMED): Car.CHARGING,
    (Car.COMPLETE, _E.UNPLUGGED): Car.ENDED,
}

STATION: dict[tuple[Station, EventType], Station] = {
    (Station.FIT, _E.STATION_FAULT): Station.EXCUSED,
    (Station.EXCUSED, _E.STATION_RESTORED): Station.FIT,
}

# Why an event without an entry above means nothing where it falls.
IGNORED: dict[tuple[Car | Station, EventType], str] = {
    (Car.CONNECTED, _E.PLUGGED_IN): "second_plug_in",
    (Car.CHARGING, _E.PLUGGED_IN): "second_plug_in",
    (Car.COMPLETE, _E.PLUGGED_IN): "second_plug_in",
    (Car.CONNECTED, _E.CHARGE_COMPLETE): "before_energy",
    (Car.COMPLETE, _E.CHARGE_COMPLETE): "second_completion",
    (Car.CHARGING, _E.CHARGING_STARTED): "already_charging",
    (Car.CHARGING, _E.CHARGING_RESUMED): "already_charging",
    **{(Car.ENDED, kind): "after_unplug" for kind in EventType},
    (Station.EXCUSED, _E.STATION_FAULT): "already_open",
    (Station.FIT, _E.STATION_RESTORED): "nothing_open",
}
