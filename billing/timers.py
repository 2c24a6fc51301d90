"""Settlements due by time: sessions over by silence, and sessions that have become final. Bulk steps of the worker.

They only carry out what the facts already say: running late they change no bill.
"""

from collections.abc import Collection

from sqlalchemy import Connection

from billing.decisions import token_cause
from billing.engine import Cause, follow, resettle
from billing.jobs import Lease
from billing.owners import sessions_of_token
from billing.settle import charges_of
from sessions.database import reading
from sessions.facts import Fact, Kind, lock_site, record_facts
from sessions.folding import fold_sessions, save
from sessions.store import queries
from sessions.store.queries import SessionKey

SILENCE = Cause("no message for 24 hours")
FINALITY = Cause("final 72 hours after the last notice", quiet=True)


def lock_sessions(connection: Connection, keys: Collection[SessionKey], *, sites: bool = False) -> None:
    """The locks under which sessions are settled, in the order in which everybody takes them.

    `sites` as well, if facts are going to be recorded.
    """
    for site_id in sorted({key.site_id for key in keys}) if sites else ():
        lock_site(connection, site_id)
    queries.lock_stations(connection, {key.station_id for key in keys})


def time_out(lease: Lease) -> None:
    """Settle sessions of which nothing was heard for the time-out; look again later at those that were heard of."""
    with lease.transaction(lambda connection: lock_sessions(connection, [job.session for job in lease.jobs])) as turn:
        jobs = {job.session: job for job in turn.jobs}
        before = queries.snapshots_before(turn.connection, jobs)
        folded = fold_sessions(turn.connection, [key for key, one in before.items() if not one.closed], turn.now)
        for one in folded:
            if one.times_out_at is not None:
                turn.postpone(jobs[one.key], one.times_out_at)
        over = [one for one in folded if one.closed]
        save(turn.connection, over, before)
        live = frozenset(one.key for one in over if not jobs[one.key].body.get("quiet"))
        follow(turn.connection, over, before, live, turn.now, SILENCE)


def token_given(lease: Lease) -> None:
    """Settle sessions of a token once more, for those that were being settled while it was given."""
    (job,) = lease.jobs
    token_id, valid_from = job.body["token_id"], job.body["valid_from"]
    with reading(lease.engine) as connection:
        keys = sessions_of_token(connection, token_id, valid_from, job.body["valid_to"])
    with lease.transaction(lambda connection: lock_sessions(connection, keys)) as turn:
        if turn.jobs:
            resettle(turn.connection, keys, turn.now, token_cause(token_id, valid_from))


def finalise(lease: Lease) -> None:
    """Record that sessions are final: from now on their fees may fall by themselves, and a rise waits in review."""
    keys = [job.session for job in lease.jobs]
    with lease.transaction(lambda connection: lock_sessions(connection, keys, sites=True)) as turn:
        charges = charges_of(turn.connection, [job.session for job in turn.jobs])
        final = [_finality(key) for key, charge in charges.items() if charge.finalised_at is None]
        recorded = record_facts(turn.connection, final, turn.now)
        settled = [SessionKey(fact.site_id, fact.session_id or "") for fact in recorded]
        resettle(turn.connection, settled, turn.now, FINALITY)


def _finality(key: SessionKey) -> Fact:
    return Fact(
        site_id=key.site_id,
        kind=Kind.FINALISED,
        author="idlefee",
        reason=FINALITY.reason,
        key=f"finalised:{key.id}",
        session_id=key.id,
    )
