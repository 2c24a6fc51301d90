"""A small town for tests of notices and the worker, its owners with and without an address. No tests here."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from sqlalchemy import select

from api.settings import Settings
from api.wiring import Idlefee, running
from api.worker import Worker
from billing import decisions
from billing.assignments import add_version, assign
from billing.jobs import dead_letters
from billing.notices import Channel, Notice, inbox
from billing.owners import Owner, add_owner, give_token
from billing.settle import Charge, charges_of
from billing.store.tables import jobs
from billing.tariffs import Tariff
from sessions.clock import FixedClock
from sessions.events import SessionEvent, parse_batch, rfc3339
from sessions.facts import Fact, facts_of
from sessions.intake import Upload
from sessions.sites import add_seller, add_site, add_station
from sessions.store.queries import SessionKey

NOON = 1_800_014_400  # 2027-01-15 12:00:00 UTC, 13:00 in Berlin
HOUR_S = 3600
DAY_S = 24 * HOUR_S


@dataclass
class Town:
    """The running product, its clock and its worker. `ann` has an address, `bob` has none."""

    app: Idlefee
    clock: FixedClock
    worker: Worker
    outbox: Path
    posted: int = 0

    # -- what happens ---------------------------------------------------------------------------------------

    def at(self, moment: int) -> None:
        """It is this moment now, and the worker does nothing about it yet."""
        self.clock.advance(moment - self.clock.now())

    def work(self, moment: int | None = None) -> int:
        """The worker does what is due at the moment."""
        if moment is not None:
            self.at(moment)
        return self.worker.run_due()

    def post(self, kind: str, at: int, *, session: str = "a", station: str = "s1", **more: Any) -> None:
        """The station reports at once what happens `at` seconds after noon."""
        if self.clock.now() < NOON + at:
            self.at(NOON + at)
        self.upload([self.event(kind, at, session=session, station=station, **more)])

    def event(self, kind: str, at: int, *, session: str = "a", station: str = "s1", **more: Any) -> dict[str, Any]:
        self.posted += 1
        named = {"id": f"e{self.posted}", "station": station, "stall": "1", "session": session}
        return {**named, "type": kind, "at": rfc3339(NOON + at), **more}

    def upload(self, events: Sequence[dict[str, Any]], *, imported: bool = False, answer: str = "accepted") -> None:
        read = parse_batch(json.dumps(events).encode())
        assert all(isinstance(event, SessionEvent) for event in read), read
        good = [event for event in read if isinstance(event, SessionEvent)]
        answers = self.app.intake.submit(Upload(good, "test", imported=imported)).result()
        assert {one.status.value for one in answers} == {answer}, answers

    def fill(self, *, token: str | None = "ANN", full_at: int = 1800, **more: Any) -> None:
        """Plugged in at noon, full half an hour later."""
        self.post("plugged_in", 0, **({} if token is None else {"token": token}), **more)
        self.post("charging_started", 10, **more)
        self.post("charge_complete", full_at, **more)

    def a_stay(self, idle_s: int, *, token: str | None = "ANN", **more: Any) -> None:
        """The whole session, unplugged `idle_s` after it was full."""
        self.fill(token=token, **more)
        self.post("unplugged", 1800 + idle_s, **more)

    def excuse(self, starts_at: int, ends_at: int) -> None:
        """The operator excuses the whole site."""
        why = {"author": "op", "reason": "power cut"}
        with self.app.writing() as connection:
            decisions.excuse(connection, "harbour", starts_at, ends_at, now=self.clock.now(), stall=None, **why)

    # -- what came of it ------------------------------------------------------------------------------------

    def told(self, owner_id: str = "ann") -> list[Notice]:
        """What an owner was told, oldest first."""
        with self.app.reading() as connection:
            return inbox(connection, owner_id)[::-1]

    def kinds(self, owner_id: str = "ann") -> list[str]:
        return [notice.kind for notice in self.told(owner_id)]

    def mails(self) -> list[EmailMessage]:
        """The files in the outbox, as a mail program reads them."""
        files = sorted(self.outbox.glob("*.eml")) if self.outbox.is_dir() else []
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def charge(self, session: str = "a", station: str = "s1") -> Charge:
        key = SessionKey("harbour", f"{station}/{session}")
        with self.app.reading() as connection:
            return charges_of(connection, [key])[key]

    def facts(self, session: str = "a", station: str = "s1") -> list[Fact]:
        key = SessionKey("harbour", f"{station}/{session}")
        with self.app.reading() as connection:
            return facts_of(connection, [key]).get(key, [])

    def waiting(self) -> dict[str, int]:
        """The steps that wait, by key, and when each is due."""
        with self.app.reading() as connection:
            return {row.key: row.due_at for row in connection.execute(select(jobs)) if not row.dead}

    def parked(self) -> list[dict[str, Any]]:
        with self.app.reading() as connection:
            return dead_letters(connection)


def text_of(mail: EmailMessage) -> str:
    """A mail's text, with the line ends of this house."""
    return str(mail.get_content()).replace("\r\n", "\n")


@contextmanager
def town(
    url: str, outbox: Path, tariff: Tariff | None = None, channels: Sequence[Channel] | None = None, **more: Any
) -> Iterator[Town]:
    """A site in Berlin with two stations; it is noon. `more` are settings."""
    clock = FixedClock(NOON)
    with running(Settings(database_url=url, outbox=outbox, base_url="https://fees.example", **more), clock) as app:
        with app.writing() as connection:
            add_seller(connection, "acme", "Acme", "UTC", NOON)
            add_site(connection, "harbour", "acme", "Harbour", "Europe/Berlin", NOON)
            for station in ("s1", "s2"):
                add_station(connection, station, "harbour", NOON)
            for owner in (Owner("ann", "Ann Müller", "ann@example.org"), Owner("bob", "Bob", None)):
                add_owner(connection, owner, NOON)
                give_token(connection, app.names, uid=owner.id.upper(), owner_id=owner.id, author="test", now=NOON)
            if tariff is not None:
                assign(
                    connection,
                    "harbour",
                    add_version(connection, tariff, "test", NOON),
                    author="test",
                    reason="test",
                    now=NOON,
                )
        yield Town(app, clock, Worker(app, channels), outbox)
