"""Time is an input: only sessions/clock.py reads the wall clock, and no statement asks a database for it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, parsed, python_files

CLOCK = Path("sessions/clock.py")
FIX = "take a Clock, or the time itself, as an argument; only sessions/clock.py reads the wall clock"

WALL_CLOCK = {
    *(("time", name) for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "strftime")),
    *(("datetime", name) for name in ("now", "utcnow", "today")),
    *(("date", "today"), ("func", "now"), ("func", "current_timestamp"), ("func", "clock_timestamp")),
}
SQL_CLOCK = re.compile(
    r"\b(CURRENT_(TIMESTAMP|DATE|TIME)|(now|clock_timestamp|unixepoch|julianday)\s*\(\s*('now'\s*)?\))",
    re.IGNORECASE,
)


def wall_clock_readings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of everything in a module that would read the wall clock, in Python or in SQL."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (_last_name(node.value), node.attr) in WALL_CLOCK:
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from ((node.lineno, f"time.{a.name}") for a in node.names if ("time", a.name) in WALL_CLOCK)
        elif isinstance(node, ast.Constant) and id(node) not in prose and (found := _asks_sql(node.value)):
            yield node.lineno, found


def _asks_sql(value: object) -> str | None:
    found = SQL_CLOCK.search(value) if isinstance(value, str) else None
    return found and found.group()


def _last_name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def test_only_the_clock_reads_the_wall_clock() -> None:
    wrong = [
        f"{file}:{line} reads `{text}`: {FIX}"
        for file in python_files(*PACKAGES)
        if file != CLOCK
        for line, text in wall_clock_readings(parsed(file))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "source",
    [
        "time.time()",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "from time import time_ns",
        "select(func.now())",
        "text('DELETE FROM jobs WHERE due < CURRENT_TIMESTAMP')",
        "field(default_factory=time.time)",
    ],
)
def test_a_reading_of_the_wall_clock_is_seen(source: str) -> None:
    assert list(wall_clock_readings(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["time.monotonic()", "clock.now()", "datetime.fromtimestamp(at, UTC)", "'''now() is banned'''"]
)
def test_other_times_are_left_alone(source: str) -> None:
    assert not list(wall_clock_readings(ast.parse(source)))
