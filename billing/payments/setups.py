"""How a card comes to be charged: on the processor's own page, which shows the words that the owner agrees to.

We keep the words, the moment and the SetupIntent that proves it. Looking a setup up is the one way a card is written
down, whoever asks for it: the owner who comes back, a webhook, the poller.
"""

import secrets
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from billing.jobs import schedule
from billing.owners import has_left, owner
from billing.payments import calls, dunning, rows
from billing.payments.collecting import collect_job
from billing.payments.locks import lock_owner
from billing.payments.methods import (
    NO_METHOD,
    customer_of,
    detach_later,
    forget_customer,
    known_method,
    methods_of,
    named,
)
from billing.payments.processor import Processor, Refused, SetupSeen
from billing.store.payments import customers, payment_methods, payments, setups
from billing.texts import texts
from sessions.clock import Clock
from sessions.database import reading, writing
from sessions.registry import seller
from sessions.sites import Unknown

OWNER, SETUP = "idlefee_owner", "idlefee_setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """An owner on the way to adding a card; `state` is open, complete or expired."""

    owner_id: str
    id: str
    seller_id: str
    processor_ref: str | None
    state: str
    consent: str
    created_at: int


_SETUP = [setups.c[field.name] for field in fields(Setup)]


def consent_words(connection: Connection, owner_id: str, seller_id: str) -> str:
    """What the owner agrees to, in their language."""
    its = seller(connection, seller_id)
    return texts(owner(connection, owner_id).language).say("payment.consent", seller=its.legal_name or its.name)


def begin_setup(
    engine: Engine, clock: Clock, processor: Processor, owner_id: str, seller_id: str, return_url: str
) -> Setup:
    """Send an owner on the way to adding a card; `return_url` holds `{setup}` where its name goes.

    Raises `OwnerUnknown`, `Unknown`, and what the processor does.
    """
    customer_ref = _customer(engine, clock, processor, owner_id, seller_id)
    with writing(engine) as connection:
        lock_owner(connection, owner_id)
        now, words = clock.now(), consent_words(connection, owner_id, seller_id)
        setup = Setup(
            owner_id=owner_id,
            id=f"set_{secrets.token_hex(12)}",
            seller_id=seller_id,
            processor_ref=None,
            state="open",
            consent=words,
            created_at=now,
        )
        values = {field.name: getattr(setup, field.name) for field in fields(Setup)}
        connection.execute(insert(setups).values(**values, changed_at=now))
        call = calls.plan(
            connection, purpose="setup", subject=setup.id, owner_id=owner_id, asked={"customer": customer_ref}, now=now
        )
    try:
        seen = processor.begin_setup(
            customer_ref,
            words=words,
            return_url=return_url.replace("{setup}", setup.id),
            metadata={OWNER: owner_id, SETUP: setup.id},
            key=call.key,
        )
    except Refused as refused:
        if refused.code != "resource_missing" or processor.has_customer(customer_ref):
            raise
        with writing(engine) as connection:  # deleted on the processor's own pages: another one is made
            lock_owner(connection, owner_id)
            calls.answered(connection, call, "resource_missing", clock.now())
            _change(connection, setup, clock.now(), state="expired")
            forget_customer(connection, customer_ref, clock.now())
        return begin_setup(engine, clock, processor, owner_id, seller_id, return_url)
    with writing(engine) as connection:
        calls.answered(connection, call, seen.ref, clock.now())
        _change(connection, setup, clock.now(), processor_ref=seen.ref)
    return setup_of_id(engine, owner_id, setup.id)


def _customer(engine: Engine, clock: Clock, processor: Processor, owner_id: str, seller_id: str) -> str:
    """The processor's customer for this owner. Made twice, the second is empty and harms nobody."""
    with writing(engine) as connection:
        lock_owner(connection, owner_id)
        email, known = owner(connection, owner_id).email, customer_of(connection, owner_id, seller_id)
        seller(connection, seller_id)
        if known is not None:
            return known
        call = calls.plan(
            connection,
            purpose="customer",
            subject=f"{owner_id}/{seller_id}",
            owner_id=owner_id,
            asked={"email": email},
            now=clock.now(),
        )
    ref = processor.create_customer(owner_id, email, key=call.key)
    with writing(engine) as connection:
        lock_owner(connection, owner_id)
        calls.answered(connection, call, ref, clock.now())
        if (known := customer_of(connection, owner_id, seller_id)) is not None:
            return known
        values = {"owner_id": owner_id, "seller_id": seller_id, "processor_ref": ref, "created_at": clock.now()}
        connection.execute(insert(customers).values(**values))
    return ref


