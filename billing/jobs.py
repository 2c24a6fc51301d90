"""The transactional outbox: steps to be done later, written in the transaction that causes them.

A worker leases what is due, does each step and ends it in one transaction, retries with backoff and jitter, and parks
what keeps failing where a person sees it. Each step is idempotent: it may run twice, after a crash between an effect
outside and its end. `key` names the step; scheduling the same step again moves it earlier, never doubles it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Engine,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from billing.store.tables import jobs
from sessions.clock import Clock
from sessions.database import writing
from sessions.statements import bulk_insert, for_update, kept_json
from sessions.store.queries import SessionKey

MOST_ATTEMPTS = 12
LEASE_S = 60
FIRST_RETRY_S = 2
LONGEST_RETRY_S = 3600

COLUMNS = ("key", "site_id", "kind", "together", "body", "due_at", "attempts", "dead", "created_at")


class Hopeless(Exception):
    """A step that fails with this is parked at once: trying again would change nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One step: `kind` says which handler takes it, `body` is what it needs. `due_at` in UTC seconds.

    Steps with the same `together` are done as one, whenever the last of them is due.
    """

    key: str
    kind: str
    due_at: int
    body: Mapping[str, Any]
    site_id: str | None = None
    together: str | None = None
    attempts: int = 0

    @property
    def session(self) -> SessionKey:
        """The session that the step is about."""
        return SessionKey(self.body["site_id"], self.body["session_id"])


def session_job(kind: str, key: SessionKey, due_at: int, **more: Any) -> Job:
    """A step about one session; `more` is kept for its handler."""
    body = {"site_id": key.site_id, "session_id": key.id, **more}
    return Job(key=f"{kind}:{key.id}", kind=kind, due_at=due_at, body=body, site_id=key.site_id)


def schedule(connection: Connection, new: Iterable[Job], now: int) -> None:
    """Write the steps; one that waits already keeps its body and takes the earlier time."""
    rows = sorted(
        (job.key, job.site_id, job.kind, job.together, kept_json(job.body), job.due_at, 0, False, now)
        for job in {job.key: job for job in new}.values()
    )
    bulk_insert(
        connection,
        jobs,
        COLUMNS,
        rows,
        conflict="ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at WHERE jobs.due_at > excluded.due_at",
    )


# -- what a worker does -------------------------------------------------------------------------------------


def _free(now: int | BindParameter[int]) -> Any:
    """Due, neither parked nor in anybody's hands."""
    return and_(
        jobs.c.due_at <= now,
        jobs.c.dead.is_(False),
        or_(jobs.c.leased_until.is_(None), jobs.c.leased_until <= now),
    )


