"""Told of a full car: that it is, that a minute is left, that the fee has begun, each further step of it.

A completion is told at once; what follows has one step a session that waits for the next moment. Whenever it comes, it
looks at the facts again: an unplug, a claim or energy that flows has overtaken it, an excuse or a late event has moved
it. So no fact needs to know of a notice.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from billing.engine import LOOK_AT_STAY
from billing.jobs import Lease, Turn, schedule, session_job
from billing.notices import letters, store
from billing.notices.channels import About, Outgoing
from billing.notices.kinds import CHARGE_COMPLETE, FEE_BEGUN, FEE_STEP, ONE_MINUTE_LEFT
from billing.notices.letters import Letter, Place
from billing.notices.moments import Outlook, outlook_at, restarts_notices, unmoved
from billing.notices.plan import MINUTE_S, Due, Moment, Told, due, moments
from billing.notices.steps.desk import Desk, notice_of
from billing.notices.store import Notice, notice_id
from billing.owners import Owner, owner
from billing.rating import rate
from billing.settle import Assessment, assess
from billing.texts import texts
from sessions.folding import SESSION_TIMEOUT_S, Folded, fold_sessions
from sessions.machine import Timeline
from sessions.store.queries import SessionKey, snapshots_before

LOOK_AGAIN_S = 6 * 3600  # where nothing costs as far as anybody can see: free hours may be longer than that


@dataclass(frozen=True, slots=True)
class Full:
    """A car that stands full, as its facts tell it at `now`, and whose it is."""

    owner: Owner
    heard: Timeline
    ahead: Assessment  # of a car that never moves
    now: int

    @property
    def key(self) -> SessionKey:
        return self.ahead.key

    @property
    def since(self) -> int:
        return self.ahead.folded.timeline.car[-1].start

    @property
    def is_news(self) -> bool:
        return restarts_notices(self.ahead.folded.timeline.car, self.ahead.tariff.grace.min_resume_s)

    @property
    def place(self) -> Place:
        return Place(self.ahead.site.name, self.heard.stall, self.ahead.site.tz)

    def outlook(self, *, accepted: bool = False) -> Outlook:
        """What staying costs; `accepted`: a notice that counts is about to be taken, if none was before."""
        context = self.ahead.context
        if accepted and context.notice_accepted_at is None:
            context = replace(context, notice_accepted_at=self.now)
        so_far = unmoved(self.heard, _session(self.key), self.now - self.heard.offset_s)
        tariff = self.ahead.tariff
        bill_so_far, bill_ahead = (rate(timeline, tariff, context) for timeline in (so_far, self.ahead.folded.timeline))
        return outlook_at(bill_so_far, bill_ahead, tariff, self.now)

    def plan(self) -> list[Moment]:
        return moments(self.ahead.report, self.ahead.tariff)

    @property
    def completion_id(self) -> str:
        return notice_id(CHARGE_COMPLETE, self.key.id, str(self.since), self.owner.id)


class Standing:
    """The steps about full cars."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def charge_complete(self, lease: Lease) -> None:
        """Tell whose car has become full until when it may stay; dropped where it is not full any more."""
        with lease.transaction() as turn:
            full = full_cars(turn.connection, [job.session for job in turn.jobs], turn.now)
            ids = [one.completion_id for one in full.values()]
            told = store.known(turn.connection, {key.site_id for key in full}, ids)
            new = [one for one in full.values() if one.is_news and one.completion_id not in told]
            notices = [self._full_notice(turn, one) for one in new]
            self._desk.tell(turn, [(one.owner, notice) for one, notice in zip(new, notices, strict=True)])
            self._go_on(turn, full)

    def _full_notice(self, turn: Turn, one: Full) -> Notice:
        letter = self._full_letter(one, self._promised(turn.connection, one))
        return notice_of(turn, one.key, one.completion_id, one.owner, CHARGE_COMPLETE, letter)

    def _promised(self, connection: Connection, one: Full) -> Outlook:
        # Where a notice is required, time counts from the moment a channel accepts this very one.
        return one.outlook(accepted=self._desk.carriers.reach(connection, one.owner))

    def _full_letter(self, one: Full, outlook: Outlook) -> Letter:
        return letters.charge_complete(texts(one.owner.language), one.place, outlook, one.now, self._desk.link)

    # -- what follows ---------------------------------------------------------------------------------------

    def look(self, lease: Lease) -> None:
        """Tell the latest moment that has come and was not told, and wait for the next."""
        with lease.transaction() as turn:
            full = full_cars(turn.connection, [job.session for job in turn.jobs], turn.now)
            next_at = self._go_on(turn, full)
            for job in turn.jobs:
                if job.session in next_at:
                    turn.postpone(job, next_at[job.session])

    def _go_on(self, turn: Turn, full: Mapping[SessionKey, Full]) -> dict[SessionKey, int]:
        """Tell what is due of each car; answers when to look at it again, and lets a step wait for that."""
        told = store.told_of(turn.connection, full)
        notices: list[tuple[Owner, Notice]] = []
        next_at: dict[SessionKey, int] = {}
        for key, one in full.items():
            outlook = one.outlook()
            step = _due(one, outlook, told.get((key, one.owner.id), ()))
            if step.tell is not None:
                notices.append((one.owner, self._moment_notice(turn, one, step.tell, outlook)))
            if step.next_at is not None:
                next_at[key] = step.next_at
        self._desk.tell(turn, notices)
        schedule(turn.connection, [session_job(LOOK_AT_STAY, key, at) for key, at in next_at.items()], turn.now)
        return next_at

    def _moment_notice(self, turn: Turn, one: Full, moment: Moment, outlook: Outlook) -> Notice:
        letter = self._moment_letter(one, moment.kind, outlook)
        id_ = notice_id(moment.kind, one.key.id, str(moment.at), one.owner.id)
        return notice_of(turn, one.key, id_, one.owner, moment.kind, letter)

    def _moment_letter(self, one: Full, kind: str, outlook: Outlook) -> Letter:
        words, link = texts(one.owner.language), self._desk.link
        if kind == ONE_MINUTE_LEFT:
            return letters.one_minute_left(words, one.place, outlook, one.now, link)
        cap_minor = one.ahead.tariff.cap_minor
        return letters.fee_running(words, kind, one.place, outlook, cap_minor, one.now, link)

    # -- out of the house -----------------------------------------------------------------------------------

    def outgoing(self, connection: Connection, key: SessionKey, notice: Notice, now: int) -> Outgoing | None:
        """The notice in the words that are true now; none where another tells more, or nothing of it is true any
        more.
        """
        one = full_cars(connection, [key], now).get(key)
        if one is None or one.owner.id != notice.owner_id:
            return None
        if notice.kind == CHARGE_COMPLETE:
            if not one.is_news or one.completion_id != notice.id:
                return None
            outlook = self._promised(connection, one)
            letter = self._full_letter(one, outlook)
        else:
            outlook = one.outlook()
            told = store.told_of(connection, [key]).get((key, one.owner.id), ())
            if any(other.at > notice.created_at for other in told) or not _still_true(notice.kind, outlook, now):
                return None
            letter = self._moment_letter(one, notice.kind, outlook)
        about = About(key.site_id, notice.fees_minor, one.heard.stall, outlook.currency, outlook)
        return Outgoing(notice.id, notice.kind, one.owner, *letter, now, about)


