"""What tests of invoices share: sessions with fees, the step that issues, what was issued. No tests here."""

from typing import Any

from api.wiring import Idlefee
from billing import jobs
from billing.invoices import issuing, sides
from billing.invoices.policy import Policy, decide
from billing.invoices.standing import standings
from billing.jobs import Lease
from billing.payments.by_hand import Received, record
from sessions.clock import FixedClock
from tests.integration.small_world import told


def set_clock(app: Idlefee, now: int) -> None:
    """Let it be `now`."""
    assert isinstance(app.clock, FixedClock)
    app.clock.advance(now - app.clock.now())


def invoice_all(app: Idlefee, worker: str = "test") -> int:
    """Do every due step that issues; answers how many."""
    done = 0
    while True:
        now = app.clock.now()
        with app.writing() as connection:
            leased = jobs.lease(connection, worker, now, 20, sides.STEP)
        if not leased:
            return done
        issuing.issue_due(Lease(app.engine, app.clock, worker, leased))
        done += len(leased)


def set_policy(app: Idlefee, **said: Any) -> None:
    with app.writing() as connection:
        decide(connection, "acme", Policy(**said), author="test", reason="tested", now=app.clock.now())


def issued(app: Idlefee) -> list[tuple[Any, ...]]:
    """Every document: name, total, tax, due, what it corrects, in the order they were issued."""
    return told(
        app,
        "SELECT i.name, i.total_minor, i.tax_minor, i.due_minor, c.name FROM invoices i "
        "LEFT JOIN invoices c ON c.id = i.corrects AND c.owner_id = i.owner_id ORDER BY i.issued_at, i.kind, i.number",
    )


def carried(app: Idlefee) -> list[tuple[Any, ...]]:
    """What waits: owner, amount, since, until, the least."""
    return told(app, "SELECT owner_id, amount_minor, since, until, least_minor FROM carried ORDER BY owner_id")


def pay_in_full(app: Idlefee) -> None:
    """Whatever is asked for now is paid at the till."""
    now = app.clock.now()
    with app.writing() as connection:
        for side, found in standings(connection, ["ann"]).items():
            for one in found.documents:
                if amount_minor := found.asked_minor(one):
                    received = Received(
                        **side._asdict(),
                        amount_minor=amount_minor,
                        reference=one.name,
                        received_at=now,
                        invoice_id=one.id,
                    )
                    record(connection, received, author="test", now=now)