# Asked several times a second, and built once: building one takes longer than its answer.
_DUE = (
    select(jobs)
    .where(jobs.c.kind == bindparam("kind"), _free(bindparam("now")))
    .order_by(jobs.c.due_at, jobs.c.key)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_THOSE = jobs.c.key.in_(bindparam("those", expanding=True))
_CHANGE = update(jobs).where(_THOSE)
_TAKE = _CHANGE.values(attempts=jobs.c.attempts + 1)
_END = delete(jobs).where(_THOSE)
_HELD = for_update(select(jobs.c.key).where(_THOSE).order_by(jobs.c.key))
_STILL_HELD = _HELD.where(jobs.c.leased_by == bindparam("worker"))
_OVERDUE = select(jobs.c.key).where(_THOSE, jobs.c.due_at <= bindparam("now"))


def ready(connection: Connection, kinds: Sequence[str], now: int) -> list[str]:
    """Those of `kinds` of which something can be leased now. A read: an idle worker takes no lock."""
    found = connection.execute(_is_there(tuple(kinds)), {"now": now}).one()
    return [kind for kind, there in zip(kinds, found, strict=True) if there]


@lru_cache(maxsize=16)
def _is_there(kinds: tuple[str, ...]) -> Select[*tuple[Any, ...]]:
    """Asked several times a second, and built once: building it takes far longer than the answer."""
    return select(*(exists().where(jobs.c.kind == kind, _free(bindparam("now"))) for kind in kinds))


def lease(connection: Connection, worker: str, now: int, most: int, kind: str) -> list[Job]:
    """Take up to `most` due steps of one kind for `LEASE_S`; other workers pass them over until then.

    A step that was leased `MOST_ATTEMPTS` times and never came to an end takes its worker down with it: it is parked.
    """
    due = connection.execute(_DUE, {"kind": kind, "now": now, "most": most})
    found = [_job(row) for row in due.mappings()]
    spent = [job for job in found if job.attempts >= MOST_ATTEMPTS]
    if spent:
        _change(
            connection, spent, dead=True, leased_by=None, leased_until=None, last_error="its worker never came back"
        )
    taken = [job for job in found if job.attempts < MOST_ATTEMPTS]
    if taken:
        keys = [job.key for job in taken]
        connection.execute(_TAKE, {"those": keys, "leased_by": worker, "leased_until": now + LEASE_S})
    return taken


@dataclass(slots=True)
class Turn:
    """The transaction in which steps end: whatever a handler does in it commits with their end or not at all."""

    connection: Connection
    now: int
    jobs: Sequence[Job]  # those that are still this worker's to do
    _postponed: set[str] = field(default_factory=set)
    _absorbed: list[Job] = field(default_factory=list)

    def postpone(self, job: Job, due_at: int) -> None:
        """The step's time has not come yet: it waits until then, with a clean slate."""
        self._postponed.add(job.key)
        _change(self.connection, [job], due_at=due_at, attempts=0, leased_by=None, leased_until=None, last_error=None)

    def go_on(self, job: Job, due_at: int, body: Mapping[str, Any]) -> None:
        """The step did a part: it comes again for the rest, as `body` tells."""
        self.postpone(job, due_at)
        _change(self.connection, [job], body=kept_json(body))

    def leave(self, job: Job, until: int, because: str) -> None:
        """The step waits for somebody else's trouble to pass: nobody takes it before, and no attempt is counted."""
        self._postponed.add(job.key)
        values = {"attempts": job.attempts, "leased_by": None, "leased_until": until}
        _change(self.connection, [job], **values, last_error=because.replace("\0", "")[:500])

    def take_along(self, others: Iterable[Job]) -> None:
        """Steps that were done with the turn's own: they end with it, whoever leased them."""
        self._absorbed = [*self._absorbed, *others]

    def groups(self) -> list[list[Job]]:
        """The steps by `together`, each group whole: others that wait under its name are taken along, whoever leased
        them.
        """
        names = sorted({job.together for job in self.jobs if job.together is not None})
        whole = (
            select(jobs)
            .where(jobs.c.together.in_(names), jobs.c.dead.is_(False))
            .order_by(jobs.c.created_at, jobs.c.key)
        )
        found = [_job(row) for row in self.connection.execute(for_update(whole)).mappings()]
        self._absorbed = found
        return [[job for job in found if job.together == name] for name in names]

    def ended(self) -> list[str]:
        """The keys of the steps that are over once the transaction commits."""
        return sorted({job.key for job in (*self.jobs, *self._absorbed)} - self._postponed)


@dataclass(frozen=True, slots=True)
class Lease:
    """Steps of one kind in one worker's hands."""

    engine: Engine
    clock: Clock
    worker: str
    jobs: Sequence[Job]

    @contextmanager
    def transaction(self, lock: Callable[[Connection], object] | None = None) -> Iterator[Turn]:
        """Do the steps and end them. `lock` takes the locks of sites and stations, which come before those of steps.

        Steps that another worker took over meanwhile are not in the turn: whoever holds a step now does it.
        """
        with writing(self.engine) as connection:
            if lock is not None:
                lock(connection)
            turn = Turn(connection, self.clock.now(), _still_held(connection, self.worker, self.jobs))
            yield turn
            connection.execute(_END, {"those": turn.ended()})


def hold(connection: Connection, those: Iterable[Job]) -> None:
    """Lock the steps in one order, whoever leased them: a lease's `lock` where others are taken along."""
    connection.execute(_HELD, {"those": [job.key for job in those]})


def _still_held(connection: Connection, worker: str, held: Sequence[Job]) -> list[Job]:
    mine = {"those": [job.key for job in held], "worker": worker}
    keys = set(connection.execute(_STILL_HELD, mine).scalars())
    return [job for job in held if job.key in keys]


def fail(
    connection: Connection,
    worker: str,
    job: Job,
    error: str,
    now: int,
    *,
    hopeless: bool = False,
    recurs: bool = False,
) -> bool:
    """The step failed: nobody takes it for a while, or once it failed `MOST_ATTEMPTS` times, at all. True if parked.

    One that `recurs` is never parked: whatever comes after it would stay undone with it.
    """
    attempts = min(job.attempts + 1, MOST_ATTEMPTS - 1) if recurs else job.attempts + 1
    dead = not recurs and (hopeless or attempts >= MOST_ATTEMPTS)
    connection.execute(
        update(jobs)
        .where(jobs.c.key == job.key, jobs.c.leased_by == worker)
        .values(
            attempts=attempts,
            leased_until=now + retry_after_s(job.key, attempts),
            dead=dead,
            leased_by=None,
            last_error=error.replace("\0", "")[:500],
        )
    )
    return dead


def retry_after_s(key: str, attempts: int) -> int:
    """Doubling from `FIRST_RETRY_S`, at most `LONGEST_RETRY_S`, up to a half more by a jitter that the key decides."""
    wait = min(LONGEST_RETRY_S, FIRST_RETRY_S << (attempts - 1))
    jitter = int.from_bytes(hashlib.blake2b(f"{key}\0{attempts}".encode(), digest_size=4).digest(), "big")
    return wait + jitter % (wait // 2 + 1)


# -- what others ask ----------------------------------------------------------------------------------------


def overdue(connection: Connection, keys: Collection[str], now: int) -> set[str]:
    """Those of the named steps whose time has come and that are not done, whatever kept them."""
    return set(connection.execute(_OVERDUE, {"those": sorted(keys), "now": now}).scalars()) if keys else set()


def waiting_together(connection: Connection, name: str) -> list[Job]:
    """The steps that wait under the name of a group at this moment, parked ones left out."""
    those = select(jobs).where(jobs.c.together == name, jobs.c.dead.is_(False)).order_by(jobs.c.created_at, jobs.c.key)
    return [_job(row) for row in connection.execute(those).mappings()]


def dead_letters(connection: Connection) -> list[dict[str, Any]]:
    """What waits for a person, oldest first."""
    statement = select(jobs).where(jobs.c.dead.is_(True)).order_by(jobs.c.created_at, jobs.c.key)
    return [dict(row) for row in connection.execute(statement).mappings()]


def revive(connection: Connection, key: str) -> bool:
    """Let a parked step run again, now; False if there is none of that name."""
    revived = connection.execute(
        update(jobs)
        .where(jobs.c.key == key, jobs.c.dead.is_(True))
        .values(dead=False, attempts=0, leased_by=None, leased_until=None)
    )
    return revived.rowcount == 1


def revive_all(connection: Connection, kinds: Collection[str]) -> None:
    """Let every step of these kinds run now: those that are parked, and those that wait for trouble to pass."""
    stopped = (jobs.c.kind.in_(sorted(kinds)), jobs.c.leased_by.is_(None))
    waits = or_(jobs.c.dead.is_(True), jobs.c.leased_until.is_not(None))
    connection.execute(update(jobs).where(*stopped, waits).values(dead=False, attempts=0, leased_until=None))


def drop(connection: Connection, key: str) -> bool:
    """Give a parked step up for good; False if there is none of that name. What it was to do is then a person's."""
    return connection.execute(delete(jobs).where(jobs.c.key == key, jobs.c.dead.is_(True))).rowcount == 1


def waiting(connection: Connection, now: int) -> dict[str, int]:
    """How many steps are overdue, by kind: for `/metrics` and `/readyz`."""
    statement = (
        select(jobs.c.kind, func.count()).where(jobs.c.due_at <= now, jobs.c.dead.is_(False)).group_by(jobs.c.kind)
    )
    return {kind: int(count) for kind, count in connection.execute(statement)}


def _job(row: Mapping[Any, Any]) -> Job:
    return Job(
        key=row["key"],
        kind=row["kind"],
        due_at=row["due_at"],
        body=json.loads(row["body"]),
        site_id=row["site_id"],
        together=row["together"],
        attempts=row["attempts"],
    )


def _change(connection: Connection, those: Sequence[Job], **values: Any) -> None:
    connection.execute(_CHANGE, {"those": [job.key for job in those], **values})
