"""Runs `idlefee` commands as a test of this process. No tests here."""

import contextlib
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from api.cli import main

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "site-day.csv"


class Ran(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object) -> Ran:
    """One command, as a shell would run it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


class Shell:
    """A shell whose IDLEFEE_DATABASE_URL names one database."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url

    def __call__(self, *arguments: object) -> Ran:
        return run("--database", self.database_url, *arguments)

    def ok(self, *arguments: object) -> Ran:
        """A command that must succeed."""
        ran = self(*arguments)
        assert ran.code == 0, ran
        return ran

    def json(self, *arguments: object) -> Any:
        """What a command that must succeed prints with --json."""
        return self.ok(*arguments, "--json").json


def a_stay(session: str, idle_s: int, *, station: str = "st-1", day: int = 1, token: str | None = None) -> list[str]:
    """A session's events as JSON lines: full after half an hour, unplugged `idle_s` seconds later."""
    hour, minute, second = 10 + (1800 + idle_s) // 3600, (1800 + idle_s) // 60 % 60, (1800 + idle_s) % 60
    steps = [
        ("plugged_in", "10:00:00"),
        ("charging_started", "10:00:10"),
        ("charge_complete", "10:30:00"),
        ("unplugged", f"{hour}:{minute:02}:{second:02}"),
    ]
    return [
        json.dumps(
            {
                "id": f"{session}-{kind}",
                "station": station,
                "stall": "1",
                "session": session,
                "type": kind,
                "at": f"2025-05-{day:02}T{time}Z",
            }
            | ({"token": token} if token and kind == "plugged_in" else {})
        )
        for kind, time in steps
    ]


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
