"""From sessions' keys to what pages show of them: a few queries for any number of sessions, none of which writes."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Text, and_, func, select

from api.pages.live import Stamp
from api.pages.queries.stalls import contacts
from api.pages.running import running_view
from api.pages.views import SessionView, Silence, ended_view
from billing.owners import holdings_of
from billing.rating import report_from_json
from billing.settle import Assessment, Charge, assess, charges_of
from sessions.folding import Folded, fold_sessions
from sessions.sites import sites_by_id
from sessions.statements import keys_of
from sessions.store.queries import SessionKey, snapshots_of
from sessions.store.tables import facts

SILENT_AFTER_INTERVALS = 3  # RULES, "When a fee posts"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session with everything a page may ask; no view where no plug-in was reported."""

    folded: Folded
    assessment: Assessment | None
    charge: Charge | None
    view: SessionView | None


class Sight:
    """The sessions as they are at one moment, each loaded once however many pages ask for it."""

    def __init__(self, connection: Connection, now: int) -> None:
        self.connection, self.now = connection, now
        self._loaded: dict[SessionKey, Loaded] = {}

    def load(self, keys: Collection[SessionKey]) -> dict[SessionKey, Loaded]:
        """What is known of these sessions; running ones projected, settled ones by their stored report."""
        missing = sorted(set(keys) - set(self._loaded))
        if missing:
            self._loaded |= _load(self.connection, missing, self.now)
        return {key: self._loaded[key] for key in keys}

    def views(self, keys: Collection[SessionKey]) -> list[SessionView]:
        """Those that can be shown, in the order asked for."""
        return [one.view for one in self.load(keys).values() if one.view is not None]


def stamps_of_sessions(connection: Connection, keys: Collection[SessionKey]) -> dict[SessionKey, Stamp]:
    """What stands behind each session: its snapshot, the last decision that names it, and whose its token is."""
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("session_id", Text())), keys)
    named = and_(facts.c.site_id == wanted.c.site_id, facts.c.session_id == wanted.c.session_id)
    decided = select(facts.c.site_id, facts.c.session_id, func.max(facts.c.n)).join(wanted, named)
    last = {
        SessionKey(row[0], row[1]): row[2]
        for row in connection.execute(decided.group_by(facts.c.site_id, facts.c.session_id))
    }
    snapshots = {SessionKey(row["site_id"], row["id"]): row for row in snapshots_of(connection, keys)}
    holdings = holdings_of(connection, {row["token_id"] for row in snapshots.values()} - {None})
    return {
        key: hash((tuple(row.values()), last.get(key), tuple(holdings.get(row["token_id"], ()))))
        for key, row in snapshots.items()
    }


def _load(connection: Connection, keys: Collection[SessionKey], now: int) -> dict[SessionKey, Loaded]:
    folded, silent = _projected(connection, keys, now)
    charges = charges_of(connection, list(keys))
    priced = assess(connection, [one for one in folded if not one.closed or one.key not in charges], now)
    running = {one.key: one for one in priced}
    sites = sites_by_id(connection, sorted({key.site_id for key in keys}))
    found: dict[SessionKey, Loaded] = {}
    for one in folded:
        assessment, charge = running.get(one.key), charges.get(one.key)
        view = None
        if assessment is not None:
            view = running_view(assessment, now, silent.get(one.station_id))
        elif charge is not None:
            view = ended_view(one, charge, report_from_json(json.loads(charge.report)), sites[one.key.site_id])
        found[one.key] = Loaded(one, assessment, charge, view)
    return found


def _projected(
    connection: Connection, keys: Collection[SessionKey], now: int
) -> tuple[list[Folded], dict[str, Silence]]:
    """Fold as of `now`, but open sessions of a silent station only as far as its clock was believed."""
    folded = fold_sessions(connection, keys, now, project=True)
    stations = contacts(connection, {one.station_id for one in folded if not one.closed})
    silent: dict[str, Silence] = {}
    for one in folded:
        contact = stations.get(one.station_id)
        if not one.closed and contact is not None and contact.interval_s:
            heard_at = max(contact.heard_at, _last_word(one))
            frozen_at = heard_at + SILENT_AFTER_INTERVALS * contact.interval_s
            if now > frozen_at:
                silent[one.station_id] = Silence(heard_at, frozen_at)
    for station_id, silence in silent.items():
        its = [one.key for one in folded if one.station_id == station_id and not one.closed]
        again = {one.key: one for one in fold_sessions(connection, its, silence.frozen_at, project=True)}
        folded = [again.get(one.key, one) for one in folded]
    return folded, silent


def _last_word(folded: Folded) -> int:
    """When the station last said something about the session, on our clock."""
    return max((judged.event.at for judged in folded.timeline.judged), default=0) + folded.timeline.offset_s
