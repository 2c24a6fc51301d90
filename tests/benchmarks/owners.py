"""Owners: how long after a commit a notice is handed over, and how long after one an open page knows.

Both against the real server on PostgreSQL, the notices through a mail server of ours. Times are taken from the answer
to the upload, which comes after the commit.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from api.access.browsers import open_browser
from api.access.keys import Principal, Role, issue
from api.settings import Settings
from api.wiring import running
from billing.owners import Owner, add_owner, give_token
from sessions.events import rfc3339
from sessions.sites import add_seller, add_site, add_station
from tests.benchmarks.load import Target, post_all
from tests.benchmarks.servers import free_port, serving
from tests.databases import PostgresDatabases, postgres_server

SITES, STATIONS, STALLS = 20, 100, 20
COMPLETIONS_A_MINUTE, MINUTES = 200, 1
PAGES, CHANGES, CHANGES_A_SECOND = 2_000, 300, 10
LIMIT_S = 1.0


def main() -> None:
    with postgres_server(durable=True) as server:
        databases = PostgresDatabases(server)
        with databases.empty() as url:
            _notices(url)
        with databases.empty() as url:
            _pages(url)


# -- notices ------------------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    """A mail server that notes when whose mail came."""

    arrived: dict[str, float] = field(default_factory=dict)

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.arrived.setdefault(envelope.rcpt_tos[0].partition("@")[0], time.perf_counter())
        return "250 taken"


def _notices(url: str) -> None:
    """Cars become full one after the other; each owner's mail is waited for."""
    count = COMPLETIONS_A_MINUTE * MINUTES
    town = _found(url, count)
    mailbox = Mailbox()
    mail = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    mail.start()
    try:
        smtp = {"IDLEFEE_SMTP_URL": f"smtp://127.0.0.1:{mail.port}"}
        with serving("idlefee+worker", url, town.key, smtp) as target:
            town.plug_in(target, range(count))
            told = asyncio.run(_complete(target, town, list(range(count)), COMPLETIONS_A_MINUTE / 60))
            _wait_for(lambda: len(mailbox.arrived) >= count, 30)
    finally:
        mail.stop()
    waits = [max(0.0, mailbox.arrived.get(f"owner{number}", float("inf")) - at) for number, at in told.items()]
    _print(f"notice after charge_complete, {COMPLETIONS_A_MINUTE} a minute", waits)


def _wait_for(done: Any, at_most_s: float) -> None:
    until = time.monotonic() + at_most_s
    while not done() and time.monotonic() < until:
        time.sleep(0.05)


# -- open pages ---------------------------------------------------------------------------------------------


def _pages(url: str) -> None:
    """Every owner has their page open while a car stands plugged in; some cars become full."""
    town = _found(url, PAGES)
    with serving("idlefee", url, town.key) as target:
        town.plug_in(target, range(PAGES))
        asyncio.run(_pages_of(target, town))


async def _pages_of(target: Target, town: "Town") -> None:
    before = _resident_bytes(target.pid)
    pages = [OpenPage(number) for number in range(PAGES)]
    for start in range(0, PAGES, 50):
        await asyncio.gather(*(page.open(target, town.cookies[page.number]) for page in pages[start : start + 50]))
    async with asyncio.timeout(120):
        await asyncio.gather(*(page.first.wait() for page in pages))
    await asyncio.sleep(5)
    a_page = (_resident_bytes(target.pid) - before) / PAGES
    chosen = Random(1).sample(range(PAGES), CHANGES)
    told = await _complete(target, town, chosen, CHANGES_A_SECOND)
    await asyncio.sleep(5)
    waits = [max(0.0, pages[number].full_at - at) for number, at in told.items()]
    for page in pages:
        page.close()
    _print(f"event to page, {PAGES:,} pages open", waits)
    print(f"  memory a page {a_page / 1024:.0f} KiB", flush=True)


