"""The transactional outbox: steps to be done later, written in the transaction that causes them.

A worker leases what is due, runs each step in a transaction of its own, retries with backoff and jitter, and parks
what keeps failing where a person sees it. Each step is idempotent: it may run twice, after a crash between its
effect and its end. `key` names the step; scheduling the same step again moves it earlier, never doubles it.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from billing.store.tables import jobs
from sessions.database import bulk_insert, is_postgresql

MOST_ATTEMPTS = 12
LEASE_S = 60
FIRST_RETRY_S = 2
LONGEST_RETRY_S = 3600


@dataclass(frozen=True, slots=True)
class Job:
    """One step: `kind` says which handler takes it, `body` is what it needs. `due_at` in UTC seconds."""

    key: str
    kind: str
    due_at: int
    body: Mapping[str, Any]
    site_id: str | None = None
    attempts: int = 0


def schedule(connection: Connection, new: Iterable[Job], now: int) -> None:
    """Write the steps; one that waits already keeps its body and takes the earlier time."""
    rows = sorted(
        (job.key, job.site_id, job.kind, json.dumps(job.body, separators=(",", ":")), job.due_at, 0, False, now)
        for job in {job.key: job for job in new}.values()
    )
    bulk_insert(
        connection,
        jobs,
        ("key", "site_id", "kind", "body", "due_at", "attempts", "dead", "created_at"),
        rows,
        conflict="ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at WHERE jobs.due_at > excluded.due_at",
    )


def lease(connection: Connection, worker: str, now: int, most: int, kinds: Collection[str]) -> list[Job]:
    """Take up to `most` due steps for `LEASE_S`; other workers pass them over until then."""
    free = and_(
        jobs.c.due_at <= now,
        jobs.c.dead.is_(False),
        jobs.c.kind.in_(sorted(kinds)),
        or_(jobs.c.leased_until.is_(None), jobs.c.leased_until <= now),
    )
    due = select(jobs).where(free).order_by(jobs.c.due_at, jobs.c.key).limit(most)
    if is_postgresql(connection):
        due = due.with_for_update(skip_locked=True)
    found = [
        Job(row["key"], row["kind"], row["due_at"], json.loads(row["body"]), row["site_id"], row["attempts"])
        for row in connection.execute(due).mappings()
    ]
    connection.execute(
        update(jobs)
        .where(jobs.c.key.in_([job.key for job in found]))
        .values(leased_by=worker, leased_until=now + LEASE_S, attempts=jobs.c.attempts + 1)
    )
    return found


def finish(connection: Connection, done: Sequence[Job]) -> None:
    """Forget steps that are done; call it in the transaction that does them."""
    connection.execute(delete(jobs).where(jobs.c.key.in_([job.key for job in done])))


def postpone(connection: Connection, job: Job, due_at: int) -> None:
    """The step's time has not come yet: wait until then, with a clean slate."""
    connection.execute(
        update(jobs)
        .where(jobs.c.key == job.key)
        .values(due_at=due_at, attempts=0, leased_by=None, leased_until=None, last_error=None)
    )


def fail(connection: Connection, job: Job, error: str, now: int) -> None:
    """The step failed: try again later, or park it once it has failed `MOST_ATTEMPTS` times."""
    attempts = job.attempts + 1
    connection.execute(
        update(jobs)
        .where(jobs.c.key == job.key)
        .values(
            due_at=now + retry_after_s(job.key, attempts),
            dead=attempts >= MOST_ATTEMPTS,
            leased_by=None,
            leased_until=None,
            last_error=error[:500],
        )
    )


def retry_after_s(key: str, attempts: int) -> int:
    """Doubling from `FIRST_RETRY_S`, at most `LONGEST_RETRY_S`, up to a half more by a jitter that the key decides."""
    wait = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (attempts - 1))
    jitter = int.from_bytes(hashlib.blake2b(f"{key}\0{attempts}".encode(), digest_size=4).digest(), "big")
    return int(wait + jitter % (wait // 2 + 1))


def dead_letters(connection: Connection) -> list[dict[str, Any]]:
    """What waits for a person, oldest first."""
    statement = select(jobs).where(jobs.c.dead.is_(True)).order_by(jobs.c.created_at, jobs.c.key)
    return [dict(row) for row in connection.execute(statement).mappings()]


def revive(connection: Connection, key: str, now: int) -> bool:
    """Let a parked step run again, now; False if there is none of that name."""
    revived = connection.execute(
        update(jobs).where(jobs.c.key == key, jobs.c.dead.is_(True)).values(dead=False, attempts=0, due_at=now)
    )
    return revived.rowcount == 1


def waiting(connection: Connection, now: int) -> dict[str, int]:
    """How many steps are overdue, by kind: for `/metrics` and `/readyz`."""
    statement = (
        select(jobs.c.kind, func.count()).where(jobs.c.due_at <= now, jobs.c.dead.is_(False)).group_by(jobs.c.kind)
    )
    return {kind: int(count) for kind, count in connection.execute(statement)}