def setup_of_id(engine: Engine, owner_id: str, setup_id: str) -> Setup:
    """Raises `Unknown`."""
    with reading(engine) as connection:
        theirs = (setups.c.owner_id == owner_id, setups.c.id == setup_id)
        row = connection.execute(select(*_SETUP).where(*theirs)).mappings().first()
    if row is None:
        raise Unknown("setup", setup_id)
    return Setup(**row)


def setup_called(engine: Engine, processor_ref: str) -> Setup | None:
    """The setup behind one of the processor's pages."""
    with reading(engine) as connection:
        row = connection.execute(select(*_SETUP).where(setups.c.processor_ref == processor_ref)).mappings().first()
    return None if row is None else Setup(**row)


def look_at_setup(engine: Engine, clock: Clock, processor: Processor, setup: Setup) -> SetupSeen | None:
    """How far the owner got; a card that was added is theirs from now on, and pays what waits. Said twice: once."""
    if setup.processor_ref is None:
        return None
    seen = processor.setup(setup.processor_ref)
    with writing(engine) as connection:
        lock_owner(connection, setup.owner_id)
        now = clock.now()
        if seen.status != setup.state:
            _change(connection, setup, now, state=seen.status)
        if seen.method is not None and _keep(connection, setup, seen, now):
            collect_what_waits(connection, setup.owner_id, setup.seller_id, now)
    return seen


def _keep(connection: Connection, setup: Setup, seen: SetupSeen, now: int) -> bool:
    """Write the card down with the proof of consent; False if it was known, or if its owner left meanwhile."""
    method: Any = seen.method
    if has_left(connection, setup.owner_id):
        detach_later(connection, method.ref, now)
        return False
    theirs = (payment_methods.c.owner_id == setup.owner_id, payment_methods.c.seller_id == setup.seller_id)
    there = select(payment_methods.c.id).where(*theirs, payment_methods.c.id == method.ref)
    if connection.execute(there).first() is not None:
        return False
    connection.execute(
        insert(payment_methods).values(
            owner_id=setup.owner_id,
            seller_id=setup.seller_id,
            id=method.ref,
            kind=method.kind,
            brand=method.brand,
            last4=method.last4,
            expires=method.expires,
            consent=setup.consent,
            consent_at=now,
            consent_ref=seen.setup_ref or seen.ref,
            default_since=_next_default(connection, setup.owner_id, setup.seller_id, now),
            added_at=now,
        )
    )
    return True


def _next_default(connection: Connection, owner_id: str, seller_id: str, now: int) -> int:
    """Later than every default before, also within one second."""
    return max([now, *((one.default_since or 0) + 1 for one in methods_of(connection, owner_id, seller_id))])


def _change(connection: Connection, setup: Setup, now: int, **values: Any) -> None:
    theirs = (setups.c.owner_id == setup.owner_id, setups.c.id == setup.id)
    connection.execute(update(setups).where(*theirs).values(**values, changed_at=now))


def make_default(connection: Connection, owner_id: str, method_id: str, now: int) -> None:
    """This card is charged from now on, and for what waits. Raises `Unknown`."""
    lock_owner(connection, owner_id)
    found = known_method(connection, owner_id, method_id)
    default_since = _next_default(connection, owner_id, found.seller_id, now)
    connection.execute(update(payment_methods).where(*named(owner_id, method_id)).values(default_since=default_since))
    collect_what_waits(connection, owner_id, found.seller_id, now)


def collect_what_waits(connection: Connection, owner_id: str, seller_id: str, now: int) -> None:
    """Another card is there: what waits for one is asked for, and what did not come is tried with it."""
    waits = select(payments.c.invoice_id).where(
        payments.c.owner_id == owner_id,
        payments.c.seller_id == seller_id,
        payments.c.state == rows.NEEDS_OWNER,
        payments.c.failure_code == NO_METHOD,
    )
    found = connection.execute(waits).scalars().all()
    schedule(connection, [collect_job(owner_id, str(invoice_id), now) for invoice_id in found], now)
    dunning.new_method(connection, owner_id, seller_id, now)
