"""Told how sessions came out, and of fees that changed afterwards."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from billing.engine import FINALISE_AFTER_S
from billing.jobs import Job, Lease, Turn, schedule, session_job
from billing.notices import letters, store
from billing.notices.channels import About, Outgoing
from billing.notices.kinds import CORRECTION, FINAL
from billing.notices.letters import Change, Ending, Place
from billing.notices.steps.desk import Desk, notice_of, places
from billing.notices.store import Notice, notice_id
from billing.owners import Owner, owner
from billing.rating import FeeReport, report_from_json
from billing.settle import Charge, charges_of, fee_of
from billing.texts import texts
from sessions.store.queries import SessionKey, snapshots_before


class Outcomes:
    """The steps about sessions that have ended."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def final(self, lease: Lease) -> None:
        """Tell how sessions came out; their finality counts from here. Dropped where the session goes on after all."""
        with lease.transaction() as turn:
            keys = [job.session for job in turn.jobs]
            snapshots = snapshots_before(turn.connection, keys)
            charges = charges_of(turn.connection, [key for key, one in snapshots.items() if one.closed])
            ids = {key: notice_id(FINAL, key.id, one.owner_id or "") for key, one in charges.items()}
            told = store.known(turn.connection, {key.site_id for key in ids}, ids.values())
            new = {key: one for key, one in charges.items() if one.owner_id is not None and ids[key] not in told}
            stood = places(turn.connection, new)
            self._desk.tell(turn, [self._final(turn, one, ids[key], stood[key]) for key, one in new.items()])
            later = turn.now + FINALISE_AFTER_S
            schedule(turn.connection, [session_job("finalise", key, later) for key in charges], turn.now)

    def _final(self, turn: Turn, charge: Charge, id_: str, place: Place) -> tuple[Owner, Notice]:
        to = owner(turn.connection, str(charge.owner_id))
        ending = Ending(_report(charge), charge.fee_minor, charge.allowed_minor, bool(charge.held))
        letter = letters.final(texts(to.language), place, ending, self._desk.link)
        return to, notice_of(turn, charge.key, id_, to, FINAL, letter, charge.fee_minor)

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
        stood = places(turn.connection, keys)
        changes: dict[SessionKey, Change] = {}
        for key, charge in sorted(charges_of(turn.connection, keys).items()):
            was, is_now = told.get(key, before_minor[to.id, key]), fee_of(charge, to.id)
            if was != is_now:
                changes[key] = Change(stood[key], _begun_at(charge), charge.currency, was, is_now)
        if not changes:
            return
        reason = group[0].body["reason"]
        letter = letters.correction(texts(to.language), list(changes.values()), reason, self._desk.link)
        notice = notice_of(turn, min(changes), notice_id(CORRECTION, group[0].key), to, CORRECTION, letter)
        fees = {key.id: change.is_minor for key, change in changes.items()}
        cause = group[0].body.get("cause")  # a step that waited through an upgrade names none
        self._desk.tell(turn, [(to, replace(notice, reason=reason, cause=cause, fees_minor=fees))])

    # -- out of the house -----------------------------------------------------------------------------------

    def outgoing(self, connection: Connection, key: SessionKey, notice: Notice) -> Outgoing | None:
        """The notice as it was written; none where the session it called over goes on after all."""
        if notice.kind == FINAL and not snapshots_before(connection, [key])[key].closed:
            return None
        charge, place = charges_of(connection, [key]).get(key), places(connection, [key])[key]
        currency = None if charge is None else charge.currency
        about = About(key.site_id, notice.fees_minor, place.stall, currency)
        to = owner(connection, notice.owner_id)
        words = notice.subject, notice.body, notice.language
        return Outgoing(notice.id, notice.kind, to, *words, notice.created_at, about)


def _report(charge: Charge) -> FeeReport:
    return report_from_json(json.loads(charge.report))


def _begun_at(charge: Charge) -> int:
    """The plug-in, on our clock."""
    report = _report(charge)
    return (report.plugged_in_at or 0) + report.offset_s
