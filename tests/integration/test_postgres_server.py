"""The PostgreSQL that tests start by themselves: each source works, and nothing is left behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.databases import installed_programs, postgres_server, wheel_programs

SERVE_AND_WAIT = """
import sys, time
from tests.databases import postgres_server
with postgres_server() as url:
    print(url, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("find", [installed_programs, wheel_programs])
def test_a_server_starts_from_each_source_and_leaves_nothing(find: Callable[[], Path | None]) -> None:
    programs = find()
    if programs is None:
        pytest.skip(f"{find.__name__}: none on this machine")
    with postgres_server(programs=programs) as url:
        assert answer(url, "SELECT 6 * 7") == 42
    assert not folder_of(url).exists()


def test_a_durable_server_gives_up_nothing() -> None:
    with postgres_server(durable=True) as url:
        promises = [answer(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]
    assert promises == ["on", "on", "on"]


def test_a_killed_test_run_takes_its_server_with_it() -> None:
    run = subprocess.Popen([sys.executable, "-c", SERVE_AND_WAIT], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run.stdout:
        url = run.stdout.readline().strip()
    run.send_signal(signal.SIGKILL)
    run.wait()

    assert within(30, lambda: not folder_of(url).exists())


def answer(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def folder_of(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def within(limit_s: int, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
