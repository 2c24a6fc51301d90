"""What stations say: `vocabulary` (words and their order), `wire` (their form), `upload` (reading many)."""

from sessions.events.upload import MAX_EVENTS, EventFault, UnusableUpload, parse_batch
from sessions.events.vocabulary import FAULTS, Event, EventType, in_order
from sessions.events.wire import (
    EARLIEST_S,
    MAX_AHEAD_S,
    MeterData,
    SessionEvent,
    absurd,
    content_digest,
    digest_of,
    json_schema,
    rfc3339,
    utc_seconds,
)

__all__ = [
    "EARLIEST_S",
    "FAULTS",
    "MAX_AHEAD_S",
    "MAX_EVENTS",
    "Event",
    "EventFault",
    "EventType",
    "MeterData",
    "SessionEvent",
    "UnusableUpload",
    "absurd",
    "content_digest",
    "digest_of",
    "in_order",
    "json_schema",
    "parse_batch",
    "rfc3339",
    "utc_seconds",
]
