"""A small network for tests of the books: a seller, two sites, sessions as a station would post them. No tests here."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import text

from api.sandbox.serving import Sandbox
from api.settings import Settings
from api.wiring import Idlefee, running
from billing.owners import Owner, add_owner, give_token
from sessions.clock import FixedClock
from sessions.events import SessionEvent, parse_batch, rfc3339
from sessions.intake import EventResult, Upload
from sessions.sites import add_seller, add_site, add_station

NOON = 1_800_000_000  # when stories begin, UTC seconds
LATER = NOON + 30 * 24 * 3600  # when they are told: every session in them is over

SITES = {"harbour": ("h1", "h2"), "market": ("m1",)}


@cache
def _of_nobody() -> Settings:
    """The defaults, made once: asking the environment for each took as long as the rest of a world."""
    return Settings()


def settings_with(url: str, sandbox: Sandbox | None) -> Settings:
    """The database's, and with a sandbox the card processor's too."""
    settings = _of_nobody().model_copy(update={"database_url": url})
    if sandbox is not None:
        settings.stripe_key, settings.stripe_url = sandbox.key, sandbox.url
        settings.stripe_webhook_secret = sandbox.webhook_secret
    return settings


@contextmanager
def small_world(url: str, now: int = LATER, sandbox: Sandbox | None = None) -> Iterator[Idlefee]:
    """A running product on `url` with sites, stations and one owner, `ann`, whose token is `ANN`. Cards are charged at
    the sandbox; without one, not at all. Both live by one clock.
    """
    clock = FixedClock(now)
    if sandbox is not None:
        sandbox.state.follow(clock)
    with running(settings_with(url, sandbox), clock) as app:
        with app.writing() as connection:
            add_seller(connection, "acme", "Acme", "UTC", NOON)
            for site_id, stations in SITES.items():
                add_site(connection, site_id, "acme", site_id.title(), "Europe/Berlin", NOON)
                for station_id in stations:
                    add_station(connection, station_id, site_id, NOON)
            add_owner(connection, Owner("ann", "Ann", None), NOON)
            give_token(connection, app.names, uid="ANN", owner_id="ann", author="test", now=NOON)
        yield app


def a_session(
    station: str, session: str, *, idle_s: int | None = 600, at: int = NOON, token: str | None = "ANN"
) -> list[dict[str, Any]]:
    """Plugged in at `at`, full after half an hour, unplugged `idle_s` later; with none it never gets full."""
    steps: list[tuple[str, int]] = [("plugged_in", 0), ("charging_started", 10)]
    steps += [("unplugged", 1800)] if idle_s is None else [("charge_complete", 1800), ("unplugged", 1800 + idle_s)]
    named = {} if token is None else {"token": token}
    return [
        {
            "id": f"{session}-{number}",
            "station": station,
            "stall": "1",
            "session": session,
            "type": kind,
            "at": rfc3339(at + after),
            **(named if number == 1 else {}),
        }
        for number, (kind, after) in enumerate(steps, start=1)
    ]


def post(app: Idlefee, *streams: Sequence[dict[str, Any]]) -> list[EventResult]:
    """Upload the events through the one way in, and wait for the commit."""
    return app.intake.submit(Upload(parsed([event for stream in streams for event in stream]), "test")).result()


def parsed(stream: Sequence[dict[str, Any]]) -> list[SessionEvent]:
    """Events as the doors read them."""
    items = parse_batch(json.dumps(list(stream)).encode())
    events = [item for item in items if isinstance(item, SessionEvent)]
    assert len(events) == len(items), items
    return events


def told(app: Idlefee, statement: str) -> list[tuple[Any, ...]]:
    """The rows a statement answers."""
    with app.reading() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]
