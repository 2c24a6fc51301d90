"""Carrying out re-rate orders: sessions whose plug-in an order covers are settled again, some hundred a transaction.

The order is a fact, so the work converges however often it is begun: a step of the outbox, written with the order,
outlives the process that was doing it and is done by a worker.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, delete, select

from billing.engine import Cause, resettle
from billing.jobs import Job, Lease, schedule
from billing.settle import Settlement
from billing.store.tables import jobs
from sessions.clock import Clock
from sessions.database import reading, writing
from sessions.facts import FOREVER, Fact, fact_numbered
from sessions.store.queries import SessionKey, lock_stations
from sessions.store.tables import sessions

SESSIONS_A_TRANSACTION = 500
STEP = "rerate"
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


def entrust(connection: Connection, orders: Sequence[Fact], now: int) -> None:
    """Write down, in the transaction of the orders, that they are to be carried out whatever happens meanwhile."""
    schedule(connection, [_step(order, now + TAKEN_OVER_AFTER_S) for order in orders], now)


def carry_out(engine: Engine, clock: Clock, orders: Sequence[Fact]) -> Outcome:
    """Settle again what the orders cover. Stopped half-way, it may be begun again."""
    outcome = Outcome()
    for order in orders:
        after = ""
        while keys := _covered(engine, order, after):
            with writing(engine) as connection:
                outcome.add(resettle(connection, keys, clock.now(), _cause(order)))
            outcome.sessions += len(keys)
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
    """The next sessions that were plugged in while the order holds, in the order of their ids."""
    begins = sessions.c.plugged_in_at + sessions.c.offset_s
    ends_at = FOREVER if order.ends_at is None else order.ends_at
    statement = select(sessions.c.site_id, sessions.c.id).where(
        sessions.c.site_id == order.site_id,
        sessions.c.id > after,
        begins >= (order.starts_at or 0),
        begins < ends_at,
    )
    with reading(engine) as connection:
        found = connection.execute(statement.order_by(sessions.c.id).limit(SESSIONS_A_TRANSACTION))
        return [SessionKey(*row) for row in found]


def _step(order: Fact, due_at: int) -> Job:
    body = {"site_id": order.site_id, "n": order.n, "after": ""}
    return Job(key=f"{STEP}:{order.site_id}:{order.n}", kind=STEP, due_at=due_at, body=body, site_id=order.site_id)


def _cause(order: Fact) -> Cause:
    return Cause(f"re-rated to {order.tariff}: {order.reason}", f"{STEP}:{order.site_id}:{order.n}")
