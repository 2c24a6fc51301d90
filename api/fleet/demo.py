"""`idlefee demo`: a town of stations with a day behind it, live on a database that is gone when the command ends.

First the past is played on a moved clock (`history`), then the doors open at exactly that moment and the stations go
on over HTTP (`stations`). Nothing in here is part of the product's engine: it uses it as anybody could.
"""

import json
import logging
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from api import logs
from api.access.keys import KeyKind, Role, issue
from api.cli.console import progress, say
from api.fleet import town
from api.fleet.cards import save_cards
from api.fleet.history import LIVE_FOR_S, People, play
from api.fleet.stations import Fleet, Station
from api.fleet.story import Booking, Story
from api.fleet.visits import visit
from api.listening import address_of, listen
from api.sandbox.serving import Sandbox, sandbox_running
from api.server import serve
from api.settings import Settings
from api.wiring import running
from api.worker import Worker
from billing.reconcile import nightly
from sessions.clock import FixedClock, ScaledClock, SystemClock
from sessions.store.tables import sellers

HEARTBEAT_S = 30  # of real time
FASTEST = 600  # beyond it a second's delay on the way looks like a broken clock
HOUR_S = 3600
OWNER = "mara"


class NotEmpty(Exception):
    """The database holds somebody's sites already."""

    def __init__(self, database_url: str) -> None:
        super().__init__(f"{database_url} is not empty: name a new database with --database, or leave the option out")


class SpeedUnusable(ValueError):
    """The clock cannot run at this speed."""

    def __init__(self, speed: float) -> None:
        super().__init__(f"--speed is above 0 and at most {FASTEST}, not {speed:g}")


@dataclass(frozen=True, slots=True)
class Keys:
    """What lets people and stations in: texts of links by role, and of keys by station."""

    links: dict[Role, str]
    stations: dict[str, str]
    people: People


def run(*, host: str = "127.0.0.1", port: int = 8000, speed: float = 1, database_url: str | None = None) -> None:
    """Run the demo until it is interrupted. Raises `PortBusy`, `NotEmpty`, `SpeedUnusable`."""
    if not 0 < speed <= FASTEST:
        raise SpeedUnusable(speed)
    # What goes on is seen on the pages: the terminal stays readable.
    logs.configure(logging.WARNING)
    try:
        with (
            _terminated_as_interrupted(),
            listen(host, port) as bound,
            tempfile.TemporaryDirectory(prefix="idlefee-demo-") as folder,
        ):
            story = Story(SystemClock().now())
            past = FixedClock(story.opens_at - 48 * HOUR_S)
            with sandbox_running(past, delivering=True) as sandbox:
                settings = _settings(Path(folder), address_of(bound), database_url, sandbox)
                keys = _past(settings, story, past, sandbox)
                _live(settings, bound, story, keys, sandbox, speed, Path(folder), kept=database_url is not None)
    except KeyboardInterrupt:
        pass  # that is how it ends


def _live(
    settings: Settings,
    bound: socket.socket,
    story: Story,
    keys: Keys,
    sandbox: Sandbox,
    speed: float,
    folder: Path,
    *,
    kept: bool,
) -> None:
    clock = ScaledClock(story.opens_at, speed)
    sandbox.state.follow(clock)
    heartbeat_s = max(HEARTBEAT_S, round(HEARTBEAT_S * speed))
    address = address_of(bound)
    stations = {name: Station(name, key, address, heartbeat_s) for name, key in keys.stations.items()}
    fleet = Fleet(story, stations, clock)
    your_car = folder / "your-car.jsonl"
    your_car.write_text(_your_car(story.opens_at), encoding="utf-8")

    def opened(*_: object) -> None:
        sandbox.orders.listen(f"{address}/v1/webhooks/stripe")
        fleet.start()
        say("\n".join(_words(settings, address, story, keys, your_car, kept=kept)))

    try:
        serve(settings, clock=clock, on_ready=opened, bound=bound)
    finally:
        fleet.stop()


def _settings(folder: Path, address: str, database_url: str | None, sandbox: Sandbox) -> Settings:
    """The demo's own: what the environment says of another database is not meant for it."""
    return Settings(
        database_url=database_url or f"sqlite:///{folder / 'demo.db'}",
        migration_url=None,
        outbox=folder / "outbox",
        base_url=address,
        stripe_key=sandbox.key,
        stripe_url=sandbox.url,
        stripe_webhook_secret=sandbox.webhook_secret,
    )


