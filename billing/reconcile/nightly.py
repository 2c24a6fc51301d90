"""Who reconciles by itself: a step a seller, each night, a day of the past at a time.

The processor's account is the product's one account; it belongs to the seller that the operator named, else to that of
the first payment by card. Every other seller's books are compared with the bank alone.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, func, select

from billing.jobs import Job, Lease, schedule
from billing.payments import rows
from billing.payments.patience import patient
from billing.payments.processor import Processor
from billing.reconcile import differences
from billing.reconcile.running import reconcile
from billing.store.payments import payments
from billing.store.reconciliation import bank_lines
from sessions.database import reading
from sessions.registry import seller
from sessions.store.tables import sellers

STEP = "reconcile"
DAY_S = 24 * 3600
NIGHT_S = 3 * 3600  # after midnight, UTC
OVERLAP_S = DAY_S  # looked at again: what lists said too late; what was pending then is asked for by name


def account_holder(connection: Connection, named: str | None = None) -> str | None:
    """The seller whose account at the processor it is: who was `named`, else who collected by card first; none before
    anything was collected. Sellers that share an account are paid out together, into its holder's books. Raises
    `Unknown`.
    """
    if named is not None:
        return seller(connection, named).id
    first = select(payments.c.seller_id).where(payments.c.means == rows.CARD)
    by_card: str | None = connection.execute(
        first.order_by(payments.c.created_at, payments.c.owner_id, payments.c.id).limit(1)
    ).scalar()
    if by_card is not None:
        return by_card
    known: list[str] = list(connection.execute(select(sellers.c.id).order_by(sellers.c.id).limit(2)).scalars())
    return known[0] if len(known) == 1 else None


def begins_at(connection: Connection, seller_id: str, now: int) -> int:
    """From when the next comparison has to look: some days before where the last one ended, or since ever."""
    before = differences.last_run(connection, seller_id)
    if before is not None:
        return max(0, before.until - OVERLAP_S)
    paid = connection.execute(select(func.min(payments.c.created_at))).scalar()
    booked = select(func.min(bank_lines.c.booked_at)).where(bank_lines.c.seller_id == seller_id)
    return int(min(value for value in (paid, connection.execute(booked).scalar(), now) if value is not None)) - DAY_S


def reconcile_later(connection: Connection, now: int) -> None:
    """Have every seller's accounts compared each night, if they are not yet."""
    for seller_id in connection.execute(select(sellers.c.id).order_by(sellers.c.id)).scalars():
        schedule(connection, [_job(seller_id, _next_night(now))], now)


def reconcile_now(connection: Connection, seller_ids: Iterable[str], now: int) -> None:
    """Have them compared at once."""
    schedule(connection, [_job(seller_id, now) for seller_id in seller_ids], now)


def _job(seller_id: str, due_at: int) -> Job:
    return Job(f"{STEP}:{seller_id}", STEP, due_at, {"seller_id": seller_id, "since": None})


def _next_night(now: int) -> int:
    return (now - NIGHT_S) // DAY_S * DAY_S + DAY_S + NIGHT_S


class Reconciling:
    """The step. Without a processor the bank alone is compared."""

    def __init__(self, processor: Processor | None, holder: str | None = None) -> None:
        self._processor, self._holder = processor, holder

    def nightly(self, lease: Lease) -> None:
        """Compare one day of the past, then the next; once the present is reached, come again the next night."""
        with patient(lease):
            self._compare(lease)

    def _compare(self, lease: Lease) -> None:
        (job,) = lease.jobs
        seller_id, now = job.body["seller_id"], lease.clock.now()
        with reading(lease.engine) as connection:
            holder = account_holder(connection, self._holder)
            since = job.body["since"]
            since = begins_at(connection, seller_id, now) if since is None else since
        until = min(now + 1, since + DAY_S)
        processor = self._processor if seller_id == holder else None
        # What is open is looked at once a night, with the last of the days.
        reconcile(lease.engine, lease.clock, processor, seller_id, since, until, open_too=until > now)
        with lease.transaction() as turn:
            for one in turn.jobs:
                over = until > now
                due_at = _next_night(now) if over else turn.now
                turn.go_on(one, due_at, {"seller_id": seller_id, "since": None if over else until})
            reconcile_later(turn.connection, turn.now)  # sellers may have come since
