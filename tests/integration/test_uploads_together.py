"""Several server processes on one PostgreSQL take halves of the same sessions at once, while an operator decides: it
comes to what one process makes of it alone, and no lock stands in anybody's way.
"""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import select

from api.wiring import Idlefee
from billing import decisions
from billing.assignments import assign, latest
from billing.settle import charge_from_row
from billing.store.tables import charges
from billing.verify import verify
from sessions.intake import Upload
from tests.integration.small_world import LATER, NOON, a_session, parsed, small_world, told

PROCESSES = 3
SESSIONS = 24
UPLOADS = 20  # by each process
ROOT = Path(__file__).resolve().parents[2]

UPLOADER = """
import json, sys
from api.settings import Settings
from api.wiring import running
from sessions.clock import FixedClock
from sessions.intake import Upload
from tests.integration.small_world import parsed

with running(Settings(database_url=sys.argv[1]), FixedClock(int(sys.argv[2]))) as app:
    print("ready", flush=True)
    uploads = json.loads(sys.stdin.readline())
    answers = [app.intake.submit(Upload(parsed(upload), "test")) for upload in uploads]
    print(json.dumps([[one.status for one in answer.result()] for answer in answers]), flush=True)
"""


def stream() -> list[dict[str, Any]]:
    """Sessions that follow and overlap each other on three stations, and faults of whole stations and of stalls."""
    events: list[dict[str, Any]] = []
    for number in range(SESSIONS):
        station, at = ("h1", "h2", "m1")[number % 3], NOON + number * 900
        stay, stall = a_session(station, f"s{number}", idle_s=300 + 60 * number, at=at), str(number // 3 % 2)
        events += [{**event, "stall": stall} for event in stay]
        fault = {"station": station, "cause": "outage"} | ({"stall": "1"} if number % 2 else {})
        for kind, after in (("station_fault", 1900), ("station_restored", 2000)):
            events.append({**fault, "id": f"{number}-{kind}", "type": kind, "at": stamp(at + after)})
    return events


def stamp(at: int) -> str:
    return str(a_session("h1", "any", at=at)[0]["at"])


def dealt(events: list[dict[str, Any]]) -> list[list[list[dict[str, Any]]]]:
    """For each process its uploads: every event once, in no order, and some of another process's besides."""
    chance = random.Random(2018)
    shuffled = chance.sample(events, len(events))
    hands = [shuffled[number::PROCESSES] for number in range(PROCESSES)]
    hands = [hand + chance.sample(events, len(events) // 10) for hand in hands]
    return [[hand[at::UPLOADS] for at in range(UPLOADS)] for hand in hands]


def priced_by_occupancy(app: Idlefee) -> None:
    """At the market fees depend on the neighbours, so that whole sites are locked."""
    with app.writing() as connection:
        tiers = latest(connection, "tiers_2018_usd")
        assign(connection, "market", tiers, author="test", reason="test", now=NOON)


def decide(app: Idlefee) -> None:
    for number in range(10):
        site, at = ("harbour", "market")[number % 2], NOON + number * 1800
        with app.writing() as connection:
            decisions.excuse(connection, site, at, at + 60, author="test", reason="ice", now=LATER)


def bills(app: Idlefee) -> dict[str, tuple[str | None, int, int, str]]:
    with app.reading() as connection:
        found = [charge_from_row(row) for row in connection.execute(select(charges)).mappings()]
    return {one.key.id: (one.owner_id, one.fee_minor, one.tax_minor, one.report) for one in found}


def test_processes_that_share_sessions_make_of_them_what_one_makes(postgres_url: str, sqlite_url: str) -> None:
    with small_world(sqlite_url) as alone:
        priced_by_occupancy(alone)
        alone.intake.submit(Upload(parsed(stream()), "test")).result()
        decide(alone)
        expected = bills(alone)
    with small_world(postgres_url) as app:
        priced_by_occupancy(app)
        statuses = upload_together(app, postgres_url)
        assert statuses == ["accepted"] * len(stream()) + ["duplicate"] * (len(statuses) - len(stream()))
        assert bills(app) == expected
        assert verify(app.engine, LATER, print).clean
        assert told(app, "SELECT count(*) FROM charges WHERE fee_minor > 0") > [(SESSIONS // 2,)]


def upload_together(app: Idlefee, url: str) -> list[str]:
    """All at once, with an operator's decisions in between; every answer, sorted."""
    command = [sys.executable, "-c", UPLOADER, url, str(LATER)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(PROCESSES)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process, uploads in zip(processes, dealt(stream()), strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(uploads) + "\n")
            process.stdin.flush()
        decide(app)
        told_by = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * PROCESSES, told_by
    assert not any("failed" in out + err for out, err in told_by), told_by
    return sorted(status for out, _ in told_by for statuses in json.loads(out) for status in statuses)
