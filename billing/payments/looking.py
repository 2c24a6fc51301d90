"""Looking things up at the processor because somebody said that something happened: webhooks, and the poller that finds
what webhooks lost.

An event is stored once, whoever brings it, and handled later, once, by a step. What it says is never believed: the
thing it names is looked up, and `seen` and `setups` let what is here follow. So order, repetition and loss cannot
matter.
"""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from billing.jobs import Job, Lease, hold, schedule, waiting_together
from billing.payments import methods, rows
from billing.payments.collecting import collect_job
from billing.payments.locks import lock_owner
from billing.payments.patience import POLL, patient
from billing.payments.processor import EventSeen, Processor, Refused
from billing.payments.seen import converge_payment, payment_behind
from billing.payments.setups import look_at_setup, setup_called
from billing.store.payments import UNSETTLED, payment_methods, payments, processor_events
from sessions.clock import Clock
from sessions.database import reading, writing
from sessions.statements import bulk_insert, kept_json

HANDLE = "processor_event"
POLL_EVERY_S = 300
OVERLAP_S = 3600  # events are asked for again so far back: late ones, and clocks that differ
FIRST_POLL_BACK_S = 24 * 3600
STUCK_AFTER_S = 600  # a payment whose outcome is still unknown is looked up
AT_ONCE = 100
COLUMNS = ("id", "type", "object_ref", "created_at", "received_at", "payload", "handled_at", "outcome")
SESSION, DETACHED, DELETED = "checkout.session", "payment_method.detached", "customer.deleted"

NOTHING_FOLLOWS = "nothing follows from this type"
GONE = "the processor has no such thing"
UNKNOWN_THERE = "resource_missing"  # the processor's word for it


def store_events(connection: Connection, events: Iterable[EventSeen], now: int) -> int:
    """Keep what is new, and have it handled; answers how many that were."""
    by_id = {event.id: event for event in events}
    known = select(processor_events.c.id).where(processor_events.c.id.in_(sorted(by_id)))
    new = [by_id[id_] for id_ in sorted(by_id.keys() - set(connection.execute(known).scalars()))]
    values = [
        (one.id, one.kind, one.object_ref, one.created_at, now, _payload(one))
        + ((None, None) if _matters(one) else (now, NOTHING_FOLLOWS))
        for one in new
    ]
    if values:
        bulk_insert(connection, processor_events, COLUMNS, values)
        schedule(connection, [_step(one, now) for one in new if _matters(one)], now)
    return len(new)


def _matters(event: EventSeen) -> bool:
    """Whether anything is looked up because of it."""
    return event.payment_ref is not None or event.object_kind == SESSION or event.kind in (DETACHED, DELETED)


def _step(event: EventSeen, now: int) -> Job:
    """One look answers every event of a payment that is here by then."""
    together = None if event.payment_ref is None else f"{HANDLE}:{event.payment_ref}"
    return Job(f"{HANDLE}:{event.id}", HANDLE, now, {"event_id": event.id}, together=together)


def _payload(event: EventSeen) -> str:
    return kept_json({**event.kept, "object": event.object_kind, "payment": event.payment_ref})


