"""When a seller decides anew, what was carried under the policy of before is looked at again. Issues nothing."""

from sqlalchemy import Connection, select, tuple_

from billing.invoices.sides import Side, invoice_job
from billing.jobs import Job, Lease, schedule
from billing.store.invoices import carried

WAKE = "wake_carried"
AFTER_S = 60  # no transaction lasts so long: whoever still carries by the old policy has written it down
AT_ONCE = 500


def wake_later(connection: Connection, seller_id: str, now: int) -> None:
    """In the transaction of the decision."""
    schedule(connection, [Job(f"{WAKE}:{seller_id}:{now}", WAKE, now + AFTER_S, {"seller_id": seller_id})], now)


def wake(lease: Lease) -> None:
    """Some owners at a time: the invoice step of whoever has something carried with the seller."""
    place = (carried.c.owner_id, carried.c.currency)
    with lease.transaction() as turn:
        for job in turn.jobs:
            seller_id = job.body["seller_id"]
            after = tuple_(*place) > tuple(job.body.get("after", ("", "")))
            waiting = select(*place).where(carried.c.seller_id == seller_id, after).order_by(*place).limit(AT_ONCE)
            found = turn.connection.execute(waiting).all()
            steps = [invoice_job(Side(owner_id, seller_id, currency), turn.now) for owner_id, currency in found]
            schedule(turn.connection, steps, turn.now)
            if len(found) == AT_ONCE:
                turn.go_on(job, turn.now, {**job.body, "after": list(found[-1])})