def _past(settings: Settings, story: Story, clock: FixedClock, sandbox: Sandbox) -> Keys:
    """Register the town, hand out keys, save cards and play everything up to the opening."""
    begins_at = clock.now()
    with running(settings, clock) as idlefee, progress("playing yesterday") as told:
        # Yesterday's letters left the house yesterday: of what is older only the inboxes tell.
        before, live = Worker(idlefee, channels=[]), Worker(idlefee)
        with idlefee.writing() as connection:
            if connection.execute(select(sellers.c.id)).first() is not None:
                raise NotEmpty(settings.database_url)
            town.register(connection, idlefee.names, begins_at)
            nightly.reconcile_later(connection, begins_at)
            keys = _hand_out(connection, begins_at)
        save_cards(idlefee, sandbox)

        def tell() -> None:
            (live if clock.now() > story.opens_at - LIVE_FOR_S else before).run_due()
            told((clock.now() - begins_at) // HOUR_S, (story.opens_at - begins_at) // HOUR_S)

        play(idlefee, clock, story, keys.people, tell)
    return keys


def _hand_out(connection: Connection, now: int) -> Keys:
    links = {
        role: issue(
            connection,
            role,
            label="demo",
            now=now,
            kind=KeyKind.LINK,
            owner_id=OWNER if role is Role.OWNER else None,
        )
        for role in (Role.OWNER, Role.FINANCE, Role.OPERATOR, Role.SUPPORT)
    }
    stations = {
        name: issue(connection, Role.STATION, label="demo", now=now, station_id=name).text for name in town.STATIONS
    }
    people = People(f"operator:{links[Role.OPERATOR].id}", f"support:{links[Role.SUPPORT].id}")
    return Keys({role: link.text for role, link in links.items()}, stations, people)


def _your_car(opens_at: int) -> str:
    """An upload for the spare stall: a car that has been full for nine minutes, and not unplugged."""
    stays = visit(31 * 60, 9 * 60)
    booking = Booking("yours", town.SPARE, opens_at - stays.lasts_s, stays, town.SPARE_CAR.token)
    messages = [message.event | {"replayed": True} for message in booking.messages() if message.at < opens_at]
    return "".join(json.dumps(event) + "\n" for event in messages)


def _words(settings: Settings, address: str, story: Story, keys: Keys, your_car: Path, *, kept: bool) -> Iterator[str]:
    """What the visitor reads: where it is, who they can be, what to look at and what to try."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "idlefee" else "idlefee"
    database = shlex.quote(settings.database_url)
    at = {name: booking.stall.id for name, booking in story.written.items()}
    yield from ("", f"  {address}", "", "  Sign in as")
    for role, key in keys.links.items():
        who = f"{role} ({town.OWNERS[OWNER]})" if role is Role.OWNER else role.value
        yield f"    {who:<24}{address}/sign-in?key={key}"
    yield from ("", "  Now")
    yield f"    {at['charging']:<14}charging"
    yield f"    {at['grace']:<14}in its grace for 4:40: 20 s are left ({town.OWNERS[OWNER]}'s car)"
    yield f"    {at['idle']:<14}idle, $1.60 so far"
    yield f"    {at['excused now']:<14}excused: the cable is stuck"
    yield from ("", "  Try next")
    yield f"    {program} explain {story.written['fault'].session_id} --database {database}"
    yield f"    {program} verify --database {database}"
    bearer = f"Authorization: Bearer {keys.stations[town.SPARE.station]}"
    yield f'    curl -H "{bearer}" --data-binary @{shlex.quote(str(your_car))} {address}/v1/events'
    yield f"      (speaks for {town.SPARE.station}: at stall {town.SPARE.name} stands a car, full for nine minutes)"
    yield from ("", "  As finance")
    yield f"    {address}/finance         what was posted and collected, and what does not come"
    yield f"    {address}/finance/queues  a fee in review, disputes, cards that were declined"
    yield from ("", f"  Notices are left in {settings.outbox}")
    yield f"  Payments go to a sandbox at {settings.stripe_url}: no money moves"
    gone = "The database stays, all else is removed" if kept else "Everything is removed"
    yield f"  {gone} when you press Ctrl-C"


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: what is temporary is removed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
