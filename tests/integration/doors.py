"""A small network behind real HTTP doors, with a key for everybody who may knock. No tests here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from api.access.keys import Role, issue
from api.wiring import Idlefee
from billing.owners import Owner, add_owner, give_token
from tests.integration.small_world import NOON, a_session, post, small_world
from tests.serving import served

NOW = NOON + 3600
STAFF = ("operator", "finance", "support")


@dataclass(frozen=True, slots=True)
class Doors:
    """The served product: `ask` as somebody, and the engine behind it to look at what became of it."""

    app: Idlefee
    address: str
    keys: dict[str, str]
    client: httpx2.Client

    def ask(self, who: str | None, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {**more.pop("headers", {}), **({} if who is None else {"Authorization": f"Bearer {self.keys[who]}"})}
        return self.client.request(method, path, headers=headers, **more)

    def get(self, who: str, path: str, **params: Any) -> Any:
        """The answer to a question that must be answered."""
        response = self.ask(who, "GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def send(self, who: str, path: str, body: Any, status: int = 200, key: str | None = None) -> Any:
        """What became of something sent, under an Idempotency-Key if one is given; it must end in `status`."""
        headers = {} if key is None else {"Idempotency-Key": key}
        response = self.ask(who, "POST", path, json=body, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    def every_row(self, who: str, path: str, **params: Any) -> list[Any]:
        """All of a list, page by page."""
        page = self.get(who, path, **params)
        items = list(page["items"])
        while page["next"] is not None:
            page = self.get(who, path, **{**params, "cursor": page["next"]})
            items += page["items"]
        return items


@contextmanager
def open_doors(url: str, now: int = NOW) -> Iterator[Doors]:
    """Ann (token ANN) and Bob (token BOB) with a session each at the harbour and the market, and one nobody claims."""
    with small_world(url, now) as app:
        with app.writing() as connection:
            add_owner(connection, Owner("bob", "Bob Bobson", "bob@example.com"), NOON)
            give_token(connection, app.names, uid="BOB", owner_id="bob", author="test", now=NOON)
            keys = {role: issue(connection, Role(role), label=role, now=NOON).text for role in STAFF}
            for owner_id in ("ann", "bob"):
                keys[owner_id] = issue(connection, Role.OWNER, label=owner_id, now=NOON, owner_id=owner_id).text
            for station_id in ("h1", "m1"):
                issued = issue(connection, Role.STATION, label=station_id, now=NOON, station_id=station_id)
                keys[station_id] = issued.text
        post(
            app,
            a_session("h1", "anns", token="ANN"),
            a_session("m1", "bobs", token="BOB", idle_s=900),
            a_session("h2", "nobodys", token=None, idle_s=1200),
        )
        with served(app) as address, httpx2.Client(base_url=address, timeout=30) as client:
            yield Doors(app, address, keys, client)
