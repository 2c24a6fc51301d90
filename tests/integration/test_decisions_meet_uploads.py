"""A decision and an upload at the same moment, on PostgreSQL: neither sees the other, and the bill is right.

On SQLite there is one writer, and so no such moment.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from api.wiring import Idlefee
from api.worker import Worker
from billing import decisions
from billing.decisions.fees import LOOK_AGAIN_AFTER_S
from billing.engine import on_changes
from billing.owners import give_token
from billing.verify import Difference, verify
from sessions.events import SessionEvent, parse_batch, rfc3339
from sessions.intake import Upload, record
from tests.integration.small_world import NOON, a_session, small_world, told

NOW = NOON + 3600
FAULTS = [
    {"id": f"f-{n}", "station": "h1", "stall": "1", "type": kind, "at": rfc3339(NOON + at), "cause": "power"}
    for n, (kind, at) in enumerate((("station_fault", 1800), ("station_restored", 1850)))
]


@pytest.fixture
def app(postgres_url: str) -> Iterator[Idlefee]:
    with small_world(postgres_url, NOW) as app:
        yield app


def upload(*streams: Sequence[dict[str, Any]]) -> Upload:
    events = parse_batch(json.dumps([event for stream in streams for event in stream]).encode())
    return Upload([event for event in events if isinstance(event, SessionEvent)], "test")


def take_in(app: Idlefee, connection: Connection, *streams: Sequence[dict[str, Any]]) -> None:
    record(connection, [upload(*streams)], app.clock.now(), app.names, [on_changes])


def excuse(connection: Connection) -> None:
    decisions.excuse(connection, "harbour", NOON, NOW, author="test", reason="x", now=NOW)


def excuse_the_stall(connection: Connection) -> None:
    decisions.excuse(connection, "harbour", NOON, NOW, author="test", reason="x", now=NOW, stall=("h1", "1"))


def void_the_restoration(connection: Connection) -> None:
    decisions.void_event(connection, "h1", "f-1", author="test", reason="x", now=NOW)


def waits_for_a_lock(url: str) -> bool:
    with psycopg.connect(url) as connection:
        waiting = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
    return waiting is not None and waiting[0] > 0


def at_the_same_moment(app: Idlefee, decide: Callable[[Connection], None], then: Sequence[dict[str, Any]] = ()) -> None:
    """The upload has settled its session and not committed when the decision is taken; `then` it takes in more."""

    def take() -> None:
        with app.writing() as connection:
            decide(connection)

    with ThreadPoolExecutor(1) as elsewhere:
        with app.writing() as connection:
            take_in(app, connection, a_session("h1", "s", token="NEW"))
            decision = elsewhere.submit(take)
            while not decision.done() and not waits_for_a_lock(app.settings.database_url):
                wait([decision], 0.01)
            take_in(app, connection, then)
        decision.result()


@pytest.mark.parametrize("decide", [excuse, excuse_the_stall, void_the_restoration])
def test_a_decision_finds_the_session_that_is_just_being_settled(
    app: Idlefee, decide: Callable[[Connection], None]
) -> None:
    """By itself the session costs $1.60; excused, or with the fault that no restoration ends, nothing."""
    with app.writing() as connection:
        take_in(app, connection, FAULTS, a_session("h1", "before", at=NOON - 9_000))  # stall and tariff are known
    at_the_same_moment(app, decide)
    assert told(app, "SELECT computed_minor FROM charges WHERE session_id = 'h1/s'") == [(0,)]
    assert_clean(app)


def test_an_upload_may_name_a_new_stall_while_a_decision_about_its_site_waits_for_it(app: Idlefee) -> None:
    """The stall's row refers to the site, which the decision holds: neither may wait for the other."""
    with app.writing() as connection:
        take_in(app, connection, a_session("h1", "before", at=NOON - 9_000))
    new_stall = [event | {"stall": "new"} for event in a_session("h1", "t")]
    at_the_same_moment(app, excuse, then=new_stall)
    fees = dict(told(app, "SELECT session_id, computed_minor FROM charges"))
    assert (fees["h1/s"], fees["h1/t"]) == (0, 0)
    assert_clean(app)


def test_a_token_given_while_a_session_of_it_is_settled_finds_it_a_minute_later(app: Idlefee) -> None:
    """Nobody is waited for: a token may be used at any station."""
    whose = "SELECT session_id, owner_id FROM charges ORDER BY session_id"
    with app.writing() as connection:
        take_in(app, connection, a_session("h1", "known", token="NEW", at=NOON - 9_000))
    with app.writing() as connection:
        take_in(app, connection, a_session("m1", "meanwhile", token="NEW"))
        with app.writing() as another:
            token_id = give_token(another, app.names, uid="NEW", owner_id="ann", author="test", now=NOW)
            decisions.token_given(another, token_id, 0, None, NOW)
    assert told(app, whose) == [("h1/known", "ann"), ("m1/meanwhile", None)]
    app.clock.advance(LOOK_AGAIN_AFTER_S)  # type: ignore[attr-defined]
    Worker(app, channels=[]).run_due()
    assert told(app, whose) == [("h1/known", "ann"), ("m1/meanwhile", "ann")]
    assert_clean(app)


def test_a_token_may_be_given_while_a_station_names_it_for_the_first_time(app: Idlefee) -> None:
    def give(connection: Connection) -> None:
        token_id = give_token(connection, app.names, uid="NEW", owner_id="ann", author="test", now=NOW)
        decisions.token_given(connection, token_id, 0, None, NOW)

    at_the_same_moment(app, give)
    assert told(app, "SELECT owner_id FROM charges") == [("ann",)]


def assert_clean(app: Idlefee) -> None:
    found: list[Difference] = []
    verify(app.engine, app.clock.now(), found.append)
    assert found == []
