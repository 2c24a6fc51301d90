"""Carrying out re-rate orders: sessions whose plug-in an order covers are settled again, some hundred a transaction.

The order is a fact, so the work converges however often it is begun: a step of the outbox, written with the order,
outlives the process that was doing it and is done by a worker.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, delete, func, select

from billing.engine import Cause, resettle
from billing.jobs import Job, schedule
from billing.settle import Settlement
from billing.store.tables import jobs
from sessions.clock import Clock
from sessions.database import reading, writing
from sessions.facts import FOREVER, Fact
from sessions.store.queries import SessionKey
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
        for keys in _covered(engine, order):
            with writing(engine) as connection:
                outcome.add(resettle(connection, keys, clock.now(), _cause(order)))
            outcome.sessions += len(keys)
        with writing(engine) as connection:
            connection.execute(delete(jobs).where(jobs.c.key == _step(order, 0).key))
    return outcome


def covered(connection: Connection, site_ids: Sequence[str], starts_at: int, ends_at: int | None) -> int:
    """How many sessions of these sites an order for [starts_at, ends_at) would look at."""
    begins = sessions.c.plugged_in_at + sessions.c.offset_s
    statement = select(func.count()).where(
        sessions.c.site_id.in_(site_ids), begins >= starts_at, begins < (FOREVER if ends_at is None else ends_at)
    )
    return int(connection.execute(statement).scalar_one())


def _covered(engine: Engine, order: Fact) -> Iterator[list[SessionKey]]:
    """The sessions plugged in while the order holds, in the order of their ids, a transaction's worth at a time."""
    begins = sessions.c.plugged_in_at + sessions.c.offset_s
    ends_at = FOREVER if order.ends_at is None else order.ends_at
    statement = (
        select(sessions.c.site_id, sessions.c.id)
        .where(sessions.c.site_id == order.site_id, begins >= (order.starts_at or 0), begins < ends_at)
        .order_by(sessions.c.id)
        .limit(SESSIONS_A_TRANSACTION)
    )
    after = ""
    while True:
        with reading(engine) as connection:
            keys = [SessionKey(*row) for row in connection.execute(statement.where(sessions.c.id > after))]
        if not keys:
            return
        yield keys
        after = keys[-1].id


def _step(order: Fact, due_at: int) -> Job:
    body = {"site_id": order.site_id, "n": order.n}
    return Job(key=f"{STEP}:{order.site_id}:{order.n}", kind=STEP, due_at=due_at, body=body, site_id=order.site_id)


def _cause(order: Fact) -> Cause:
    return Cause(f"re-rated to {order.tariff}: {order.reason}", f"{STEP}:{order.n}")
