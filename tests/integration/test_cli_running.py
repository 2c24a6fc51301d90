"""Commands that keep running, and those that look after what runs."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import httpx2
import pytest

from api.access.limits import LINKS_FROM_CLIENT
from sessions import migrations
from tests.integration.command_line import SAMPLE, Shell, run

IDLEFEE = (sys.executable, "-c", "import sys; from api.cli import main; sys.exit(main())")
ENDED_WITHIN_S = 20


@pytest.fixture
def shell(database_url: str) -> Shell:
    return Shell(database_url)


@pytest.fixture
def lite(sqlite_url: str) -> Shell:
    """For what has nothing to do with the kind of database."""
    return Shell(sqlite_url)


def test_migrate_names_the_database_without_its_password(shell: Shell) -> None:
    newest = max(file.name[:4] for file in Path(migrations.__file__).parent.glob("versions/0*.py"))
    assert shell.json("migrate")["revision"] == newest
    assert f"is at revision {newest}" in shell.ok("migrate").out


def test_nothing_is_overdue_and_nothing_parked_on_a_new_database(lite: Shell) -> None:
    assert lite.json("jobs", "list") == {"overdue": {}, "failing": [], "parked": []}


def test_serve_greets_the_first_operator_once_and_ends_on_ctrl_c(sqlite_url: str) -> None:
    environment = os.environ | {"IDLEFEE_DATABASE_URL": sqlite_url}
    for first in (True, False):
        with subprocess.Popen(
            [*IDLEFEE, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{address}/healthz") as answer:
                assert answer.status == 200
            server.send_signal(signal.SIGINT)
            greeting = server.stdout.read()  # `communicate` with a time-out forgets what came together with the address
        assert server.wait(ENDED_WITHIN_S) in {0, 130}
        assert (f"{address}/sign-in?key=" in greeting, "idlefee station add" in greeting) == (first, first)


@pytest.mark.parametrize("proxies", [None, "10.0.0.0/8,127.0.0.1"])
def test_only_a_proxy_that_was_named_is_believed_who_asks(sqlite_url: str, tmp_path: Path, proxies: str | None) -> None:
    trust = {} if proxies is None else {"IDLEFEE_TRUSTED_PROXIES": proxies}
    environment = os.environ | {"IDLEFEE_DATABASE_URL": sqlite_url, "IDLEFEE_OUTBOX": str(tmp_path)} | trust
    command = [*IDLEFEE, "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        answers = [
            httpx2.post(
                f"{address}/sign-in",
                data={"email": f"nobody{number}@example.com"},
                headers={"X-Forwarded-For": f"6.6.6.6, 203.0.113.{number}", "X-Forwarded-Proto": "https"},
            )
            for number in range(LINKS_FROM_CLIENT.most + 1)
        ]
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=ENDED_WITHIN_S)
    assert answers[-1].status_code == (429 if proxies is None else 200)
    assert ("strict-transport-security" in answers[0].headers) is (proxies is not None)


def test_a_busy_port_is_named_with_the_option_that_changes_it(sqlite_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "--port", port, "--database", sqlite_url)
    assert (ran.code, "--port" in ran.err, str(port) in ran.err) == (2, True, True)


def test_the_sample_imports_from_the_command_itself(tmp_path: Path) -> None:
    done = subprocess.run(
        [*IDLEFEE, "import", str(SAMPLE), "--database", f"sqlite:///{tmp_path / 'new.db'}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "$179.20" in done.stdout


def test_a_worker_ends_on_sigterm_with_nothing_left_half_done(sqlite_url: str) -> None:
    Shell(sqlite_url).ok("migrate")
    with subprocess.Popen([*IDLEFEE, "worker", "--database", sqlite_url], stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        assert "Ctrl-C ends it" in worker.stderr.readline()
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=ENDED_WITHIN_S)
    assert worker.returncode == 0
