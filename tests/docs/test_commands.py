"""Commands, targets, routes and metrics that the pages name are there."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from api.cli.commands import MODULES
from api.cli.frame import app
from tests.docs.reading import PAGES, ROOT, commands, name, page
from tests.integration.doors import Doors, open_doors

_ROUTE = re.compile(r"\b(GET|POST|DELETE) (/[\w./{}-]*)")
_METRIC = re.compile(r"\bidlefee_[a-z_]+")


@cache
def idlefee() -> Any:
    for module in MODULES:
        import_module(f"api.cli.{module}")
    return typer.main.get_command(app)


def typed(path: Path) -> list[str]:
    """Every `idlefee …` of a page, from the command's name on, up to whatever ends it in a shell."""
    started = [
        words for line in commands(path) for words in re.findall(r"(?:^|[\s(]|bin/)idlefee(?:$|\s([a-z-].*))", line)
    ]
    return [re.split(r"[;|)&>]|\s<", words)[0].strip() for words in started]


def fault(line: str) -> str | None:
    """What the command's own parser would not know in it."""
    words = shlex.split(line.replace("'", "")) if line else []
    command, path = idlefee(), "idlefee"
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        path, word = f"{path} {words[0]}", words.pop(0)
        if word not in command.commands:
            return f"`{path}` is no command"
        command = command.commands[word]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word not in known | {"--help"}]
    return f"`{path}` has no {', '.join(unknown)}" if unknown else None


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_command_and_option_exists(path: Path) -> None:
    wrong = [found for line in typed(path) if (found := fault(line))]
    assert not wrong, f"{name(path)}: {'; '.join(wrong)}"


def test_a_command_that_is_not_there_is_found() -> None:
    assert fault("tariff forget standard") == "`idlefee tariff forget` is no command"
    assert fault("site add depot --continent Europe") == "`idlefee site add` has no --continent"
    assert len([line for path in PAGES for line in typed(path)]) > 50, "the pages are full of commands"


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (name(path), m) for path in PAGES for line in commands(path) for m in re.findall(r"\bmake ([a-z-]+)", line)
    }
    assert named
    wrong = [f"{path}: make {target}" for path, target in sorted(named) if target not in targets]
    assert not wrong, f"the Makefile has no such target: {'; '.join(wrong)}"


@pytest.fixture
def doors(sqlite_url: str) -> Iterator[Doors]:
    with open_doors(sqlite_url) as opened:
        yield opened


def test_every_route_exists(doors: Doors) -> None:
    paths: dict[str, dict[str, Any]] = doors.client.get("/openapi.json").json()["paths"]
    routes = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", route)), [*methods]) for route, methods in paths.items()]
    named = {(name(path), *match) for path in PAGES for match in _ROUTE.findall(page(path))}
    assert named
    wrong = [
        f"{path}: {method} {route}"
        for path, method, route in sorted(named)
        if not any(method.lower() in methods and pattern.fullmatch(route) for pattern, methods in routes)
        and doors.client.request(method, route).status_code == 404
    ]
    assert not wrong, f"no door like that: {'; '.join(wrong)}"


def test_every_metric_exists(doors: Doors) -> None:
    told = set(re.findall(r"^# TYPE (\w+)", doors.client.get("/metrics").text, re.MULTILINE))
    named = set(_METRIC.findall(page(ROOT / "docs" / "operating.md")))
    assert named
    assert named <= told, f"/metrics tells {', '.join(sorted(told))}, not {', '.join(sorted(named - told))}"
