"""`idlefee demo` as a visitor has it: started as a command, read from its own words, ended by Ctrl-C."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener, urlopen

import pytest
from sqlalchemy import text

from api.cli import main
from api.fleet.demo import SpeedUnusable, run
from sessions.database import connect, reading
from tests.integration.page_visits import words_of

READY_WITHIN_S = 60
ENDED_WITHIN_S = 3  # two, and one for a busy machine
LAST_WORDS = "when you press Ctrl-C"
IDLEFEE = [sys.executable, "-c", "import sys; from api.cli import main; sys.exit(main())"]


@dataclass
class Visit:
    """A running demo and what it said on its standard output."""

    process: subprocess.Popen[str]
    folder: Path
    said: list[str] = field(default_factory=list)
    front_page: str = ""  # as it was at once

    def read(self) -> None:
        """Up to the last words of the greeting."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if LAST_WORDS in line:
                return
        raise AssertionError(f"it ended with {self.process.wait()} after saying {self.said}")

    @property
    def address(self) -> str:
        return next(line.strip() for line in self.said if line.strip().startswith("http://"))

    def line_with(self, text: str) -> str:
        return next(line.strip() for line in self.said if text in line)

    def link(self, role: str) -> str:
        return re.sub(r".*(http://)", r"\1", next(line for line in self.said if line.split()[:1] == [role]))

    def end(self, how: signal.Signals) -> tuple[int, float, str]:
        """Its exit code, how many seconds it took, and what it said on its standard error."""
        started_s = time.monotonic()
        self.process.send_signal(how)
        _, errors = self.process.communicate(timeout=READY_WITHIN_S)
        return self.process.returncode, time.monotonic() - started_s, errors


