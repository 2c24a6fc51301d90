"""Told before a car is full: an estimate, once a stretch of charging.

A step a session looks at the samples from time to time, more often the nearer the end seems, and ends with the
stretch. A car whose charger reports no state of charge is told of when it is full.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from billing.jobs import Lease
from billing.notices import letters, store
from billing.notices.channels import About, Outgoing
from billing.notices.estimate import Sample, seconds_left
from billing.notices.kinds import ALMOST_FULL
from billing.notices.letters import Letter, Place
from billing.notices.moments import NOT_USED, Outlook, completed, outlook_at
from billing.notices.plan import MINUTE_S
from billing.notices.steps.desk import Desk, notice_of
from billing.notices.store import Notice, notice_id
from billing.owners import Owner, owner
from billing.rating import rate
from billing.settle import Assessment, assess
from billing.texts import texts
from sessions.events import EventType
from sessions.folding import SESSION_TIMEOUT_S, Folded, fold_sessions
from sessions.machine import Car
from sessions.store.queries import SessionKey, snapshots_before
from sessions.store.tables import events

TOLD_BEFORE_S = 600
LOOK_AGAIN_S = 600  # where nothing can be guessed yet


@dataclass(frozen=True, slots=True)
class _Charging:
    """A car that charges, or has not begun to; `left_s`: until it is full, where anybody can tell."""

    owner: Owner
    one: Assessment
    since: int | None  # the stretch, on the station's clock; none: no energy flows
    left_s: int | None

    @property
    def notice_id(self) -> str:
        return notice_id(ALMOST_FULL, self.one.key.id, str(self.since), self.owner.id)


class Charging:
    """The steps about cars that charge."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def almost_full(self, lease: Lease) -> None:
        """Tell whose car will be full within ten minutes, and look at the others again in time."""
        with lease.transaction() as turn:
            charging = _charging(turn.connection, [job.session for job in turn.jobs], turn.now)
            ids = [one.notice_id for one in charging.values()]
            told = store.known(turn.connection, {key.site_id for key in charging}, ids)
            notices = []
            for job in turn.jobs:
                one = charging.get(job.session)
                if one is None or one.notice_id in told:
                    continue
                if one.left_s is not None and one.left_s <= TOLD_BEFORE_S:
                    letter = self._letter(one, one.left_s, turn.now)
                    notice = notice_of(turn, one.one.key, one.notice_id, one.owner, ALMOST_FULL, letter)
                    notices.append((one.owner, notice))
                else:
                    turn.postpone(job, turn.now + _look_again_in(one.left_s))
            self._desk.tell(turn, notices)

    def _letter(self, one: _Charging, left_s: int, now: int) -> Letter:
        place = Place(one.one.site.name, one.one.folded.timeline.stall, one.one.site.tz)
        outlook = _once_full(one.one, now + left_s)
        return letters.almost_full(texts(one.owner.language), place, outlook, now + left_s, now, self._desk.link)

    def outgoing(self, connection: Connection, key: SessionKey, notice: Notice, now: int) -> Outgoing | None:
        """The notice with the estimate of now; none where the car is full, has left, or will take longer after all."""
        one = _charging(connection, [key], now).get(key)
        if one is None or one.notice_id != notice.id or one.left_s is None or one.left_s > TOLD_BEFORE_S:
            return None
        letter = self._letter(one, one.left_s, now)
        about = About(key.site_id, notice.fees_minor, one.one.folded.timeline.stall, one.one.tariff.currency)
        return Outgoing(notice.id, notice.kind, one.owner, *letter, now, about)


def _look_again_in(left_s: int | None) -> int:
    """Half way to the moment: a guess gets better as it comes nearer."""
    return LOOK_AGAIN_S if left_s is None else max(MINUTE_S, (left_s - TOLD_BEFORE_S) // 2)


def _charging(connection: Connection, keys: Collection[SessionKey], now: int) -> dict[SessionKey, _Charging]:
    """Those of the sessions whose cars are not full yet and belong to somebody."""
    snapshots = snapshots_before(connection, keys)
    waiting = [key for key, one in snapshots.items() if one.full_since is None and not one.closed]
    folded = fold_sessions(connection, waiting, now, project=True)
    present = [one for one in folded if one.superseded_at is None and not one.closed]
    samples = _samples(connection, present)
    found: dict[SessionKey, _Charging] = {}
    for one in assess(connection, present, now):
        if one.owner_id is None:
            continue
        timeline = one.folded.timeline
        since = timeline.car[-1].start if timeline.car and timeline.car[-1].label == Car.CHARGING else None
        left_s = None
        if since is not None and _is_a_stretch(one, since, now - timeline.offset_s):
            own = [sample for sample in samples.get(one.key, ()) if sample.at >= since]
            left_s = seconds_left(own, now - timeline.offset_s)
        found[one.key] = _Charging(owner(connection, one.owner_id), one, since, left_s)
    return found


def _is_a_stretch(one: Assessment, since: int, at: int) -> bool:
    """A blip restarts no notices (RULES, "Grace"); the first time energy flows is none."""
    again = any(span.label == Car.COMPLETE for span in one.folded.timeline.car)
    return not again or at - since >= one.tariff.grace.min_resume_s


def _samples(connection: Connection, sessions: Collection[Folded]) -> Mapping[SessionKey, list[Sample]]:
    """The samples with a state of charge that each session reported, in order; none that is voided or contradicted."""
    used = {
        one.key: {judged.event.id for judged in one.timeline.judged if judged.ignored not in NOT_USED}
        for one in sessions
    }
    statement = (
        select(events.c.site_id, events.c.session_id, events.c.id, events.c.at, events.c.data)
        .where(
            events.c.site_id.in_(sorted({key.site_id for key in used})),
            events.c.session_id.in_(sorted({key.id for key in used})),
            events.c.type == EventType.METER.value,
            events.c.data.is_not(None),
        )
        .order_by(events.c.at, events.c.id)
    )
    found: dict[SessionKey, list[Sample]] = {}
    for site_id, session_id, id_, at, data in connection.execute(statement):
        key, read = SessionKey(site_id, session_id), json.loads(data)
        if id_ in used.get(key, ()) and read.get("soc_percent") is not None:
            power = read.get("power_w")
            sample = Sample(at, round(read["soc_percent"] * 10), None if power is None else round(power))
            found.setdefault(key, []).append(sample)
    return found


def _once_full(one: Assessment, full_at: int) -> Outlook:
    """What staying would cost if the car were full at `full_at`, and a required notice accepted then."""
    timeline = one.folded.timeline
    at = full_at - timeline.offset_s
    session = one.key.id.partition("/")[2]
    context = replace(one.context, notice_accepted_at=one.context.notice_accepted_at or full_at)
    then, ahead = (
        rate(completed(timeline, session, at, until), one.tariff, context) for until in (at, at + SESSION_TIMEOUT_S)
    )
    return outlook_at(then, ahead, one.tariff, full_at)
