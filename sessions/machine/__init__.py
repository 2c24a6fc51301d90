"""The machine: `tables` (what an event does) and `timeline` (the pure fold of a session's facts)."""

from sessions.machine.tables import CAR, IGNORED, STATION, Car, Station
from sessions.machine.timeline import Judged, Span, Timeline, fold

__all__ = ["CAR", "IGNORED", "STATION", "Car", "Judged", "Span", "Station", "Timeline", "fold"]
