"""Owners say where they want to be told: `/v1/me/contacts`; on both databases."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from billing.notices.contacts import MOST_CONTACTS
from billing.store.tables import contacts
from tests.integration.doors import Doors, open_doors

HOOK = {"channel": "webhook", "label": "the blue one", "url": "https://car.example/hooks?car=7"}
POINT = base64.urlsafe_b64encode(b"\x04" + bytes(64)).rstrip(b"=").decode()
AUTH = base64.urlsafe_b64encode(bytes(16)).decode()
PUSH = {
    "channel": "push",
    "label": "my phone",
    "endpoint": "https://push.example/send/abc",
    "keys": {"p256dh": POINT, "auth": AUTH},
}


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as found:
        yield found


def test_an_owner_adds_lists_and_removes_where_they_are_told(doors: Doors) -> None:
    hook = doors.send("ann", "/v1/me/contacts", HOOK, 201)
    phone = doors.send("ann", "/v1/me/contacts", PUSH, 201)
    assert hook["secret"].startswith("whsec_")
    assert len(base64.b64decode(hook["secret"].removeprefix("whsec_"))) == 32
    assert (phone["secret"], phone["address"]) == (None, None)
    listed = doors.get("ann", "/v1/me/contacts")
    assert sorted((one["channel"], one["label"], one["address"]) for one in listed) == [
        ("push", "my phone", None),
        ("webhook", "the blue one", HOOK["url"]),
    ]
    assert not any("secret" in one for one in listed)
    assert doors.ask("ann", "DELETE", f"/v1/me/contacts/{hook['id']}").status_code == 204
    assert doors.ask("ann", "DELETE", f"/v1/me/contacts/{hook['id']}").status_code == 404
    assert [one["id"] for one in doors.get("ann", "/v1/me/contacts")] == [phone["id"]]


def test_nobody_sees_or_ends_anothers(doors: Doors) -> None:
    hook = doors.send("ann", "/v1/me/contacts", HOOK, 201)
    assert doors.get("bob", "/v1/me/contacts") == []
    assert doors.ask("bob", "DELETE", f"/v1/me/contacts/{hook['id']}").status_code == 404
    assert len(doors.get("ann", "/v1/me/contacts")) == 1
    for who in ("operator", "finance", "support", "h1"):
        assert doors.ask(who, "GET", "/v1/me/contacts").status_code == 403
    assert doors.ask(None, "GET", "/v1/me/contacts").status_code == 401


def test_the_same_address_again_is_the_same_contact_with_a_new_secret(doors: Doors) -> None:
    first = doors.send("ann", "/v1/me/contacts", HOOK, 201)
    assert doors.ask("ann", "DELETE", f"/v1/me/contacts/{first['id']}").status_code == 204
    again = doors.send("ann", "/v1/me/contacts", {**HOOK, "label": "the red one"}, 201)
    assert (again["id"], again["secret"] == first["secret"]) == (first["id"], False)
    assert [one["label"] for one in doors.get("ann", "/v1/me/contacts")] == ["the red one"]
    with doors.app.reading() as connection:
        assert len(connection.execute(select(contacts)).all()) == 1


def test_there_is_an_end_to_them(doors: Doors) -> None:
    for n in range(MOST_CONTACTS):
        doors.send("ann", "/v1/me/contacts", {**HOOK, "url": f"https://car.example/{n}"}, 201)
    doors.send("ann", "/v1/me/contacts", {**HOOK, "url": "https://car.example/0"}, 201)
    refused = doors.ask("ann", "POST", "/v1/me/contacts", json=HOOK)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_contacts")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({**HOOK, "url": "http://car.example/"}, "bad_contact"),
        ({**HOOK, "url": "https://127.0.0.1/"}, "bad_contact"),
        ({**HOOK, "url": "https://[::1]/"}, "bad_contact"),
        ({**HOOK, "url": "https://169.254.169.254/latest/meta-data"}, "bad_contact"),
        ({**HOOK, "url": "https://ann:pw@car.example/"}, "bad_contact"),
        ({**HOOK, "url": "https://car.example/#top"}, "bad_contact"),
        ({**HOOK, "url": "https://car.example:99999/"}, "bad_contact"),
        ({**HOOK, "url": "https://[car.example/"}, "bad_contact"),
        ({**HOOK, "url": "https:///hook"}, "bad_contact"),
        ({**HOOK, "url": "ftp://car.example/"}, "bad_contact"),
        ({**HOOK, "url": "https://car.example/a b"}, "bad_contact"),
        ({**HOOK, "url": "https://car.example/\r\nHost: other"}, "bad_contact"),
        ({**HOOK, "url": "https://cär.example/"}, "bad_contact"),
        ({**PUSH, "endpoint": "http://push.example/"}, "bad_contact"),
        ({**PUSH, "keys": {"p256dh": AUTH, "auth": AUTH}}, "bad_contact"),
        ({**PUSH, "keys": {"p256dh": POINT, "auth": "!"}}, "bad_contact"),
        ({**PUSH, "keys": {"p256dh": POINT, "auth": POINT}}, "invalid_request"),
        ({"channel": "chat", "label": "SMS", "service": "sms", "to": "+49151"}, "bad_contact"),
        ({"channel": "fax", "label": "x"}, "invalid_request"),
        ({"label": "x"}, "invalid_request"),
        ({**HOOK, "secret": "mine"}, "invalid_request"),
    ],
    ids=str,
)
def test_an_address_that_no_channel_could_use_is_refused(sqlite_doors: Doors, sent: dict[str, Any], code: str) -> None:
    refused = sqlite_doors.ask("ann", "POST", "/v1/me/contacts", json=sent)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert sqlite_doors.get("ann", "/v1/me/contacts") == []


@pytest.fixture(scope="module")
def sqlite_doors(sqlite_databases: Any) -> Iterator[Doors]:
    with sqlite_databases.migrated() as url, open_doors(url) as found:
        yield found


def test_the_push_key_is_public_and_stays(doors: Doors) -> None:
    key = doors.ask(None, "GET", "/v1/push-key").json()["key"]
    point = base64.urlsafe_b64decode(f"{key}=")
    assert (len(point), point[0]) == (65, 4)
    assert doors.get("ann", "/v1/push-key")["key"] == key
