"""Waiting for a processor that gives no answer, or that takes the key no more. The step comes again, and is never
parked for it; that the key is refused shows until the poller went through.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from billing.jobs import Lease
from billing.payments.processor import Busy, KeyRefused, Unreachable
from billing.store.tables import jobs

SHORTEST_WAIT_S, LONGEST_WAIT_S = 2, 3600
POLL = "poll_processor"  # the step that asks first, and every few minutes
KEY_REFUSED = "the processor refuses the key"


@contextmanager
def patient(lease: Lease) -> Iterator[None]:
    """Whatever in the block finds the processor `Unreachable` or `Busy`, or the key refused, has the step wait as long
    again as it has waited, an hour at most; no try is counted.
    """
    try:
        yield
    except (Unreachable, Busy, KeyRefused) as trouble:
        because = f"{KEY_REFUSED}: {trouble}" if isinstance(trouble, KeyRefused) else str(trouble)
        with lease.transaction() as turn:
            for job in turn.jobs:
                wait_s = min(LONGEST_WAIT_S, max(SHORTEST_WAIT_S, turn.now - job.due_at))
                turn.leave(job, turn.now + wait_s, because)


def key_is_refused(connection: Connection) -> bool:
    """Whether the poller was sent away for its key the last time it asked."""
    said = select(func.count()).where(jobs.c.kind == POLL, jobs.c.last_error.startswith(KEY_REFUSED, autoescape=True))
    return bool(connection.execute(said).scalar_one())
