"""Limits are one for all processes, whoever counts, and a window's end is the end of it."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from api.access.limits import Limit
from api.access.sweeping import EVERY_S, LIMITS_KEPT_S
from api.worker import Worker
from sessions.clock import FixedClock
from tests.integration.small_world import NOON, small_world, told

TRIES = 60
WINDOW_S = 600

PORTION = 7

# Another process of the deployment, which tries as often as it takes to be refused.
_PROGRAM = f"""
import sys
from api.access.limits import Limit, Limits
from api.access.secret import Secret
from sessions.clock import FixedClock
from sessions.database import connect, reading

engine = connect(sys.argv[1])
with reading(engine) as connection:
    secret = Secret.load(connection)
limits, limit = Limits(engine, FixedClock({NOON}), secret), Limit("tries", {TRIES}, {WINDOW_S}, {PORTION})
print([limits.wait_s(limit, "somebody") for _ in range({TRIES})].count(0))
"""


def test_two_processes_share_one_limit(database_url: str) -> None:
    program = [sys.executable, "-c", _PROGRAM, database_url]
    running = [subprocess.Popen(program, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    passed = [int(process.communicate(timeout=60)[0]) for process in running]
    # What is taken in portions is never more; what a process took and did not need is lost to the others.
    assert TRIES - 2 * (PORTION - 1) <= sum(passed) <= TRIES


def test_threads_of_one_process_share_it_too(database_url: str) -> None:
    with small_world(database_url, NOON) as app, ThreadPoolExecutor(8) as threads:
        limit = Limit("tries", TRIES, WINDOW_S, portion=PORTION)
        waits = list(threads.map(lambda _: app.limits.wait_s(limit, "somebody"), range(3 * TRIES)))
        assert TRIES - PORTION * PORTION <= waits.count(0) <= TRIES
        assert set(waits) == {0, WINDOW_S - NOON % WINDOW_S}
        assert app.limits.wait_s(limit, "somebody else") == 0


def test_old_windows_are_swept(database_url: str) -> None:
    with small_world(database_url, NOON) as app:
        limit = Limit("tries", 1, WINDOW_S)
        clock = app.clock
        assert isinstance(clock, FixedClock)
        assert [app.limits.wait_s(limit, "somebody") > 0 for _ in range(2)] == [False, True]
        clock.advance(WINDOW_S)
        assert app.limits.wait_s(limit, "somebody") == 0
        clock.advance(LIMITS_KEPT_S + WINDOW_S - EVERY_S)
        assert app.limits.wait_s(limit, "somebody") == 0
        clock.advance(EVERY_S)
        Worker(app).run_due()
        assert told(app, "SELECT count(*) FROM rate_limits") == [(1,)]
