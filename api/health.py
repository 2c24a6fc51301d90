"""Is it alive, can it commit, what has it counted: for probes and for Prometheus. No key needed, nothing personal
told.
"""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import func, select, text

from api.answers import only_problems
from api.guard import Engine
from billing.jobs import dead_letters, waiting
from billing.notices.health import ailing
from billing.payments.patience import key_is_refused
from billing.store.tables import charges
from sessions.store.tables import sessions, stations

router = APIRouter(tags=["health"])
_OUTAGE = only_problems(503)


@router.get("/healthz")
def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


class Readiness(BaseModel):
    status: str
    jobs_overdue: Annotated[dict[str, int], Field(description="steps whose time has come and that wait, by kind")]
    processor: Annotated[
        Literal["none", "in_use", "key_refused"],
        Field(description="the card processor; `key_refused`: it takes our key no more, and every step for it waits"),
    ]


@router.get("/readyz", responses=_OUTAGE)
def ready(idlefee: Engine) -> Readiness:
    """The database answers and takes writes; 503 otherwise."""
    with idlefee.writing() as connection:
        connection.execute(text("SELECT 1"))
        overdue = waiting(connection, idlefee.clock.now())
        refused = key_is_refused(connection)
    processor: Literal["none", "in_use", "key_refused"] = "in_use"
    if idlefee.processor is None:
        processor = "none"
    elif refused:
        processor = "key_refused"
    return Readiness(status="ok", jobs_overdue=overdue, processor=processor)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **_OUTAGE},
)
def metrics(idlefee: Engine) -> Response:
    """Counts for Prometheus, read from the database: the same from every process."""
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, value: float) -> None:
        Gauge(f"idlefee_{name}", meaning, registry=registry).set(value)

    with idlefee.reading() as connection:
        now = idlefee.clock.now()
        count = func.count()
        gauge("stations", "stations registered", connection.execute(select(count).select_from(stations)).scalar_one())
        running = (
            select(count).select_from(sessions).where(sessions.c.unplugged_at.is_(None), sessions.c.closed.is_(False))
        )
        gauge("sessions_running", "sessions plugged in", connection.execute(running).scalar_one())
        held = select(count).select_from(charges).where(charges.c.held.is_not(None))
        gauge("charges_in_review", "charges that wait for a person", connection.execute(held).scalar_one())
        gauge("jobs_dead", "steps parked for a person", len(dead_letters(connection)))
        left_alone = sum(one.open for one in ailing(connection).values())
        gauge("providers_failing", "providers of notices that are left alone", left_alone)
        gauge("processor_key_refused", "1: the card processor takes our key no more", key_is_refused(connection))
        overdue = Gauge("idlefee_jobs_overdue", "steps due and not done", ["kind"], registry=registry)
        for kind, waits in waiting(connection, now).items():
            overdue.labels(kind).set(waits)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
