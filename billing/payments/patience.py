"""Waiting for a processor that gives no answer. The step comes again, and is never parked for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from billing.jobs import Lease
from billing.payments.processor import Busy, Unreachable

SHORTEST_WAIT_S, LONGEST_WAIT_S = 2, 3600


@contextmanager
def patient(lease: Lease) -> Iterator[None]:
    """Whatever in the block finds the processor `Unreachable` or `Busy` has the step wait as long again as it has
    waited, an hour at most; no try is counted.
    """
    try:
        yield
    except (Unreachable, Busy) as trouble:
        with lease.transaction() as turn:
            for job in turn.jobs:
                wait_s = min(LONGEST_WAIT_S, max(SHORTEST_WAIT_S, turn.now - job.due_at))
                turn.leave(job, turn.now + wait_s, str(trouble))
