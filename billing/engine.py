"""What follows when sessions change: neighbours, settlement, and the steps to be done later; in the transaction of
the change.

`on_changes` is the intake's listener; `resettle` is what every recorded decision, time-out and order calls. Nothing
is told to people here: notices are jobs.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, select

from billing.invoices.sides import Side, invoice_job
from billing.jobs import Job, schedule, session_job
from billing.settle import Settlement, fee_of, settle
from sessions.database import is_postgresql
from sessions.facts import FOREVER, sessions_overlapping
from sessions.folding import Folded, over_by_silence_at, recall, refold
from sessions.intake import Changes
from sessions.sites import Stretch, occupied_stretch
from sessions.statements import Among, one_of
from sessions.store import queries
from sessions.store.queries import UNHEARD_OF, Before, SessionKey
from sessions.store.tables import sites, stalls

LOOK_AT_STAY, LOOK_AT_CHARGING = "look_at_stay", "look_at_charging"  # steps of `notices` that come again by themselves
FIRST_LOOK_AFTER_S = 300  # nobody can tell how a car charges before
FINALISE_AFTER_S = 72 * 3600  # RULES, "When a fee posts"
TOLD_TOGETHER_S = 60  # a correction waits so long for others of the same cause, so that an owner hears once


@dataclass(frozen=True, slots=True)
class Cause:
    """Why sessions are settled: the transfer's reason, and a name under which each owner hears of it once."""

    reason: str
    name: str | None = None  # none: each session's corrections are told by themselves
    quiet: bool = False  # nobody is told


LATE_FACTS = Cause("station events")
NEW_STALL = Cause("a stall was added", "stall")


def on_changes(connection: Connection, changes: Changes) -> None:
    """The intake's listener: settle what the new events changed, and see to those who must be told."""
    follow(connection, changes.folded, changes.before, changes.live, changes.now, LATE_FACTS)
    for site_id in _with_a_new_stall(connection, changes) if changes.sites_with_new_stalls else ():
        # A stall counts as having stood there since ever: whatever was priced by how full the site was, is priced anew.
        keys = sessions_overlapping(connection, site_id, 0, FOREVER)
        resettle(connection, keys, changes.now, Cause(NEW_STALL.reason, NEW_STALL.name, quiet=not changes.live))


def _with_a_new_stall(connection: Connection, changes: Changes) -> list[str]:
    """Sites priced by occupancy at which this batch named a stall for the first time."""
    statement = (
        select(sites.c.id)
        .join(stalls, stalls.c.site_id == sites.c.id)
        .where(
            one_of(connection, sites.c.id, changes.sites_with_new_stalls),
            sites.c.priced_by_occupancy.is_(True),
            stalls.c.created_at == changes.now,
            stalls.c.in_service_from.is_(None),
        )
        .distinct()
        .order_by(sites.c.id)
    )
    return list(connection.execute(statement).scalars())


def resettle(connection: Connection, keys: Collection[SessionKey], now: int, cause: Cause) -> list[Settlement]:
    """Fold and settle `keys` again under their stations' locks; sites, if any, were locked before (`record_facts`)."""
    if not keys:
        return []
    queries.lock_stations(connection, {key.station_id for key in keys})
    folded, before = refold(connection, keys, now)
    live = frozenset() if cause.quiet else frozenset(keys)
    return follow(connection, folded, before, live, now, cause)


def follow(
    connection: Connection,
    folded: Sequence[Folded],
    before: Mapping[SessionKey, Before],
    live: frozenset[SessionKey],
    now: int,
    cause: Cause,
) -> list[Settlement]:
    """Settle `folded` and the neighbours they price, and schedule what is due later. `live` sessions' owners are
    told.
    """
    neighbours = _neighbours(connection, folded, before)
    settlements = settle(connection, [*folded, *neighbours], now, cause.reason)
    told = live | {one.key for one in neighbours} if live else live
    jobs = [*_time_outs(folded, before, live), *_completions(folded, before, live, now, cause)]
    jobs += _stretches_of_charging(folded, before, live, now, cause)
    jobs += [*_endings(settlements, before, told, now), *_corrections(settlements, told, now, cause)]
    jobs += _invoices(settlements, now)
    schedule(connection, jobs, now)
    return settlements


def _neighbours(connection: Connection, folded: Sequence[Folded], before: Mapping[SessionKey, Before]) -> list[Folded]:
    """Sessions whose occupancy tiers these sessions' comings and goings move; their sites are locked."""
    moved = [(one.key.site_id, stretch) for one in folded for stretch in _moved(one, before.get(one.key, UNHEARD_OF))]
    shared = _priced_by_occupancy(connection, {site_id for site_id, _ in moved}) if moved else set()
    keys: set[SessionKey] = set()
    for site_id, stretch in moved:
        if site_id in shared:
            keys |= sessions_overlapping(connection, site_id, stretch.start, stretch.end)
    # Nothing was heard of them, so what they were last folded to still holds.
    return recall(connection, keys - {one.key for one in folded})


def _priced_by_occupancy(connection: Connection, site_ids: Collection[str]) -> set[str]:
    postgresql = is_postgresql(connection)
    return set(connection.execute(_shared(postgresql), _SITES.bind(postgresql, site_ids)).scalars())


_SITES = Among("site_ids")


