"""When owners are told: the steps of the worker that write notices, drop overtaken ones and hand them to channels.

A notice is written, and is in the inbox, in one transaction with the end of its step; each channel then has a step of
its own, so that a slow one holds no lock and a broken one delays no other. Imports and sessions of nobody tell nobody.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from billing.engine import FINALISE_AFTER_S, Cause, fee_of, resettle
from billing.jobs import Job, Lease, Turn, schedule, session_job
from billing.notices import letters, store
from billing.notices.channels import Channel, Outgoing
from billing.notices.kinds import CHARGE_COMPLETE, CORRECTION, FINAL, WHY
from billing.notices.letters import Change, Ending, Letter, Place
from billing.notices.moments import outlook_at, restarts_notices, unmoved
from billing.notices.preferences import channels_for, preferences_by_owner
from billing.notices.store import Notice, notice_id
from billing.notices.texts import texts
from billing.owners import Owner, owner
from billing.rating import FeeReport, rate, report_from_json
from billing.settle import Assessment, Charge, assess, charges_of
from billing.timers import lock_sessions
from sessions.database import reading
from sessions.facts import Fact, Kind, record_facts
from sessions.folding import SESSION_TIMEOUT_S, Folded, fold_sessions
from sessions.machine import Timeline
from sessions.store.queries import SessionKey, snapshots_before
from sessions.store.tables import sessions, sites

ACCEPTED = Cause("a channel accepted the notice", quiet=True)


@dataclass(frozen=True, slots=True)
class _Full:
    """A car that stands full, and what its owner should be told of it now."""

    key: SessionKey
    owner: Owner
    since: int
    letter: Letter

    @property
    def notice_id(self) -> str:
        return notice_id(CHARGE_COMPLETE, self.key.id, str(self.since), self.owner.id)


class Notices:
    """The steps, over the channels there are. `link` leads to the owner's pages."""

    def __init__(self, channels: Sequence[Channel], link: str | None = None) -> None:
        self._channels = tuple(channels)
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
            letter = self._full_letter(one, folded[one.key].timeline, to, now)
            full[one.key] = _Full(one.key, to, car[-1].start, letter)
        return full

    def _full_letter(self, ahead: Assessment, heard: Timeline, to: Owner, now: int) -> Letter:
        context, tariff = ahead.context, ahead.tariff
        if context.notice_accepted_at is None and any(one.reaches(to) for one in self._channels):
            # Time counts from the moment a channel accepts this very notice, and that is about to be now.
            context = replace(context, notice_accepted_at=now)
        so_far = unmoved(heard, _session(ahead.key), now - heard.offset_s)
        bill_so_far, bill_ahead = (rate(timeline, tariff, context) for timeline in (so_far, ahead.folded.timeline))
        outlook = outlook_at(bill_so_far, bill_ahead, tariff, now)
        place = Place(ahead.site.name, heard.stall, ahead.site.tz)
        return letters.charge_complete(texts(to.language), place, outlook, now, self._link)

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
        """Put the notices into the inbox, and give each channel of their owners a step."""
        store.write(turn.connection, [notice for _, notice in told])
        wanted = preferences_by_owner(turn.connection, {to.id for to, _ in told})
        steps = [
            _handing_over(notice, channel)
            for to, notice in told
            for channel in channels_for(to, self._channels, notice.kind, wanted[to.id])
        ]
        schedule(turn.connection, steps, turn.now)

    def hand_over(self, lease: Lease) -> None:
        """Hand one notice to one channel, outside any transaction; dropped where the facts have overtaken it.

        After a crash between the channel's acceptance and our commit it is handed over again, under the same id.
        """
        (job,) = lease.jobs
        with reading(lease.engine) as connection:
            channel = self._channel(job.body["channel"])
            outgoing = self._outgoing(connection, job, lease.clock.now())
        if outgoing is None or not channel.reaches(outgoing.to):
            with lease.transaction():
                return  # the step ends, and that is all
        reference = channel.hand_over(outgoing)
        accepted_at = lease.clock.now()
        key = job.session
        with lease.transaction(lambda connection: lock_sessions(connection, [key], sites=True)) as turn:
            if not turn.jobs:
                return  # the lease ran out meanwhile; whoever took the step over records its own acceptance
            store.rewrite(turn.connection, key.site_id, outgoing.id, outgoing.subject, outgoing.body)
            store.delivered(turn.connection, key.site_id, outgoing.id, channel.name, accepted_at, reference)
            if outgoing.kind == CHARGE_COMPLETE:
                _accepted(turn, key, channel.name, accepted_at)

    def _channel(self, name: str) -> Channel:
        for channel in self._channels:
            if channel.name == name:
                return channel
        raise LookupError(f"no channel {name} is configured any more")

    def _outgoing(self, connection: Connection, job: Job, now: int) -> Outgoing | None:
        """The notice as it should go out now, or none where nobody should be told of it any more."""
        key, notice = job.session, store.notice(connection, job.body["site_id"], job.body["notice_id"])
        letter, written_at = Letter(notice.subject, notice.body), notice.created_at
        if notice.kind == CHARGE_COMPLETE:
            full = self._full(connection, [key], now).get(key)
            if full is None or full.notice_id != notice.id:
                return None
            letter, written_at = full.letter, now
        elif notice.kind == FINAL and not snapshots_before(connection, [key])[key].closed:
            return None
        return Outgoing(
            notice.id, notice.kind, owner(connection, notice.owner_id), letter.subject, letter.body, written_at
        )


def _never_moved(one: Folded) -> Folded:
    """The session of a car that stays until silence ends it: as far ahead as anybody can tell."""
    until = (one.timeline.until or 0) + SESSION_TIMEOUT_S - 1
    return replace(one, timeline=unmoved(one.timeline, _session(one.key), until))


def _session(key: SessionKey) -> str:
    """The station's own name for it."""
    return key.id.partition("/")[2]


def _accepted(turn: Turn, key: SessionKey, channel: str, accepted_at: int) -> None:
    """Where a tariff requires a notice, time counts from here (RULES, "Grace")."""
    fact = Fact(
        site_id=key.site_id,
        kind=Kind.NOTICE_ACCEPTED,
        author=f"channel {channel}",
        reason="it accepted a charge-complete notice, the first of this session",
        key=f"notice_accepted:{key.id}",
        session_id=key.id,
        starts_at=accepted_at,
    )
    if record_facts(turn.connection, [fact], turn.now):
        resettle(turn.connection, [key], turn.now, ACCEPTED)


def _handing_over(notice: Notice, channel: Channel) -> Job:
    body = {
        "site_id": notice.site_id,
        "session_id": min(notice.fees_minor),
        "notice_id": notice.id,
        "channel": channel.name,
    }
    key = f"hand_over:{channel.name}:{notice.id}"
    return Job(key=key, kind="hand_over", due_at=notice.created_at, body=body, site_id=notice.site_id)


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