@dataclass
class OpenPage:
    """One browser's stream."""

    number: int
    first: asyncio.Event = field(default_factory=asyncio.Event)
    full_at: float = float("inf")

    async def open(self, target: Target, cookie: str) -> None:
        reader, self._writer = await asyncio.open_connection(target.host, target.port, limit=2**20)
        head = f"GET /live/me HTTP/1.1\r\nHost: {target.host}\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
        self._writer.write(head.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if line.startswith(b"data:"):
                self.first.set()
                if b"Your car is full" in line and self.full_at == float("inf"):
                    self.full_at = time.perf_counter()

    def close(self) -> None:
        self._reading.cancel()
        self._writer.close()


def _resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * 4096


# -- the town both play in ----------------------------------------------------------------------------------


@dataclass
class Town:
    """Owners, each with a card, and what their cars' stations say."""

    key: str
    cookies: list[str]
    begun_at: int

    def plug_in(self, target: Target, numbers: Sequence[int] | range) -> None:
        """Every car charges, since a while."""
        events = [
            event
            for number in numbers
            for event in (
                self.event(number, "plugged_in", 0, token=f"card-{number}"),
                self.event(number, "charging_started", 5),
            )
        ]
        post_all(target, [[json.dumps(events[at : at + 500]).encode() for at in range(0, len(events), 500)]])

    def event(self, number: int, kind: str, after_s: int, **more: str) -> dict[str, Any]:
        at = rfc3339(self.begun_at + after_s)
        return {
            "id": f"{number}-{kind}",
            "station": f"st{number % STATIONS}",
            "stall": str(number // STATIONS + 1),
            "session": f"s{number}",
            "type": kind,
            "at": at,
            **more,
        }


async def _complete(target: Target, town: Town, numbers: Sequence[int], a_second: float) -> dict[int, float]:
    """Report one car after the other full, evenly, a second after it was; when each report was answered."""
    told: dict[int, float] = {}
    begun = time.perf_counter()
    for turn, number in enumerate(numbers):
        await asyncio.sleep(max(0.0, begun + turn / a_second - time.perf_counter()))
        event = town.event(number, "charge_complete", int(time.time()) - 1 - town.begun_at)
        await asyncio.to_thread(post_all, target, [[json.dumps(event).encode()]])
        told[number] = time.perf_counter()
    return told


def _found(url: str, owners: int) -> Town:
    with running(Settings(database_url=url)) as idlefee, idlefee.writing() as connection:
        now = idlefee.clock.now()
        add_seller(connection, "seller", "Seller", "UTC", now)
        for site in range(SITES):
            add_site(connection, f"site{site}", "seller", f"Site {site}", "Europe/Berlin", now)
        for station in range(STATIONS):
            add_station(connection, f"st{station}", f"site{station % SITES}", now)
        cookies = []
        for number in range(owners):
            owner_id = f"owner{number}"
            add_owner(connection, Owner(owner_id, f"Owner {number}", f"{owner_id}@example.com"), now)
            give_token(
                connection,
                idlefee.names,
                uid=f"card-{number}",
                owner_id=owner_id,
                author="benchmark",
                now=now,
                valid_from=0,
            )
            who = Principal("", Role.OWNER, "benchmark", owner_id=owner_id)
            cookies.append(f"idlefee_browser={open_browser(connection, who, None, now).text}")
        return Town(issue(connection, Role.OPERATOR, label="benchmark", now=now).text, cookies, now - 1200)


def _print(what: str, waits: Sequence[float]) -> None:
    ordered = sorted(waits)
    p99 = ordered[int(len(ordered) * 0.99) - 1]
    verdict = "ok" if p99 < LIMIT_S else "BEYOND"
    median = statistics.median(ordered)
    print(f"{what:48} p99 {p99:.2f} s (under {LIMIT_S:.0f}) {verdict}  median {median:.2f} s, most {ordered[-1]:.2f} s")


if __name__ == "__main__":
    main()
