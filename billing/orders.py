"""Carrying out re-rate orders: sessions whose plug-in an order covers are settled again, some hundred a transaction.

The order is a fact, so the work converges however often it is begun: a step of the outbox, written with the order,
outlives the process that was doing it and is done by a worker.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, or_, select

from billing.assignments import latest
from billing.decisions import order_rerate
from billing.engine import Cause, resettle
from billing.jobs import Job, Lease, schedule
from billing.settle import CHARGED, Settlement
from billing.store.tables import charges, jobs
from sessions.clock import Clock
from sessions.database import reading, writing
from sessions.facts import FOREVER, Fact, Kind, fact_numbered, site_facts
from sessions.store.queries import SessionKey, lock_stations
from sessions.store.tables import sessions

SESSIONS_A_TRANSACTION = 500
STEP = "rerate"
Progress = Callable[[int, int], None]
TAKEN_OVER_AFTER_S = 15 * 60  # longer than who gave the order is still at it: then a worker looks after it


@dataclass(slots=True)
class Outcome:
    """What orders did: sessions looked at, those whose fee changed, and what was posted for those, by currency."""

    sessions: int = 0
    changed: int = 0
    before_minor: dict[str, int] = field(default_factory=dict)
    after_minor: dict[str, int] = field(default_factory=dict)

    def add(self, settlements: Iterable[Settlement]) -> None:
        for one in settlements:
            before, after = one.before, one.after
            if before is None or (before.fee_minor, before.currency) != (after.fee_minor, after.currency):
                self.changed += 1
                _add(self.before_minor, (before or after).currency, before.fee_minor if before else 0)
                _add(self.after_minor, after.currency, after.fee_minor)


def _add(sums: dict[str, int], currency: str, amount_minor: int) -> None:
    sums[currency] = sums.get(currency, 0) + amount_minor


def ordered(
    connection: Connection,
    site_ids: Collection[str],
    tariff: str,
    starts_at: int,
    ends_at: int | None,
    *,
    author: str,
    reason: str,
    now: int,
) -> list[Fact]:
    """The orders to carry out, one a site: the last one given there, if it says the same and was not carried out to its
    end, else a new one, entrusted. `ends_at` none: plug-ins before now, or what such an unfinished order says.
    """
    begun = {
        order.site_id: order
        for order in _unfinished(connection, site_ids)
        if order.starts_at == starts_at
        and ends_at in (None, order.ends_at)
        and _names_latest(connection, order, tariff)
    }
    others = sorted(set(site_ids) - begun.keys())
    until = now if ends_at is None else ends_at  # an open end would price what is still to come, too
    new = order_rerate(connection, others, tariff, starts_at, until, author=author, reason=reason, now=now)
    entrust(connection, new, now)
    return sorted([*begun.values(), *new], key=lambda order: order.site_id)


def _unfinished(connection: Connection, site_ids: Collection[str]) -> Iterator[Fact]:
    """The last order of each site, where its step still waits."""
    given = site_facts(connection, site_ids, [Kind.RERATE])
    last = {_step(orders[-1], 0).key: orders[-1] for orders in given.values()}
    waiting = connection.execute(select(jobs.c.key).where(jobs.c.key.in_(sorted(last)))).scalars()
    return (last[key] for key in waiting)


def _names_latest(connection: Connection, order: Fact, tariff: str) -> bool:
    return (order.tariff, order.tariff_version) == (tariff, latest(connection, tariff).version)


def entrust(connection: Connection, orders: Sequence[Fact], now: int) -> None:
    """Write down, in the transaction of the orders, that they are to be carried out whatever happens meanwhile."""
    schedule(connection, [_step(order, now + TAKEN_OVER_AFTER_S) for order in orders], now)


def carry_out(engine: Engine, clock: Clock, orders: Sequence[Fact], progress: Progress | None = None) -> Outcome:
    """Settle again what the orders cover. Stopped half-way, it may be begun again, and goes on where it stopped.

    `progress` is told how many sessions are settled, of how many.
    """
    outcome = Outcome()
    total = sum(_left(engine, order) for order in orders) if progress else 0
    for order in orders:
        after = ""
        while keys := _covered(engine, order, after):
            with writing(engine) as connection:
                outcome.add(resettle(connection, keys, clock.now(), _cause(order)))
            outcome.sessions += len(keys)
            if progress:
                progress(outcome.sessions, max(total, outcome.sessions))
            after = keys[-1].id
        with writing(engine) as connection:
            connection.execute(delete(jobs).where(jobs.c.key == _step(order, 0).key))
    return outcome


def take_over(lease: Lease) -> None:
    """A worker's step: as many sessions as one transaction takes, then the same step again for those behind."""
    (job,) = lease.jobs
    with reading(lease.engine) as connection:
        order = fact_numbered(connection, job.body["site_id"], job.body["n"])
    keys = _covered(lease.engine, order, job.body["after"])
    with lease.transaction(lambda connection: lock_stations(connection, {key.station_id for key in keys})) as turn:
        if keys and turn.jobs:
            resettle(turn.connection, keys, turn.now, _cause(order))
            turn.go_on(job, turn.now, {**job.body, "after": keys[-1].id})


def _covered(engine: Engine, order: Fact, after: str) -> list[SessionKey]:
    """The next charged sessions that were plugged in while the order holds, in the order of their ids; those that are
    charged by its tariff already are as it wants them.
    """
    statement = select(sessions.c.site_id, sessions.c.id).join(charges, CHARGED).where(_to_do(order))
    statement = statement.where(sessions.c.id > after).order_by(sessions.c.id).limit(SESSIONS_A_TRANSACTION)
    with reading(engine) as connection:
        return [SessionKey(*row) for row in connection.execute(statement)]


def _left(engine: Engine, order: Fact) -> int:
    statement = select(func.count()).select_from(sessions).join(charges, CHARGED).where(_to_do(order))
    with reading(engine) as connection:
        return int(connection.execute(statement).scalar_one())


def _to_do(order: Fact) -> ColumnElement[bool]:
    begins = sessions.c.plugged_in_at + sessions.c.offset_s
    return and_(
        sessions.c.site_id == order.site_id,
        begins >= (order.starts_at or 0),
        begins < (FOREVER if order.ends_at is None else order.ends_at),
        or_(charges.c.tariff != order.tariff, charges.c.tariff_version != order.tariff_version),
    )


def _step(order: Fact, due_at: int) -> Job:
    body = {"site_id": order.site_id, "n": order.n, "after": ""}
    return Job(key=f"{STEP}:{order.site_id}:{order.n}", kind=STEP, due_at=due_at, body=body, site_id=order.site_id)


def _cause(order: Fact) -> Cause:
    return Cause(f"re-rated to {order.tariff}: {order.reason}", f"{STEP}:{order.site_id}:{order.n}")
