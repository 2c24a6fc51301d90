"""What follows when sessions change: neighbours, settlement, and the steps to be done later; in the transaction of
the change.

`on_changes` is the intake's listener; `resettle` is what every recorded decision, time-out and order calls. Nothing
is told to people here: notices are jobs.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from billing.jobs import Job, schedule
from billing.settle import Settlement, settle
from sessions.facts import sessions_overlapping
from sessions.folding import Folded, fold_sessions, save
from sessions.intake import Changes
from sessions.machine import Car
from sessions.store import queries
from sessions.store.queries import UNHEARD_OF, Before, SessionKey
from sessions.store.tables import sites

FINALISE_AFTER_S = 72 * 3600  # RULES, "When a fee posts"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why sessions are settled: the transfer's reason, and a name under which each owner hears of it once."""

    reason: str
    name: str | None = None  # none: each session's correction is told by itself
    quiet: bool = False  # nobody is told


LATE_FACTS = Cause("station events")


def on_changes(connection: Connection, changes: Changes) -> None:
    """The intake's listener: settle what the new events changed, and see to those who must be told."""
    follow(connection, changes.folded, changes.before, changes.live, changes.now, LATE_FACTS)


def resettle(connection: Connection, keys: Collection[SessionKey], now: int, cause: Cause) -> list[Settlement]:
    """Fold and settle `keys` again under their stations' locks; sites, if any, were locked before (`record_facts`)."""
    if not keys:
        return []
    queries.lock_stations(connection, {key.station_id for key in keys})
    before = queries.snapshots_before(connection, keys)
    folded = fold_sessions(connection, keys, now)
    save(connection, folded)
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
    neighbours = _neighbours(connection, folded, before, now)
    settlements = settle(connection, [*folded, *neighbours], now, cause.reason)
    told = live | {one.key for one in neighbours}
    jobs = [*_time_outs(folded, before), *_completions(folded, live, now), *_endings(settlements, told, now)]
    schedule(connection, [*jobs, *_corrections(settlements, told, now, cause)], now)
    return settlements


def _neighbours(
    connection: Connection, folded: Sequence[Folded], before: Mapping[SessionKey, Before], now: int
) -> list[Folded]:
    """Sessions over already whose occupancy tiers these sessions' comings and goings move; their sites are locked."""
    moved = [one for one in folded if _moved(one, before.get(one.key, UNHEARD_OF))]
    site_ids = {one.key.site_id for one in moved}
    statement = select(sites.c.id).where(sites.c.id.in_(sorted(site_ids)), sites.c.priced_by_occupancy.is_(True))
    shared = set(connection.execute(statement).scalars()) if site_ids else set()
    keys: set[SessionKey] = set()
    for one in moved:
        if one.key.site_id in shared:
            earlier = before.get(one.key, UNHEARD_OF)
            stamps = [at for at in (one.timeline.plugged_in_at, earlier.plugged_in_at) if at is not None]
            keys |= sessions_overlapping(connection, one.key.site_id, min(stamps) + one.timeline.offset_s, now + 1)
    return fold_sessions(connection, keys - {one.key for one in folded}, now)


def _moved(one: Folded, earlier: Before) -> bool:
    present = (one.timeline.plugged_in_at, one.timeline.until, one.closed)
    return present[0] is not None and present != (earlier.plugged_in_at, earlier.until, earlier.closed)


def _time_outs(folded: Iterable[Folded], before: Mapping[SessionKey, Before]) -> list[Job]:
    """A session newly plugged in is looked at again when it would be over by silence; the step postpones itself."""
    return [
        session_job("time_out", one.key, one.times_out_at)
        for one in folded
        if one.times_out_at is not None and before.get(one.key, UNHEARD_OF).plugged_in_at is None
    ]


def _completions(folded: Iterable[Folded], live: frozenset[SessionKey], now: int) -> list[Job]:
    """Whoever's car has just become full is told at once; when the step runs it drops what is overtaken."""
    return [
        session_job("charge_complete", one.key, now, since=one.timeline.car[-1].start)
        for one in folded
        if not one.closed and one.key in live and one.timeline.car and one.timeline.car[-1].label == Car.COMPLETE
    ]


def _endings(settlements: Iterable[Settlement], told: Collection[SessionKey], now: int) -> list[Job]:
    """After a first settlement the owner gets the final notice; where nobody is told, finality counts from here."""
    return [
        session_job("final", one.after.key, now)
        if one.after.key in told and one.after.owner_id is not None
        else session_job("finalise", one.after.key, now + FINALISE_AFTER_S)
        for one in settlements
        if one.before is None
    ]


def _corrections(settlements: Iterable[Settlement], told: Collection[SessionKey], now: int, cause: Cause) -> list[Job]:
    """An owner whose posted fee moved hears once of one cause, however many sessions it moved."""
    moved: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in settlements:
        if one.before is None or one.after.key not in told:
            continue
        if one.before.fee_minor == one.after.fee_minor and one.before.owner_id == one.after.owner_id:
            continue
        name = cause.name or f"{one.after.key.id}:{one.after.settlements}"
        for owner_id in sorted({one.before.owner_id, one.after.owner_id} - {None}, key=str):
            moved[one.after.key.site_id, str(owner_id), name].append(one.after.key.id)
    return [
        Job(
            key=f"correction:{site_id}:{owner_id}:{name}",
            kind="correction",
            due_at=now,
            body={"site_id": site_id, "owner_id": owner_id, "sessions": ids, "reason": cause.reason},
            site_id=site_id,
        )
        for (site_id, owner_id, name), ids in moved.items()
    ]


def session_job(kind: str, key: SessionKey, due_at: int, since: int | None = None) -> Job:
    """A step about one session; `since` tells apart the several completions of one session."""
    name = f"{kind}:{key.id}" if since is None else f"{kind}:{key.id}:{since}"
    body = {"site_id": key.site_id, "session_id": key.id} | ({} if since is None else {"since": since})
    return Job(key=name, kind=kind, due_at=due_at, body=body, site_id=key.site_id)