@cache
def _shared(postgresql: bool) -> Select[Any]:
    return select(sites.c.id).where(_SITES.clause(postgresql, sites.c.id), sites.c.priced_by_occupancy.is_(True))


def _moved(one: Folded, earlier: Before) -> set[Stretch]:
    """Where the session stands by what is known now, and where by what was known; nothing if that is the same."""
    timeline = one.timeline
    present = occupied_stretch(
        one.station_id,
        timeline.stall,
        timeline.plugged_in_at,
        timeline.until,
        one.closed,
        one.superseded_at,
        timeline.offset_s,
    )
    past = occupied_stretch(
        one.station_id,
        earlier.stall,
        earlier.plugged_in_at,
        earlier.until,
        earlier.closed,
        earlier.superseded_at,
        earlier.offset_s,
    )
    return {stretch for stretch in {present} ^ {past} if stretch is not None}


def _time_outs(
    folded: Iterable[Folded], before: Mapping[SessionKey, Before], live: frozenset[SessionKey]
) -> Iterator[Job]:
    """A session that begins, or begins again, is looked at when it would be over by silence; the step postpones
    itself. It comes sooner where the last word turned out to be none.
    """
    for one in folded:
        earlier = before.get(one.key, UNHEARD_OF)
        due_at = (
            None if earlier.closed or earlier.until is None else over_by_silence_at(earlier.until, earlier.offset_s)
        )
        if one.times_out_at is not None and (due_at is None or one.times_out_at < due_at):
            yield session_job("time_out", one.key, one.times_out_at, quiet=one.key not in live)


def _completions(
    folded: Iterable[Folded],
    before: Mapping[SessionKey, Before],
    live: frozenset[SessionKey],
    now: int,
    cause: Cause,
) -> Iterator[Job]:
    """Whoever's car has just become full, or has just become theirs, is told at once, and of what follows when its time
    has come; the step drops what is overtaken or told already. A fault may have moved that time.
    """
    for one in folded:
        moved = one.full_since != before.get(one.key, UNHEARD_OF).full_since or one.timeline.excused
        news = moved or cause is not LATE_FACTS
        if one.full_since is not None and news and not one.closed and one.key in live:
            yield session_job("charge_complete", one.key, now)


def _stretches_of_charging(
    folded: Iterable[Folded],
    before: Mapping[SessionKey, Before],
    live: frozenset[SessionKey],
    now: int,
    cause: Cause,
) -> Iterator[Job]:
    """A car that is not full yet, any more, or has just become somebody's, is looked at: how long will it take?"""
    for one in folded:
        if one.key not in live or one.closed or one.full_since is not None or one.timeline.plugged_in_at is None:
            continue
        earlier = before.get(one.key, UNHEARD_OF)
        news = earlier.plugged_in_at is None or earlier.full_since is not None or cause is not LATE_FACTS
        if news:
            yield session_job(LOOK_AT_CHARGING, one.key, now + FIRST_LOOK_AFTER_S)


def _endings(
    settlements: Iterable[Settlement],
    before: Mapping[SessionKey, Before],
    told: Collection[SessionKey],
    now: int,
) -> Iterator[Job]:
    """When a session has ended the owner gets the final notice; where nobody is told, finality counts from here.

    A session that was over by silence and was heard of again ends twice.
    """
    for one in settlements:
        key, charge = one.after.key, one.before
        again = one.assessment.folded.closed and key in before and not before[key].closed
        if charge is not None and not again:
            continue
        if key in told and one.after.owner_id is not None:
            yield session_job("final", key, now)
        else:
            yield session_job("finalise", key, now + FINALISE_AFTER_S)


def _corrections(
    settlements: Iterable[Settlement], told: Collection[SessionKey], now: int, cause: Cause
) -> Iterator[Job]:
    """An owner whose posted fee moved hears once of one cause, however many sessions it moved."""
    for one in settlements:
        key, was, is_ = one.after.key, one.before, one.after
        if was is None or key not in told:
            continue
        for owner_id in sorted(owner for owner in {was.owner_id, is_.owner_id} if owner is not None):
            before_minor, after_minor = fee_of(was, owner_id), fee_of(is_, owner_id)
            if before_minor == after_minor:
                continue
            yield Job(
                key=f"correction:{key.id}:{is_.settlements}:{owner_id}",
                kind="correction",
                due_at=now + TOLD_TOGETHER_S,
                body={
                    "site_id": key.site_id,
                    "session_id": key.id,
                    "owner_id": owner_id,
                    "before_minor": before_minor,
                    "reason": cause.reason,
                    "cause": cause.name,
                },
                site_id=key.site_id,
                together=_told_together(key.site_id, owner_id, cause.name or key.id),
            )


def _invoices(settlements: Iterable[Settlement], now: int) -> Iterator[Job]:
    """Whatever was posted on an owner's account is to be invoiced, or credited: a look for each owner it concerns."""
    for one in settlements:
        was, is_ = one.before, one.after
        if is_.settlements == (was.settlements if was else 0):
            continue
        for charge in (was, is_):
            if charge is not None and charge.owner_id is not None and charge.fee_minor:
                yield invoice_job(Side(charge.owner_id, charge.seller_id, charge.currency), now)


def _told_together(*names: str) -> str:
    return hashlib.blake2b("\0".join(names).encode(), digest_size=16).hexdigest()