class Looking:
    """The steps. Without a processor nothing is looked up, and says so."""

    def __init__(self, processor: Processor | None) -> None:
        self._processor = processor

    def handle(self, lease: Lease) -> None:
        """Follow one event."""
        with patient(lease):
            self._handle(lease)

    def _handle(self, lease: Lease) -> None:
        (job,) = lease.jobs
        with reading(lease.engine) as connection:
            event = (
                connection.execute(select(processor_events).where(processor_events.c.id == job.body["event_id"]))
                .mappings()
                .first()
            )
            others = [] if job.together is None else waiting_together(connection, job.together)
        outcome = None
        if event is not None and event["handled_at"] is None:
            outcome = self._follow(lease, event["type"], event["object_ref"], json.loads(event["payload"]))
        with lease.transaction(lambda connection: hold(connection, (job, *others))) as turn:
            if outcome is not None:
                turn.take_along(others)
                ids = {job.body["event_id"], *(other.body["event_id"] for other in others)}
                open_ = (processor_events.c.id.in_(sorted(ids)), processor_events.c.handled_at.is_(None))
                values = {"handled_at": turn.now, "outcome": outcome}
                turn.connection.execute(update(processor_events).where(*open_).values(**values))

    def _follow(self, lease: Lease, kind: str, ref: str, payload: Any) -> str:
        if self._processor is None:
            return "no processor is set up any more"
        try:
            if payload["payment"] is not None:
                return look_up_payment(lease.engine, lease.clock, self._processor, payload["payment"])
            if payload["object"] == SESSION:
                return _look_up_setup(lease.engine, lease.clock, self._processor, ref)
            if kind == DETACHED:
                return _look_up_method(lease.engine, lease.clock, self._processor, ref)
            if kind == DELETED:
                return _look_up_customer(lease.engine, lease.clock, self._processor, ref)
        except Refused as refused:
            if refused.code != UNKNOWN_THERE:
                raise
            return GONE
        return NOTHING_FOLLOWS

    def poll(self, lease: Lease) -> None:
        """Ask what happened since the last time, and after payments whose outcome is still unknown; then again soon."""
        with patient(lease):
            self._poll(lease)

    def _poll(self, lease: Lease) -> None:
        (job,) = lease.jobs
        began_at = lease.clock.now()
        if self._processor is not None:
            events = self._processor.events_since(job.body["since"] - OVERLAP_S)
            while some := list(islice(events, AT_ONCE)):
                with writing(lease.engine) as connection:
                    store_events(connection, some, lease.clock.now())
            self._ask_after_the_stuck(lease, self._processor)
        with lease.transaction() as turn:
            for one in turn.jobs if self._processor is not None else ():
                turn.go_on(one, turn.now + POLL_EVERY_S, {"since": began_at})

    def _ask_after_the_stuck(self, lease: Lease, processor: Processor) -> None:
        with reading(lease.engine) as connection:
            stuck = connection.execute(
                select(payments.c.owner_id, payments.c.invoice_id, payments.c.processor_ref)
                .where(
                    UNSETTLED,
                    payments.c.state.in_((rows.SENT, rows.PROCESSING)),
                    payments.c.changed_at <= lease.clock.now() - STUCK_AFTER_S,
                )
                .order_by(payments.c.looks, payments.c.changed_at)  # each has its turn, whatever hides behind a name
                .limit(AT_ONCE)
            ).all()
        for owner_id, invoice_id, ref in stuck:
            try:
                if ref is not None:
                    look_up_payment(lease.engine, lease.clock, processor, ref)
            except Refused as refused:
                if refused.code != UNKNOWN_THERE:
                    raise
                continue  # another account's, by a wrong key: reconciling names it, and the others are looked at
            with writing(lease.engine) as connection:
                schedule(connection, [collect_job(owner_id, invoice_id, lease.clock.now())], lease.clock.now())


def poll_later(connection: Connection, now: int) -> None:
    """Have the poller come, if it does not yet."""
    schedule(connection, [Job(POLL, POLL, now, {"since": now - FIRST_POLL_BACK_S})], now)


def look_up_payment(engine: Engine, clock: Clock, processor: Processor, ref: str) -> str:
    """Let a payment here follow the processor's; answers what came of it. Raises what the processor does."""
    with writing(engine) as connection:
        payment = rows.payment_called(connection, ref)
        look = None if payment is None else rows.take_look(connection, payment)
    seen = processor.payment(ref)
    if look is None:
        with writing(engine) as connection:
            payment = payment_behind(connection, seen)
            look = None if payment is None else rows.take_look(connection, payment)
        if look is None:
            return "a payment that is not ours: left to reconciliation"
        seen = processor.payment(ref)
    with writing(engine) as connection:
        followed = converge_payment(connection, seen, clock.now(), look=look)
    return followed.why if followed.moved else f"{followed.why}: known already"


def _look_up_setup(engine: Engine, clock: Clock, processor: Processor, ref: str) -> str:
    setup = setup_called(engine, ref)
    if setup is None:
        return "a setup that is not ours"
    look_at_setup(engine, clock, processor, setup)
    return "the setup was looked up"


def _look_up_customer(engine: Engine, clock: Clock, processor: Processor, ref: str) -> str:
    if processor.has_customer(ref):
        return "the customer is there"
    with writing(engine) as connection:
        owner_id = methods.owner_called(connection, ref)
        if owner_id is None:
            return "a customer that is not ours"
        lock_owner(connection, owner_id)
        methods.forget_customer(connection, ref, clock.now())
    return "the customer is gone: what is open waits for a card"


def _look_up_method(engine: Engine, clock: Clock, processor: Processor, ref: str) -> str:
    if processor.has_method(ref):
        return "the card can still be charged"
    with writing(engine) as connection:
        here = select(payment_methods.c.owner_id).where(payment_methods.c.id == ref)
        for owner_id in connection.execute(here).scalars().all():
            methods.end(connection, owner_id, ref, clock.now(), "removed at the processor")
    return "the card cannot be charged any more"
