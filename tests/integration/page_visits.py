"""Visitors of the pages over real HTTP, each signed in by a printed link. No tests here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any, cast

import httpx2

from api.access.keys import KeyKind, Role, issue
from api.sandbox.serving import Sandbox
from api.wiring import Idlefee
from billing.owners import Owner, add_owner, give_token
from sessions.clock import FixedClock
from sessions.events import rfc3339
from tests.integration.small_world import NOON, small_world
from tests.serving import served

FULL_AT = NOON + 1800  # 09:30 in Berlin, where the sites are
STAFF = (Role.OPERATOR, Role.FINANCE, Role.SUPPORT)


@dataclass
class Visits:
    """The product with its pages served, a clock to move, and a browser for everybody."""

    app: Idlefee
    address: str
    links: dict[str, str]
    browsers: dict[str, httpx2.Client] = field(default_factory=dict)

    @property
    def clock(self) -> FixedClock:
        return cast(FixedClock, self.app.clock)

    def browser(self, who: str) -> httpx2.Client:
        """The browser of `who`, signed in; nobody's where `who` has no link."""
        if who not in self.browsers:
            self.browsers[who] = httpx2.Client(base_url=self.address, timeout=30)
            if who in self.links:
                assert self.open(who, self.links[who]).status_code == 303
        return self.browsers[who]

    def open(self, who: str, key: str) -> httpx2.Response:
        """Press the button behind a sign-in link."""
        return self.browsers[who].post("/sign-in/open", data={"key": key})

    def get(self, who: str, path: str, status: int = 200) -> str:
        """A page, as its markup."""
        answer = self.browser(who).get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status, f"{who} {path}: {answer.status_code}\n{words_of(answer.text)}"
        return answer.text

    def read(self, who: str, path: str, status: int = 200) -> str:
        """A page as it is read: its words."""
        return words_of(self.get(who, path, status))

    def send(self, who: str, page: str, action: str, status: int = 303, **fields: str) -> httpx2.Response:
        """Fill in a form of `page` and send it to `action`; hidden fields are sent as the page has them."""
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', self.get(who, page), re.DOTALL)
        assert form is not None, f"no form for {action} on {page}"
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[0])
        sent = {name: unescape(value) for name, value in hidden} | fields
        answer = self.browser(who).post(action, data=sent)
        assert answer.status_code == status, f"{answer.status_code}: {words_of(answer.text)}"
        return answer


@contextmanager
def visits(url: str, now: int = NOON, sandbox: Sandbox | None = None) -> Iterator[Visits]:
    """Ann (token ANN), Bob (token BOB) and staff, each with a link; nothing has happened yet."""
    with small_world(url, now, sandbox) as app:
        with app.writing() as connection:
            add_owner(connection, Owner("bob", "Bob Bobson", "bob@example.com"), now)
            give_token(connection, app.names, uid="BOB", owner_id="bob", author="test", now=now)
            links = {
                role.value: issue(connection, role, label="test", now=now, kind=KeyKind.LINK).text for role in STAFF
            }
            for owner_id in ("ann", "bob"):
                link = issue(connection, Role.OWNER, label=owner_id, now=now, owner_id=owner_id, kind=KeyKind.LINK)
                links[owner_id] = link.text
        with served(app) as address:
            found = Visits(app, address, links)
            try:
                yield found
            finally:
                for browser in found.browsers.values():
                    browser.close()


def until(visited: Visits, moment: int) -> None:
    """Move the clock to a moment."""
    visited.clock.advance(moment - visited.clock.now())


def words_of(markup: str) -> str:
    """What is read on a page, in one line."""
    bare = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", markup, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", bare.replace("</", " </")))).replace(" .", ".").strip()


def event(kind: str, at: int, session: str, *, station: str = "h1", stall: str = "1", **more: Any) -> dict[str, Any]:
    """One event as a station posts it; its id follows from what it says."""
    cause = {} if more.get("cause") is None else {"cause": more.pop("cause")}
    return {
        "id": f"{session}-{kind}-{at}",
        "station": station,
        "stall": stall,
        "session": session,
        "type": kind,
        "at": rfc3339(at),
        **cause,
        **more,
    }


def standing(session: str, *, token: str | None = "ANN", **where: str) -> list[dict[str, Any]]:
    """A car that was plugged in at noon and is full half an hour later."""
    named = {} if token is None else {"token": token}
    return [
        event("plugged_in", NOON, session, **where, **named),
        event("charging_started", NOON + 10, session, **where),
        event("charge_complete", FULL_AT, session, **where),
    ]
