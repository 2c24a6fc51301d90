"""When owners are told: the steps of the worker that write notices, and what is still to be said when one goes out.

A notice is written, and is in the inbox, in one transaction with the end of its step; each address it goes to then has
a step of its own (`handing`). Imports and sessions of nobody tell nobody.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from billing.engine import FINALISE_AFTER_S, fee_of
from billing.jobs import Job, Lease, Turn, schedule, session_job
from billing.notices import letters, store
from billing.notices.channels import About, Channel, Outgoing
from billing.notices.handing import Carriers
from billing.notices.kinds import CHARGE_COMPLETE, CORRECTION, FINAL, WHY
from billing.notices.letters import Change, Ending, Letter, Place
from billing.notices.moments import Outlook, outlook_at, restarts_notices, unmoved
from billing.notices.store import Notice, notice_id
from billing.owners import Owner, owner
from billing.rating import FeeReport, rate, report_from_json
from billing.settle import Assessment, Charge, assess, charges_of
from billing.texts import texts
from sessions.folding import SESSION_TIMEOUT_S, Folded, fold_sessions
from sessions.machine import Timeline
from sessions.store.queries import SessionKey, snapshots_before
from sessions.store.tables import sessions, sites


@dataclass(frozen=True, slots=True)
class _Full:
    """A car that stands full, and what its owner should be told of it now."""

    key: SessionKey
    owner: Owner
    since: int
    stall: str | None
    outlook: Outlook
    letter: Letter

    @property
    def notice_id(self) -> str:
        return notice_id(CHARGE_COMPLETE, self.key.id, str(self.since), self.owner.id)


class Notices:
    """The steps, over the channels there are. `link` leads to the owner's pages."""

    def __init__(self, channels: Sequence[Channel], link: str | None = None) -> None:
        self._carriers = Carriers(channels)
        self._link = link

    # -- charge complete ------------------------------------------------------------------------------------

    def charge_complete(self, lease: Lease) -> None:
        """Tell whose car has become full until when it may stay; dropped where it is not full any more."""
        with lease.transaction() as turn:
            full = self._full(turn.connection, [job.session for job in turn.jobs], turn.now)
            told = store.known(turn.connection, {key.site_id for key in full}, [one.notice_id for one in full.values()])
            new = [one for one in full.values() if one.notice_id not in told]
            notices = [_notice(turn, one.key, one.notice_id, one.owner, CHARGE_COMPLETE, one.letter) for one in new]
            self._tell(turn, [(one.owner, notice) for one, notice in zip(new, notices, strict=True)])

    def _full(self, connection: Connection, keys: Collection[SessionKey], now: int) -> dict[SessionKey, _Full]:
        """Those of the sessions whose cars stand full at this moment and whose owners are to be told of it."""
        snapshots = snapshots_before(connection, keys)
        standing = [key for key, one in snapshots.items() if one.full_since is not None and not one.closed]
        folded = {one.key: one for one in fold_sessions(connection, standing, now) if one.superseded_at is None}
        ahead = [_never_moved(one) for one in folded.values() if not one.closed]
        full: dict[SessionKey, _Full] = {}
        for one in assess(connection, ahead, now):
            car = one.folded.timeline.car
            if one.owner_id is None or not restarts_notices(car, one.tariff.grace.min_resume_s):
                continue
            to = owner(connection, one.owner_id)
            heard = folded[one.key].timeline
            outlook = self._outlook(connection, one, heard, to, now)
            place = Place(one.site.name, heard.stall, one.site.tz)
            letter = letters.charge_complete(texts(to.language), place, outlook, now, self._link)
            full[one.key] = _Full(one.key, to, car[-1].start, heard.stall, outlook, letter)
        return full

    def _outlook(self, connection: Connection, ahead: Assessment, heard: Timeline, to: Owner, now: int) -> Outlook:
        context, tariff = ahead.context, ahead.tariff
        if context.notice_accepted_at is None and self._carriers.reach(connection, to):
            # Time counts from the moment a channel accepts this very notice, and that is about to be now.
            context = replace(context, notice_accepted_at=now)
        so_far = unmoved(heard, _session(ahead.key), now - heard.offset_s)
        bill_so_far, bill_ahead = (rate(timeline, tariff, context) for timeline in (so_far, ahead.folded.timeline))
        return outlook_at(bill_so_far, bill_ahead, tariff, now)

    # -- final ----------------------------------------------------------------------------------------------

    def final(self, lease: Lease) -> None:
        """Tell how sessions came out; their finality counts from here. Dropped where the session goes on after all."""
        with lease.transaction() as turn:
            keys = [job.session for job in turn.jobs]
            snapshots = snapshots_before(turn.connection, keys)
            charges = charges_of(turn.connection, [key for key, one in snapshots.items() if one.closed])
            ids = {key: notice_id(FINAL, key.id, one.owner_id or "") for key, one in charges.items()}
            told = store.known(turn.connection, {key.site_id for key in ids}, ids.values())
            new = {key: one for key, one in charges.items() if one.owner_id is not None and ids[key] not in told}
            places = _places(turn.connection, new)
            self._tell(turn, [self._final(turn, one, ids[key], places[key]) for key, one in new.items()])
            later = turn.now + FINALISE_AFTER_S
            schedule(turn.connection, [session_job("finalise", key, later) for key in charges], turn.now)

    def _final(self, turn: Turn, charge: Charge, id_: str, place: Place) -> tuple[Owner, Notice]:
        to = owner(turn.connection, str(charge.owner_id))
        ending = Ending(_report(charge), charge.fee_minor, charge.allowed_minor, bool(charge.held))
        letter = letters.final(texts(to.language), place, ending, self._link)
        return to, _notice(turn, charge.key, id_, to, FINAL, letter, charge.fee_minor)

    # -- correction -----------------------------------------------------------------------------------------

    def correction(self, lease: Lease) -> None:
        """Tell of fees that are not what the owner was last told: one notice a cause and owner, however many sessions.

        Where several causes moved one fee, the latest tells of it.
        """
        with lease.transaction() as turn:
            complete: list[list[Job]] = []
            for group in turn.groups():
                complete_at = max(job.due_at for job in group)
                if complete_at <= turn.now:
                    complete.append(group)
                    continue
                for job in group:
                    turn.postpone(job, complete_at)
            earliest = sorted((job for group in complete for job in group), key=lambda job: (job.due_at, job.key))
            before_minor = {(job.body["owner_id"], job.session): job.body["before_minor"] for job in reversed(earliest)}
            for group in sorted(complete, key=lambda jobs: max(job.due_at for job in jobs), reverse=True):
                self._correct(turn, group, before_minor)

    def _correct(self, turn: Turn, group: Sequence[Job], before_minor: Mapping[tuple[str, SessionKey], int]) -> None:
        """`before_minor` is what stood on an owner's account for a session of which they were never told."""
        to, keys = owner(turn.connection, group[0].body["owner_id"]), sorted({job.session for job in group})
        told = store.last_told(turn.connection, to.id, keys)
        places = _places(turn.connection, keys)
        changes: dict[SessionKey, Change] = {}
        for key, charge in sorted(charges_of(turn.connection, keys).items()):
            was, is_now = told.get(key, before_minor[to.id, key]), fee_of(charge, to.id)
            if was != is_now:
                changes[key] = Change(places[key], _begun_at(charge), charge.currency, was, is_now)
        if not changes:
            return
        reason = group[0].body["reason"]
        letter = letters.correction(texts(to.language), list(changes.values()), reason, self._link)
        notice = _notice(turn, min(changes), notice_id(CORRECTION, group[0].key), to, CORRECTION, letter)
        fees = {key.id: change.is_minor for key, change in changes.items()}
        cause = group[0].body.get("cause")  # a step that waited through an upgrade names none
        self._tell(turn, [(to, replace(notice, reason=reason, cause=cause, fees_minor=fees))])

    # -- out of the house -----------------------------------------------------------------------------------

    def _tell(self, turn: Turn, told: Sequence[tuple[Owner, Notice]]) -> None:
        """Put the notices into the inbox, and on their way to whatever else their owners read."""
        store.write(turn.connection, [notice for _, notice in told])
        self._carriers.schedule(turn, told)

    def hand_over(self, lease: Lease) -> None:
        """Hand one notice to one address, in the words that are true now."""
        self._carriers.hand_over(lease, self._outgoing)

    def _outgoing(self, connection: Connection, job: Job, now: int) -> Outgoing | None:
        """The notice as it should go out now, or none where nobody should be told of it any more."""
        key, notice = job.session, store.notice(connection, job.body["site_id"], job.body["notice_id"])
        to, about = owner(connection, notice.owner_id), About(key.site_id, notice.fees_minor)
        if notice.kind == CHARGE_COMPLETE:
            full = self._full(connection, [key], now).get(key)
            if full is None or full.notice_id != notice.id:
                return None
            about = replace(about, stall=full.stall, currency=full.outlook.currency, outlook=full.outlook)
            return Outgoing(notice.id, notice.kind, to, full.letter.subject, full.letter.body, now, about)
        if notice.kind == FINAL and not snapshots_before(connection, [key])[key].closed:
            return None
        charge, place = charges_of(connection, [key]).get(key), _places(connection, [key])[key]
        about = replace(about, stall=place.stall, currency=None if charge is None else charge.currency)
        return Outgoing(notice.id, notice.kind, to, notice.subject, notice.body, notice.created_at, about)


