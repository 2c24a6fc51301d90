"""Uploads that arrive together share one commit: what one of them may do to the others, and what a stop does to all."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from api.wiring import Idlefee
from billing.engine import on_changes
from sessions import writer
from sessions.events import SessionEvent
from sessions.intake import Changes, EventResult, Status, Upload
from sessions.writer import Intake, Unavailable
from tests.integration.small_world import a_session, small_world, told

PATIENCE_S = 20
ANSWERED = "SELECT DISTINCT session_id FROM events ORDER BY session_id"


class Gate:
    """A listener of the intake: holds the first commit until let go, counts them all, fails where it is told to."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.fails: dict[str, Exception] = {}
        self._reached, self._open = threading.Event(), threading.Event()

    def __call__(self, connection: Connection, changes: Changes) -> None:
        sessions = [one.key.id for one in changes.folded]
        self.commits.append(sessions)
        if len(self.commits) == 1:
            self._reached.set()
            assert self._open.wait(PATIENCE_S)
        for session in sessions:
            if session in self.fails:
                raise self.fails[session]

    def wait(self) -> None:
        assert self._reached.wait(PATIENCE_S)

    def let_go(self) -> None:
        self._open.set()


class Counter:
    """An intake with a gate, and what was handed in."""

    def __init__(self, app: Idlefee) -> None:
        self.app, self.gate = app, Gate()
        self.intake = Intake(app.engine, app.clock, [on_changes, self.gate])
        self.intake.start()

    def submit(self, session: str) -> Future[list[EventResult]]:
        events = [SessionEvent.model_validate(event) for event in a_session("h1", session)]
        return self.intake.submit(Upload(events, "test"))

    def stored(self) -> list[str]:
        return [name for (name,) in told(self.app, ANSWERED)]


@pytest.fixture
def counter(database_url: str) -> Iterator[Counter]:
    with small_world(database_url) as app:
        found = Counter(app)
        try:
            yield found
        finally:
            found.gate.let_go()
            found.intake.close()


def all_accepted(answer: Future[list[EventResult]]) -> bool:
    return {one.status for one in answer.result(PATIENCE_S)} == {Status.ACCEPTED}


def behind_the_gate(counter: Counter, *sessions: str) -> list[Future[list[EventResult]]]:
    """One upload being committed, and these waiting behind it."""
    first = counter.submit("first")
    counter.gate.wait()
    return [first, *(counter.submit(session) for session in sessions)]


def test_uploads_that_wait_share_the_next_commit(counter: Counter) -> None:
    answers = behind_the_gate(counter, "a", "b", "c")
    assert not any(answer.done() for answer in answers), "nobody is answered before the commit"
    counter.gate.let_go()
    assert all(map(all_accepted, answers))
    assert counter.gate.commits == [["h1/first"], ["h1/a", "h1/b", "h1/c"]]


def test_an_upload_that_fails_takes_no_neighbour_along(counter: Counter) -> None:
    counter.gate.fails["h1/b"] = ZeroDivisionError("b is bad")
    with capture_logs() as logs:
        first, a, b, c = behind_the_gate(counter, "a", "b", "c")
        counter.gate.let_go()
        assert all(map(all_accepted, (first, a, c)))
        with pytest.raises(ZeroDivisionError):
            b.result(PATIENCE_S)
    assert [(one["event"], one["error"]) for one in logs if one["log_level"] == "error"] == [
        ("upload not stored", "b is bad")
    ]
    assert counter.stored() == ["h1/a", "h1/c", "h1/first"]
    assert all_accepted(counter.submit("later")), "the writer lives on"


def test_a_database_that_fails_is_not_waited_for_by_each_in_turn(counter: Counter) -> None:
    for session in "abc":
        counter.gate.fails[f"h1/{session}"] = OperationalError("INSERT", {}, Exception("disk full"))
    first, *others = behind_the_gate(counter, "a", "b", "c")
    counter.gate.let_go()
    assert all_accepted(first)
    for answer in others:
        with pytest.raises(Unavailable, match="disk full"):
            answer.result(PATIENCE_S)
    assert counter.gate.commits[1:] == [["h1/a", "h1/b", "h1/c"], ["h1/a"]]
    assert counter.stored() == ["h1/first"]


def test_who_hangs_up_takes_nothing_back(counter: Counter) -> None:
    async def hang_up(answer: Future[list[EventResult]]) -> None:
        waiting = asyncio.ensure_future(asyncio.wrap_future(answer))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    answers = behind_the_gate(counter, "gone", "stays")
    asyncio.run(hang_up(answers[1]))
    assert not answers[1].cancel()
    counter.gate.let_go()
    assert all(map(all_accepted, answers))
    assert counter.stored() == ["h1/first", "h1/gone", "h1/stays"]


def test_closing_finishes_what_was_handed_in_and_refuses_the_rest(counter: Counter) -> None:
    answers = behind_the_gate(counter, "a", "b")
    with ThreadPoolExecutor(1) as other:
        closing = other.submit(counter.intake.close)
        eventually(lambda: is_refused(counter.submit("late")))
        assert not closing.done()
        counter.gate.let_go()
        closing.result(PATIENCE_S)
    assert all(answer.done() for answer in answers)
    assert all(map(all_accepted, answers))
    assert set(counter.stored()) >= {"h1/a", "h1/b", "h1/first"}


def is_refused(answer: Future[list[EventResult]]) -> bool:
    return answer.done() and isinstance(answer.exception(), Unavailable)


def eventually(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(PATIENCE_S * 100):
        if holds():
            return
        waiting.wait(0.01)
    raise TimeoutError


def test_uploads_beyond_what_may_wait_are_turned_away(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING_UPLOADS", 2)
    with small_world(sqlite_url) as app:
        counter = Counter(app)
        answers = behind_the_gate(counter, "a", "b", "c")
        assert is_refused(answers[3])
        counter.gate.let_go()
        assert all(map(all_accepted, answers[:3]))
        assert all_accepted(counter.submit("c"))
        counter.intake.close()
