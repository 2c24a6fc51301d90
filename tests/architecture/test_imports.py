"""Who may know whom. Imports point one way, api → billing → sessions, and the pure rooms know no database."""

from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, imports_of, python_files

# Where a package may not look, and how to do without.
FORBIDDEN = {
    "sessions": {
        "billing": "what happens at a stall has no price: register a listener in api/wiring",
        "api": "hand in what you need as an argument; api/wiring composes it",
        "stripe": "money moves in billing",
    },
    "billing": {
        "api": "hand in what you need as an argument; api/wiring composes it",
    },
}
HTTP_SERVERS = ("fastapi", "starlette", "uvicorn")

# Rooms that are rules and nothing else: given the same input they answer the same, on any machine.
PURE = (
    "sessions/events",
    "sessions/machine",
    "sessions/grace",
    "billing/money",
    "billing/tariffs",
    "billing/rating",
)
IMPURE = (
    "sqlalchemy",
    "psycopg",
    "sqlite3",
    "sessions.database",
    "sessions.statements",
    "sessions.store",
    "sessions.clock",
    "structlog",
)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    wrong = [
        f"{found.file}:{found.line} imports {found.module}: {fix}"
        for file in python_files(package)
        for found in imports_of(file)
        for banned, fix in FORBIDDEN[package].items()
        if found.is_of(banned)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ["sessions", "billing"])
def test_only_the_doors_know_an_http_server(package: str) -> None:
    wrong = [
        f"{found.file}:{found.line} imports {found.module}: raise an error with values, map it in api"
        for file in python_files(package)
        for found in imports_of(file)
        if any(found.is_of(server) for server in HTTP_SERVERS)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_touches_no_database_and_no_clock(room: str) -> None:
    wrong = [
        f"{found.file}:{found.line} imports {found.module}: let the caller pass in rows and time"
        for file in python_files(room.partition("/")[0])
        if is_in(file, room)
        for found in imports_of(file)
        if any(found.is_of(banned) for banned in IMPURE)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_product_does_not_import_its_tests() -> None:
    wrong = [
        f"{found.file}:{found.line} imports {found.module}: move what both need into the product"
        for file in python_files(*PACKAGES)
        for found in imports_of(file)
        if found.is_of("tests")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_slow_model_imports_nothing_of_the_product() -> None:
    """It is a second opinion only as long as it shares no line with the first."""
    wrong = [
        f"{found.file}:{found.line} imports {found.module}: write it again from the rules, inside tests/model"
        for file in python_files("tests")
        if is_in(file, "tests/model")
        for found in imports_of(file)
        if any(found.is_of(package) for package in PACKAGES)
    ]
    assert not wrong, "\n".join(wrong)


def is_in(file: Path, room: str) -> bool:
    """Is `file` the room's module, or inside the folder of that name?"""
    return file.with_suffix("").as_posix() == room or Path(room) in file.parents
