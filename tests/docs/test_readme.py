"""What the README lets a stranger paste works as it is written."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.databases import postgres_server
from tests.docs.reading import ROOT, blocks, page
from tests.integration.command_line import SAMPLE, Shell

README = ROOT / "README.md"
STATIONS = ROOT / "docs" / "stations.md"
PROGRAMS = Path(sys.executable).parent
ADDRESS = "http://127.0.0.1:8000"
WITHIN_S = 120


def environment(**more: str) -> Mapping[str, str]:
    """A terminal of somebody who has `idlefee` on the path and none of its settings."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("IDLEFEE_")}
    return mine | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"} | more


def paste(text: str, terminal: Mapping[str, str]) -> str:
    """What the shell prints; it stops at the first command that fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=ROOT,
        env=terminal,
        check=False,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@contextmanager
def serving(terminal: Mapping[str, str]) -> Iterator[str]:
    """`idlefee serve`, on a port of its own."""
    serve = [str(PROGRAMS / "idlefee"), "serve", "--port", "0"]
    with subprocess.Popen(serve, env=terminal, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def test_sixty_seconds_by_hand(tmp_path: Path) -> None:
    terminal = environment(IDLEFEE_DATABASE_URL=f"sqlite:///{tmp_path / 'idlefee.db'}")
    by_hand, shuffled, sample = blocks(README, "## Sixty seconds by hand", "bash")
    with serving(terminal) as address:
        printed = paste(f"{by_hand}\n{shuffled}\n{sample}".replace(ADDRESS, address), terminal)

    assert printed.count('"status":"accepted"') == 8
    assert printed.count('"status":"duplicate"') == 1
    assert printed.count("You pay $0.40 for 1 minute after the grace period.") == 2
    assert "8 events, 2 sessions, 2 charges" in printed
    assert re.findall(r"# (Fees: .*)$", sample, re.MULTILINE)[0] in printed


def test_the_total_of_the_sample_is_exact(sqlite_url: str) -> None:
    assert Shell(sqlite_url).json("import", SAMPLE)["total_minor"] == 179_20
    assert "Fees: $179.20," in page(README)


def test_a_vendors_three_calls(tmp_path: Path) -> None:
    terminal = environment(IDLEFEE_DATABASE_URL=f"sqlite:///{tmp_path / 'idlefee.db'}")
    (calls,) = blocks(STATIONS, "# For a vendor's engineer", "sh")
    key = paste("idlefee site add depot && idlefee station add alpha --site depot | tail -1", terminal).split()[-1]
    with serving(terminal) as address:
        printed = paste(re.sub(r"KEY=\S+", f"KEY={key}", calls).replace(ADDRESS, address), terminal)

    assert printed.count('"status":"accepted"') == 4
    assert '"fee_minor":40,' in printed


@pytest.fixture(scope="module")
def superuser() -> Iterator[str]:
    """A server of this module alone: roles belong to a server, not to a database."""
    with postgres_server() as url:
        yield url


def test_on_postgresql_with_a_role_that_cannot_change_what_is_posted(superuser: str) -> None:
    (statements,) = blocks(README, "## On PostgreSQL", "sql")
    (commands,) = blocks(README, "## On PostgreSQL", "bash")
    with psycopg.connect(superuser, autocommit=True) as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.execute(statement.encode())
    here = commands.replace("@127.0.0.1/idlefee", f"@/idlefee?{superuser.partition('?')[2]}")
    assert here != commands
    prepare, serve = here.rsplit("\n", 2)[:2]
    assert serve == "idlefee serve"

    imported = paste(f"{prepare}\nidlefee import docs/examples/site-day.csv\nidlefee verify", environment())
    assert "$179.20" in imported
    assert "every one is what the facts say" in imported
    app_url = re.findall(r"IDLEFEE_DATABASE_URL=(\S+)", here)[0]
    with (
        psycopg.connect(app_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="entries"),
    ):
        connection.execute("UPDATE entries SET amount_minor = 0")
