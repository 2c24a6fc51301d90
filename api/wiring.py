"""The one composition root: builds what a process needs from its settings and takes it down again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, QueuePool

from api.access.limits import Limits
from api.access.secret import Secret
from api.settings import Settings
from billing.assignments import install_presets
from billing.engine import on_changes
from billing.payments.processor import Processor
from sessions.clock import Clock, SystemClock
from sessions.database import connect, is_newest, migrate, normalise_url, reading, writing
from sessions.intake import TokenNames
from sessions.writer import Intake

ENDS_WITHIN_S = 1
LOOKED_EVERY_S = 0.01


@dataclass(frozen=True, slots=True)
class Idlefee:
    """A running engine: the parts the doors call."""

    settings: Settings
    engine: Engine
    clock: Clock
    intake: Intake
    names: TokenNames
    secret: Secret
    limits: Limits
    processor: Processor | None = None  # none: no card is charged

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with reading(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, committed at its end."""
        with writing(self.engine) as connection:
            yield connection


def bring_up_to_date(settings: Settings, grant_to: str | None = None) -> None:
    """Migrate as the role that may; the role that the product runs as gets the rights it needs and no more.

    That role is `grant_to`, or else the one in `database_url` where another migrates.
    """
    migrates, runs = settings.migration_url, settings.database_url
    if migrates is not None and grant_to is None:
        user = normalise_url(runs).username
        grant_to = user if user != normalise_url(migrates).username else None
    migrate(migrates or runs, grant_to=grant_to)


def processor_of(settings: Settings) -> Processor | None:
    """The card processor that the settings name; its library is loaded only for who has one."""
    if settings.stripe_key is None:
        return None
    from billing.payments.gateway import Gateway

    return Gateway(settings.stripe_key, settings.stripe_url)


@contextmanager
def running(settings: Settings, clock: Clock | None = None) -> Iterator[Idlefee]:
    """Migrate, install what is shipped, start the intake; close everything at the end, whatever happened."""
    clock = clock or SystemClock()
    engine = connect(settings.database_url)
    try:
        if settings.migration_url is not None or not is_newest(engine):  # another role's rights are seen to each time
            bring_up_to_date(settings)
        with writing(engine) as connection:
            install_presets(connection, clock.now())
            names = TokenNames.load(connection)
            secret = Secret.load(connection)
        intake = Intake(engine, clock, [on_changes])
        intake.start()
        try:
            limits = Limits(engine, clock, secret)
            yield Idlefee(settings, engine, clock, intake, names, secret, limits, processor_of(settings))
        finally:
            intake.close()
    finally:
        _close(engine)


def _close(engine: Engine) -> None:
    """Close every connection. A thread whose server has ended may still be in a query: a pool that was closed would
    get its connection back and never close it.
    """
    for _ in range(round(ENDS_WITHIN_S / LOOKED_EVERY_S)):
        if not isinstance(engine.pool, QueuePool) or engine.pool.checkedout() == 0:
            break
        time.sleep(LOOKED_EVERY_S)
    engine.dispose()
