"""What the machine could do at best: the same rows by a bare driver, and the emptiest servers there are."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from fastapi import FastAPI
from sqlalchemy import Engine

from sessions.database import metadata

WRITTEN = ("stalls", "tokens", "events", "sessions", "charges", "entries", "transfers", "jobs")
Rows = dict[str, tuple[list[str], list[tuple[Any, ...]]]]


def rows_of(engine: Engine) -> Rows:
    """Everything an upload run wrote, table by table."""
    found: Rows = {}
    with engine.connect() as connection:
        for name in WRITTEN:
            table = metadata.tables[name]
            rows = [tuple(row) for row in connection.execute(table.select())]
            found[name] = ([column.name for column in table.columns], rows)
    return found


def _shares(rows: Rows, commits: int) -> list[list[tuple[str, list[str], Sequence[tuple[Any, ...]]]]]:
    """The rows dealt out to as many commits; transfers go with their entries."""
    entries: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {row[:2]: [] for row in rows["transfers"][1]}
    for row in rows["entries"][1]:
        entries[row[:2]].append(row)
    shares = []
    for number in range(commits):
        share: list[tuple[str, list[str], Sequence[tuple[Any, ...]]]] = []
        for name, (columns, all_rows) in rows.items():
            size = -(-len(all_rows) // commits)
            part: Sequence[tuple[Any, ...]] = all_rows[number * size : (number + 1) * size]
            if name == "entries":
                size = -(-len(rows["transfers"][1]) // commits)
                posted = rows["transfers"][1][number * size : (number + 1) * size]
                part = [entry for transfer in posted for entry in entries[transfer[:2]]]
            if part:
                share.append((name, columns, part))
        shares.append(share)
    return shares


def bare_psycopg(url: str, rows: Rows, commits: int) -> float:
    """Write the rows with `executemany` in so many commits; seconds."""
    with psycopg.connect(url) as connection:
        begun = time.perf_counter()
        for share in _shares(rows, commits):
            with connection.transaction(), connection.cursor() as cursor:
                for name, columns, part in share:
                    marks = ", ".join(["%s"] * len(columns))
                    names = ", ".join(f'"{column}"' for column in columns)
                    cursor.executemany(f'INSERT INTO "{name}" ({names}) VALUES ({marks})', part)
        return time.perf_counter() - begun


def bare_sqlite(path: str, rows: Rows, commits: int) -> float:
    """The same with the driver of SQLite, `synchronous=FULL`."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    begun = time.perf_counter()
    for share in _shares(rows, commits):
        connection.execute("BEGIN IMMEDIATE")
        for name, columns, part in share:
            names = ", ".join(f'"{column}"' for column in columns)
            marks = ", ".join("?" * len(columns))
            connection.executemany(f'INSERT INTO "{name}" ({names}) VALUES ({marks})', part)
        connection.execute("COMMIT")
    took = time.perf_counter() - begun
    connection.close()
    return took


empty_fastapi = FastAPI(docs_url=None, redoc_url=None)


@empty_fastapi.post("/v1/events")
async def nothing() -> dict[str, str]:
    """An empty FastAPI POST."""
    return {}


async def empty_asgi(scope: Any, receive: Any, send: Any) -> None:
    """An empty plain ASGI POST; it reads the body, as any server must."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
