"""An owner and a seller in one currency: what is invoiced together, and the step that looks after it."""

from typing import NamedTuple

from billing.jobs import Job

STEP = "invoice"


class Side(NamedTuple):
    """Whose fees, whose books, in which currency."""

    owner_id: str
    seller_id: str
    currency: str


def invoice_job(side: Side, due_at: int) -> Job:
    """The step for one side; it waits once, however many fees ask for it."""
    return Job(key=f"{STEP}:{'/'.join(side)}", kind=STEP, due_at=due_at, body=side._asdict())