def _never_moved(one: Folded) -> Folded:
    """The session of a car that stays until silence ends it: as far ahead as anybody can tell."""
    until = (one.timeline.until or 0) + SESSION_TIMEOUT_S - 1
    return replace(one, timeline=unmoved(one.timeline, _session(one.key), until))


def _session(key: SessionKey) -> str:
    """The station's own name for it."""
    return key.id.partition("/")[2]


def _notice(
    turn: Turn, key: SessionKey, id_: str, to: Owner, kind: str, letter: Letter, fee_minor: int | None = None
) -> Notice:
    return Notice(
        site_id=key.site_id,
        id=id_,
        owner_id=to.id,
        kind=kind,
        reason=WHY[kind],
        subject=letter.subject,
        body=letter.body,
        created_at=turn.now,
        fees_minor={key.id: fee_minor},
    )


def _places(connection: Connection, keys: Collection[SessionKey]) -> dict[SessionKey, Place]:
    """Where each session's car stood."""
    statement = (
        select(sessions.c.site_id, sessions.c.id, sessions.c.stall, sites.c.name, sites.c.zone)
        .join(sites, sites.c.id == sessions.c.site_id)
        .where(
            sessions.c.site_id.in_(sorted({key.site_id for key in keys})),
            sessions.c.id.in_(sorted({key.id for key in keys})),
        )
    )
    return {
        SessionKey(site_id, session_id): Place(name, stall, ZoneInfo(zone))
        for site_id, session_id, stall, name, zone in connection.execute(statement)
    }


def _report(charge: Charge) -> FeeReport:
    return report_from_json(json.loads(charge.report))


def _begun_at(charge: Charge) -> int:
    """The plug-in, on our clock."""
    report = _report(charge)
    return (report.plugged_in_at or 0) + report.offset_s
