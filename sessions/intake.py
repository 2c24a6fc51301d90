"""The one way in for station events: deduplicate, store, fold, persist, tell the listeners; all in the caller's
transaction.

`record` is what a transaction does; `Intake` (in `sessions/writer.py`) decides who shares one. Nothing here knows
money: the listeners do.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from sessions.events import MAX_AHEAD_S, Event, SessionEvent, content_digest
from sessions.folding import Folded, refold
from sessions.statements import bulk_insert, kept_json
from sessions.store import queries
from sessions.store.queries import FAULT_TYPES, Before, SessionKey
from sessions.store.tables import conflicts, deployment, stalls, tokens


class Status(StrEnum):
    """What became of one event of an upload (DESIGN, "The doors")."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class EventResult(NamedTuple):
    """The answer for one event: a stable `code`, a sentence, and whether sending it again can help."""

    id: str | None
    status: Status
    code: str
    message: str
    retry: bool


@dataclass(frozen=True, slots=True)
class Upload:
    """Events that came through one door in one request."""

    events: Sequence[SessionEvent]
    author: str
    station_id: str | None = None  # the only station its key may speak for; none: any
    imported: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """What one transaction did to sessions, as the listeners are told."""

    folded: Sequence[Folded]
    before: Mapping[SessionKey, Before]  # the snapshots of those that had one
    live: frozenset[SessionKey]  # those with a new event that was not imported: people may be told
    sites_with_new_stalls: frozenset[str]  # no site with one is missing here
    now: int


Listener = Callable[[Connection, Changes], None]

ACCEPTED = (Status.ACCEPTED, "accepted", "stored", False)
DUPLICATE = (Status.DUPLICATE, "duplicate", "already stored, nothing changed", False)
CONFLICT = (
    Status.CONFLICT,
    "id_conflict",
    "this id came with two different contents: neither is used, the session goes to review",
    False,
)


class _New(NamedTuple):
    """One event of the batch on its way to a row."""

    site_id: str
    event: SessionEvent
    digest: str
    token_id: str | None
    upload: Upload
    session: SessionKey | None
    conflicts: bool  # its id is known with another content


class TokenNames:
    """Surrogate ids for tokens: keyed hashes, so that facts can name a token that the erasable table no longer
    knows.
    """

    def __init__(self, pepper: str) -> None:
        self._key = bytes.fromhex(pepper)

    @classmethod
    def load(cls, connection: Connection) -> "TokenNames":
        return cls(
            connection.execute(select(deployment.c.value).where(deployment.c.key == "token_pepper")).scalar_one()
        )

    def surrogate(self, uid: str) -> str:
        return hashlib.blake2b(uid.encode(), key=self._key, digest_size=12).hexdigest()


def record(
    connection: Connection,
    uploads: Sequence[Upload],
    now: int,
    names: TokenNames,
    listeners: Sequence[Listener],
) -> list[list[EventResult]]:
    """Take the uploads in, in the caller's transaction; one result an event, in the uploads' order.

    After the caller's commit every accepted event is durable, its sessions folded and the listeners' work done with it.
    """
    speaking = {event.station for upload in uploads for event in upload.events}
    site_of = queries.lock_stations(connection, speaking)
    results, new = _sort_out(connection, uploads, site_of, now, names)
    if new:
        any_stall_new = _register(connection, new, now)
        stored = _store(connection, new, now)
        folded, before = refold(connection, _touched(connection, new, now), now, stored)
        live = frozenset(one.session for one in new if one.session is not None and not one.upload.imported)
        site_ids = frozenset(one.site_id for one in new)
        for listener in listeners:
            listener(connection, Changes(folded, before, live, site_ids if any_stall_new else frozenset(), now))
    return results


def _sort_out(
    connection: Connection, uploads: Sequence[Upload], site_of: dict[str, str], now: int, names: TokenNames
) -> tuple[list[list[EventResult]], list[_New]]:
    """Decide each event's result against what is stored and what came earlier in the same batch."""
    wanted = {
        (site_of[event.station], event.station, event.id)
        for upload in uploads
        for event in upload.events
        if event.station in site_of
    }
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in queries.contents_of(connection, sorted(wanted)):
        known[row.station_id, row.id].add(row.digest)
    results: list[list[EventResult]] = []
    new: list[_New] = []
    for upload in uploads:
        answers: list[EventResult] = []
        for event in upload.events:
            refusal = _refusal(event, upload, site_of, now)
            if refusal is not None:
                answers.append(refusal)
                continue
            token_id = None if event.token is None else names.surrogate(event.token)
            digest = content_digest(event, token_id).hex()
            contents = known[event.station, event.id]
            if digest not in contents:
                site_id = site_of[event.station]
                key = None if event.session is None else SessionKey(site_id, f"{event.station}/{event.session}")
                new.append(_New(site_id, event, digest, token_id, upload, key, bool(contents)))
                contents.add(digest)
                answers.append(EventResult(event.id, *(ACCEPTED if len(contents) == 1 else CONFLICT)))
            else:
                answers.append(EventResult(event.id, *(DUPLICATE if len(contents) == 1 else CONFLICT)))
        results.append(answers)
    return results, new


