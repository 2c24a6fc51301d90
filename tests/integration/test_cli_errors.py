"""Help and errors of the commands: one clear line that says what to do, an exit code that means something."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.command_line import Shell, run


@pytest.fixture
def lite(sqlite_url: str) -> Shell:
    """For what has nothing to do with the kind of database."""
    return Shell(sqlite_url)


def test_help_does_not_wait_for_the_database_driver() -> None:
    script = "import sys; from api.cli import main; main(['--help']); sys.exit('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "import" in done.stdout


EVERY_COMMAND = [
    *("serve", "demo", "worker", "migrate", "import", "explain", "find"),
    *("waive", "excuse", "out-of-service", "back-in-service", "void", "claim", "verify", "rerate"),
    *(f"{thing} {verb}" for thing in ("seller", "site", "station", "stall", "owner", "token", "vehicle", "access")
      for verb in ("add", "list")),
    *("access revoke", "review list", "review release", "review reject", "jobs list", "jobs revive"),
    *("tariff list", "tariff show", "tariff add", "tariff assign"),
]  # fmt: skip


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_explains_itself(command: str) -> None:
    ran = run(*command.split(), "--help")
    assert (ran.code, f"idlefee {command}" in ran.out) == (0, True)


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["site", "nothing"], ["waive", "s1"], ["site"], ["serve", "--port", "x"]]
)
def test_a_wrong_command_line_is_told_in_one_line_that_names_the_help(arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "--help`" in ran.err


@pytest.mark.parametrize(
    ("url", "code", "says"),
    [
        ("mysql://localhost/x", 2, "sqlite:///FILE"),
        ("no database", 2, "sqlite:///FILE"),
        ("sqlite:////nowhere/at/all.db", 3, "there is no database at /nowhere/at/all.db"),
        ("postgresql://nobody@127.0.0.1:1/none", 3, "cannot be used now"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_in_one_line(url: str, code: int, says: str) -> None:
    ran = run("site", "list", "--database", url)
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_locked_database_is_unavailable_and_nothing_is_stored(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.database.SQLITE_BUSY_TIMEOUT_S", 0)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ran = run("site", "add", "mill", "--database", sqlite_url)
        other.execute("ROLLBACK")
    assert (ran.code, "locked" in ran.err, ran.err.count("\n")) == (3, True, 1)
    assert Shell(sqlite_url).json("site", "list") == []


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are notes, not a database of any kind\n" * 100, encoding="utf-8")
    ran = run("site", "list", "--database", f"sqlite:///{file}")
    assert (ran.code, ran.err.count("\n")) == (3, 1), ran


def test_a_faulty_setting_is_named_as_the_environment_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDLEFEE_PORT", "eighty")
    ran = run("site", "list")
    assert (ran.code, ran.err.startswith("IDLEFEE_PORT: ")) == (2, True)


def test_a_defect_shows_no_traceback_unless_it_is_asked_for(lite: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("sessions.sites.all_sites", broken)
    ran = lite("station", "add", "st-1")
    assert (ran.code, ran.err.count("\n"), "boom" in ran.err) == (70, 1, True)
    monkeypatch.setenv("IDLEFEE_TRACEBACK", "1")
    assert "Traceback" in lite("station", "add", "st-1").err


def test_the_environment_names_the_database_and_an_option_goes_before_it(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDLEFEE_DATABASE_URL", sqlite_url)
    assert run("site", "add", "mill").code == 0
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert run("migrate", "--database", other).code == 0
    assert run("site", "list", "--json", "--database", other).json == []
    assert run("--database", other, "site", "list", "--json").json == []
    assert [site["site"] for site in run("site", "list", "--json").json] == ["mill"]


def test_a_role_that_cannot_be_kept_from_anything_is_refused(sqlite_url: str) -> None:
    ran = run("migrate", "--grant-to", "app", "--database", sqlite_url)
    assert (ran.code, "SQLite has no roles" in ran.err, ran.err.count("\n")) == (2, True, 1)