def _due(one: Full, outlook: Outlook, told: Sequence[Told]) -> Due:
    plan = one.plan()
    if not plan:
        return Due(None, one.now + LOOK_AGAIN_S)
    return due(plan, told, one.now, outlook.charged_from)


def _still_true(kind: str, outlook: Outlook, now: int) -> bool:
    if kind == ONE_MINUTE_LEFT:
        return outlook.charged_from is not None and now < outlook.charged_from <= now + MINUTE_S
    assert kind in (FEE_BEGUN, FEE_STEP)  # noqa: S101 - the others are told apart before
    return outlook.running_since is not None


def full_cars(connection: Connection, keys: Collection[SessionKey], now: int) -> dict[SessionKey, Full]:
    """Those of the sessions whose cars stand full at this moment and belong to somebody."""
    snapshots = snapshots_before(connection, keys)
    standing = [key for key, one in snapshots.items() if one.full_since is not None and not one.closed]
    folded = {one.key: one for one in fold_sessions(connection, standing, now) if one.superseded_at is None}
    ahead = assess(connection, [_never_moved(one) for one in folded.values() if not one.closed], now)
    return {
        one.key: Full(owner(connection, one.owner_id), folded[one.key].timeline, one, now)
        for one in ahead
        if one.owner_id is not None
    }


def _never_moved(one: Folded) -> Folded:
    """The session of a car that stays until silence ends it: as far ahead as anybody can tell."""
    until = (one.timeline.until or 0) + SESSION_TIMEOUT_S - 1
    return replace(one, timeline=unmoved(one.timeline, _session(one.key), until))


def _session(key: SessionKey) -> str:
    """The station's own name for it."""
    return key.id.partition("/")[2]