def _refusal(event: SessionEvent, upload: Upload, site_of: dict[str, str], now: int) -> EventResult | None:
    """Why a well-formed event cannot be stored: its station or its time is wrong by itself."""
    if upload.station_id is not None and event.station != upload.station_id:
        message = f"this key speaks for station {upload.station_id}; send {event.station}'s events with its own key"
        return EventResult(event.id, Status.REJECTED, "wrong_station", message, False)
    if event.station not in site_of:
        add = f"idlefee station add {event.station} --site SITE"
        message = f"no station {event.station} is registered: `{add}`, then send again"
        return EventResult(event.id, Status.REJECTED, "unknown_station", message, True)
    latest = max(event.at, event.sent_at or 0)
    if latest > now + MAX_AHEAD_S:
        message = "the time is more than a day ahead of ours: set the station's clock, then send it with its true time"
        return EventResult(event.id, Status.REJECTED, "time_ahead", message, False)
    return None


def _store(connection: Connection, new: Sequence[_New], now: int) -> dict[SessionKey, list[Event]]:
    """Insert the batch's rows; answers them as the fold sees them, by the session they name."""
    rows = []
    by_session: dict[SessionKey, list[Event]] = defaultdict(list)
    for one in new:
        event = one.event
        offset_s = None if one.upload.imported else event.live_offset_s(now)
        if one.session is not None:
            by_session[one.session].append(_as_folded(one, offset_s))
        rows.append(
            (
                one.site_id,
                event.station,
                event.id,
                one.digest,
                event.stall,
                one.session and one.session.id,
                event.type.value,
                event.at,
                event.seq,
                event.cause,
                one.token_id,
                None if event.data is None else kept_json(event.data.model_dump(exclude_none=True)),
                offset_s,
                now,
                one.upload.author,
            )
        )
    queries.insert_events(connection, rows)
    return by_session


def _as_folded(one: _New, offset_s: int | None) -> Event:
    told = one.event
    return Event(
        told.at,
        told.seq,
        told.type,
        told.id,
        told.stall,
        told.session,
        told.cause,
        one.token_id,
        offset_s,
        bytes.fromhex(one.digest),
    )


def _register(connection: Connection, new: Sequence[_New], now: int) -> bool:
    """Stalls and tokens exist from the first message that names them; answers whether a stall was new."""
    named_stalls = sorted({(o.site_id, o.event.station, o.event.stall) for o in new if o.event.stall is not None})
    stalls_new = bulk_insert(
        connection,
        stalls,
        ("site_id", "station_id", "stall", "created_at"),
        [(*stall, now) for stall in named_stalls],
    )
    named_tokens = sorted({(o.token_id, o.event.token) for o in new if o.token_id is not None})
    bulk_insert(connection, tokens, ("id", "uid", "created_at"), [(*token, now) for token in named_tokens])
    return stalls_new > 0


Where = tuple[str, str, str | None]  # site, station, stall (none: the whole station)


class _Reach:
    """Collects what a batch may have changed: sessions by name, and stretches of time at stalls and stations."""

    def __init__(self) -> None:
        self.sessions: set[SessionKey] = set()
        self.heard: dict[Where, tuple[int, int]] = {}
        self.faults: dict[Where, int] = {}

    def add(self, where: Where, session: SessionKey | None, kind: str, at: int) -> None:
        first, last = self.heard.get(where, (at, at))
        self.heard[where] = (min(first, at), max(last, at))
        if session is not None:
            self.sessions.add(session)
        if kind in FAULT_TYPES:
            self.faults[where] = min(self.faults.get(where, at), at)

    def add_stored(self, rows: Sequence[Any]) -> None:
        for row in rows:
            session = None if row.session_id is None else SessionKey(row.site_id, row.session_id)
            self.add((row.site_id, row.station_id, row.stall), session, row.type, row.at)

    def touched(self, connection: Connection) -> set[SessionKey]:
        touched = self.sessions | queries.open_sessions_touched(connection, self.heard)
        return touched | queries.sessions_after(connection, self.faults) if self.faults else touched


def _touched(connection: Connection, new: Sequence[_New], now: int) -> set[SessionKey]:
    reach = _Reach()
    for one in new:
        event = one.event
        reach.add((one.site_id, event.station, event.stall), one.session, event.type.value, event.at)
    twice = sorted({(one.site_id, one.event.station, one.event.id) for one in new if one.conflicts})
    if twice:
        bulk_insert(
            connection,
            conflicts,
            ("site_id", "station_id", "event_id", "recorded_at"),
            [(*name, now) for name in twice],
        )
        reach.add_stored(queries.contents_of(connection, twice))
    return reach.touched(connection)


def touched_by_event(connection: Connection, site_id: str, station_id: str, event_id: str) -> set[SessionKey]:
    """Every session that changes when the event under this id no longer counts."""
    reach = _Reach()
    reach.add_stored(queries.contents_of(connection, [(site_id, station_id, event_id)]))
    return reach.touched(connection) if reach.heard else set()