@contextmanager
def visiting(folder: Path, *options: str) -> Iterator[Visit]:
    """A demo on a free port, its temporary files under `folder`; it is over when the block ends."""
    process = subprocess.Popen(
        [*IDLEFEE, "demo", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        cwd=Path(__file__).parents[2],
    )
    visit = Visit(process, folder)
    watchdog = _kill_after(process, READY_WITHIN_S)
    try:
        visit.read()
        visit.front_page = get(visit.address)
        watchdog.cancel()
        yield visit
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def _kill_after(process: subprocess.Popen[str], seconds: float) -> Any:
    from threading import Timer

    timer = Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    return timer


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """For all who only look at it, as it takes a while to come up; in the end it must go as it promised."""
    with visiting(tmp_path_factory.mktemp("demo")) as visit:
        yield visit
        ctrl_c_ends_it_at_once_and_leaves_nothing(visit)


def ctrl_c_ends_it_at_once_and_leaves_nothing(visit: Visit) -> None:
    stream = Request(f"{visit.address}/live/stalls", headers={"Accept": "text/event-stream"})
    with urlopen(stream, timeout=10) as watching:
        assert watching.readline()  # a page is open and hears what moves
        assert list(visit.folder.iterdir())
        code, took_s, errors = visit.end(signal.SIGINT)
    assert (code, errors) == (0, "")
    assert took_s < ENDED_WITHIN_S
    assert list(visit.folder.iterdir()) == []


def get(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def signing_in(demo: Visit, browser: OpenerDirector, role: str) -> Any:
    """Press the button behind the link of a role."""
    key = demo.link(role).partition("?")[2]
    return browser.open(f"{demo.address}/sign-in/open", data=key.encode(), timeout=10)


def as_role(demo: Visit, role: str, path: str) -> str:
    """A page as somebody sees it who signed in by their link."""
    browser = build_opener(HTTPCookieProcessor())
    signing_in(demo, browser, role).close()
    with browser.open(demo.address + path, timeout=10) as answer:
        return str(answer.read().decode())


def idlefee(command: str) -> subprocess.CompletedProcess[str]:
    """One of the commands that the demo proposes, by this Python."""
    words = shlex.split(command)
    assert Path(words[0]).name == "idlefee"
    return subprocess.run([*IDLEFEE, *words[1:]], capture_output=True, text=True, timeout=60, check=False)


def test_it_names_what_is_to_be_seen_and_a_link_for_each_role(demo: Visit) -> None:
    assert get(f"{demo.address}/healthz")
    links = {demo.link(role) for role in ("owner", "finance", "operator", "support")}
    assert len(links) == 4
    assert all(link.startswith(f"{demo.address}/sign-in?key=idf_") for link in links)


def stalls_on(page: str) -> dict[str, str]:
    """What the front page says of each stall, its tags left out."""
    blocks = re.findall(r'<div id="stall:([^"]+)">(.*?)</div>\s*<div id="bar-', page, re.DOTALL)
    return {name: " ".join(unescape(re.sub(r"<[^>]*>", " ", block)).split()) for name, block in blocks}


def test_at_once_the_front_page_shows_all_four_states(demo: Visit) -> None:
    stalls = stalls_on(demo.front_page)
    assert len(stalls) == 11
    assert "Charging" in stalls["harbor-1/A"]
    assert "Idle" in stalls["harbor-2/A"]
    assert "$1.60" in stalls["harbor-2/A"]
    assert "Excused" in stalls["harbor-2/B"]


def test_at_once_a_car_is_in_the_last_twenty_seconds_of_its_grace(demo: Visit) -> None:
    grace = stalls_on(demo.front_page)["harbor-1/B"]
    assert "Grace" in grace
    left = re.search(r"\b0:(\d\d) left", grace)
    assert left
    assert 0 < int(left[1]) <= 20


def test_the_books_come_to_zero(demo: Visit) -> None:
    assert "all entries together come to <strong>$0.00</strong>" in demo.front_page


def test_payments_went_to_the_sandbox_and_every_page_says_so(demo: Visit) -> None:
    said = "Payments go to a sandbox: no money moves."
    assert said in demo.front_page
    assert demo.line_with("no money moves").startswith("Payments go to a sandbox at http://127.0.0.1:")
    today = words_of(as_role(demo, "finance", "/finance"))
    posted, collected = (re.search(rf"{name} (?:-?\$[\d.]+ ){{2}}\$([\d.]+)", today) for name in ("then", "went back"))
    assert posted is not None
    assert collected is not None
    assert float(posted[1]) > float(collected[1]) > 10
    queues = words_of(as_role(demo, "finance", "/finance/queues"))
    assert "one message id came with two different contents" in queues
    assert "Decide about a dispute" in queues
    assert "trying" in queues
    assert "Nothing was compared yet" not in as_role(demo, "finance", "/finance/reconciliation")
    paid = words_of(as_role(demo, "owner", "/me/payment"))
    assert "Visa ending in 4242" in paid
    assert "Lantern Charging: paid" in paid
    assert said in paid


@pytest.mark.parametrize(
    ("role", "home", "shows"),
    [
        ("owner", "/me", "Vehicles"),
        ("finance", "/finance", "Lantern Charging, USD"),
        ("operator", "/operations", "Harbor Lot"),
        ("support", "/support", "Find"),
    ],
)
def test_each_link_signs_in_to_the_page_of_its_role(demo: Visit, role: str, home: str, shows: str) -> None:
    browser = build_opener(HTTPCookieProcessor())
    with browser.open(demo.link(role), timeout=10) as answer:
        assert "Sign in as" in answer.read().decode()
    with signing_in(demo, browser, role) as answer:
        assert answer.url == f"{demo.address}{home}"
        assert shows in answer.read().decode()


def test_the_proposed_explanation_tells_of_the_excused_time(demo: Visit) -> None:
    done = idlefee(demo.line_with(" explain "))
    assert done.returncode == 0, done.stderr
    assert "stuck cable" in done.stdout
    assert "$3.20" in done.stdout


def test_the_books_of_the_day_verify(demo: Visit) -> None:
    done = idlefee(demo.line_with(" verify "))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_proposed_upload_puts_a_car_on_the_spare_stall(demo: Visit) -> None:
    command = shlex.split(demo.line_with("curl "))
    header, file = command[command.index("-H") + 1], command[command.index("--data-binary") + 1].removeprefix("@")
    authorization = header.removeprefix("Authorization: ")
    body = Path(file).read_bytes()
    request = Request(command[-1], body, {"Authorization": authorization}, method="POST")
    with urlopen(request, timeout=10) as answer:
        results = json.load(answer)["results"]
    assert [result["status"] for result in results] == ["accepted"] * len(results)
    station, session = (json.loads(body.splitlines()[0])[name] for name in ("station", "session"))
    asked = Request(
        f"{demo.address}/v1/stations/{station}/sessions/{session}", headers={"Authorization": authorization}
    )
    with urlopen(asked, timeout=10) as answer:
        seen = json.load(answer)
    assert seen["state"] == "running"
    assert seen["report"]["fee_minor"] >= 1_60  # full for nine minutes at the opening, and longer since


def test_a_busy_port_is_named_with_the_option_that_changes_it(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in told
    assert "--port" in told


def heard_of(database: str) -> set[str]:
    """Stations that posted an event themselves, since the opening; waits for the first of them."""
    posted = text("SELECT station_id FROM events WHERE author LIKE 'station:%' AND author <> 'station:demo'")
    engine = connect(database)
    heard: set[str] = set()
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s and not heard:
        with reading(engine) as connection:
            heard = set(connection.execute(posted).scalars())
        time.sleep(0.05)
    engine.dispose()
    return heard


def test_stations_go_on_over_http_and_a_database_that_is_kept_is_not_used_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = f"sqlite:///{tmp_path / 'kept.db'}"
    with visiting(tmp_path, "--database", database, "--speed", "60") as visit:
        assert heard_of(database)
        code, _, errors = visit.end(signal.SIGTERM)
    assert (code, errors) == (0, "")
    assert [file.name for file in tmp_path.iterdir()] == ["kept.db"]
    assert main(["demo", "--port", "0", "--database", database]) == 2
    assert "--database" in capsys.readouterr().err


@pytest.mark.parametrize("speed", [0, -1, 601, float("nan")])
def test_a_speed_that_makes_no_sense_is_refused(speed: float) -> None:
    with pytest.raises(SpeedUnusable, match="--speed is above 0 and at most 600"):
        run(speed=speed)
