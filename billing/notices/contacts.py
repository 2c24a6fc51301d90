"""Where owners want to be told beside the inbox: browsers, webhooks, chat services, and the e-mail address that stands
with the owner. What an address must look like is judged here; whether anybody answers there, nowhere but on sending.
"""

import base64
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, bindparam, func, insert, select, update

from billing.owners import Owner, OwnerUnknown
from billing.store.tables import contacts, owners
from sessions.intake import TokenNames
from sessions.statements import for_update

EMAIL, PUSH, WEBHOOK, CHAT = "email", "push", "webhook", "chat"
MOST_CONTACTS = 20
LONGEST_URL = 2000
BY_THEIR_OWNER = "removed by the owner"


class BadContact(ValueError):
    """An address that no channel could use; the text says what to change."""


class TooManyContacts(Exception):
    """The owner has as many as one may have."""


@dataclass(frozen=True, slots=True)
class Contact:
    """An address of an owner's on a channel. `details` is what the channel needs, secrets among it."""

    owner_id: str
    id: str
    channel: str
    label: str
    details: Mapping[str, Any]
    created_at: int

    @property
    def name(self) -> str:
        """What deliveries and waiting steps call it: `email`, or `push:` and the like with the contact's id."""
        return EMAIL if self.channel == EMAIL else f"{self.channel}:{self.id}"

    @property
    def address(self) -> str:
        """Where it is, as its owner would say it: an address, a URL, a number at a service."""
        return _ADDRESS[self.channel](self.details)


_ADDRESS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    EMAIL: lambda details: details["address"],
    PUSH: lambda details: details["endpoint"],
    WEBHOOK: lambda details: details["url"],
    CHAT: lambda details: f"{details['service']}:{details['to']}",
}


# -- kept ---------------------------------------------------------------------------------------------------


def add_contact(
    connection: Connection, owner_id: str, channel: str, label: str, details: Mapping[str, Any], now: int
) -> Contact:
    """Tell the owner there too. The same address again takes the new label and details, and lives again.

    push: `{"endpoint", "keys": {"p256dh", "auth"}}`, a browser's own subscription; webhook: `{"url"}`, which gets a new
    `secret`; chat: `{"service", "to"}`. A browser is one person's: it leaves whoever had it before.

    Raises `BadContact`, `TooManyContacts`, `OwnerUnknown`.
    """
    if channel not in _CHECKED:
        raise BadContact(f"there is no channel {channel!r} to add; there are {', '.join(_CHECKED)}")
    kept = _CHECKED[channel](details)
    id_ = TokenNames.load(connection).surrogate(f"{channel}\0{_ADDRESS[channel](kept)}")
    mine = select(owners.c.id).where(owners.c.id == owner_id, owners.c.erased_at.is_(None))
    if connection.execute(for_update(mine)).first() is None:
        raise OwnerUnknown(owner_id)
    contact = Contact(owner_id, id_, channel, label.strip()[:64] or channel, kept, now)
    living = (contacts.c.owner_id == owner_id, contacts.c.ended_at.is_(None), contacts.c.id != id_)
    if connection.execute(select(func.count()).select_from(contacts).where(*living)).scalar_one() >= MOST_CONTACTS:
        raise TooManyContacts(f"{MOST_CONTACTS} are the most: remove one that nobody reads any more")
    if channel == PUSH:
        others = (contacts.c.id == id_, contacts.c.owner_id != owner_id, contacts.c.ended_at.is_(None))
        connection.execute(
            update(contacts).where(*others).values(ended_at=now, ended_because="another owner uses the browser now")
        )
    values = {"label": contact.label, "details": json.dumps(kept), "created_at": now}
    again = update(contacts).where(contacts.c.owner_id == owner_id, contacts.c.id == id_)
    if connection.execute(again.values(**values, ended_at=None, ended_because=None)).rowcount == 0:
        connection.execute(insert(contacts).values(owner_id=owner_id, id=id_, channel=channel, **values))
    return contact


def contacts_of(connection: Connection, owner_id: str, channel: str | None = None) -> list[Contact]:
    """The owner's contacts that live, oldest first; of one channel, if one is named."""
    found = _living(connection, [owner_id]).get(owner_id, [])
    return [one for one in found if channel is None or one.channel == channel]


def end_contact(connection: Connection, owner_id: str, id_: str, now: int, because: str = BY_THEIR_OWNER) -> bool:
    """Tell the owner there no more; False if none of that id lives."""
    living = (contacts.c.owner_id == owner_id, contacts.c.id == id_, contacts.c.ended_at.is_(None))
    ended = update(contacts).where(*living).values(ended_at=now, ended_because=because)
    return connection.execute(ended).rowcount == 1


def reachable(connection: Connection, those: Collection[Owner]) -> dict[str, list[Contact]]:
    """Every address of each owner, e-mail first; by the owner's id, each of them with an answer."""
    living = _living(connection, [one.id for one in those])
    return {one.id: [*_mail(one), *living.get(one.id, [])] for one in those}


def _mail(owner: Owner) -> list[Contact]:
    return [Contact(owner.id, EMAIL, EMAIL, EMAIL, {"address": owner.email}, 0)] if owner.email else []


_LIVING = (
    select(*(contacts.c[name] for name in ("owner_id", "id", "channel", "label", "details", "created_at")))
    .where(contacts.c.owner_id.in_(bindparam("owner_ids", expanding=True)), contacts.c.ended_at.is_(None))
    .order_by(contacts.c.created_at, contacts.c.id)
)


def _living(connection: Connection, owner_ids: Collection[str]) -> dict[str, list[Contact]]:
    found: dict[str, list[Contact]] = {}
    rows = connection.execute(_LIVING, {"owner_ids": sorted(set(owner_ids))})
    for owner_id, id_, channel, label, details, created_at in rows:
        found.setdefault(owner_id, []).append(Contact(owner_id, id_, channel, label, json.loads(details), created_at))
    return found


# -- what an address must look like --------------------------------------------------------------------------


def _push(details: Mapping[str, Any]) -> dict[str, Any]:
    keys = details.get("keys")
    if not isinstance(keys, Mapping):
        raise BadContact("`keys` is missing: send what the browser's PushSubscription.toJSON() gives")
    endpoint = _url(details.get("endpoint"), "endpoint")
    point, auth = _bytes(keys.get("p256dh"), "keys.p256dh"), _bytes(keys.get("auth"), "keys.auth")
    if len(point) != 65 or point[0] != 4:
        raise BadContact("`keys.p256dh` must be an uncompressed P-256 point of 65 bytes, in base64url")
    if len(auth) != 16:
        raise BadContact("`keys.auth` must be 16 bytes, in base64url")
    return {"endpoint": endpoint, "keys": {"p256dh": keys["p256dh"], "auth": keys["auth"]}}


def _webhook(details: Mapping[str, Any]) -> dict[str, Any]:
    # The form every library of https://www.standardwebhooks.com reads.
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    return {"url": _url(details.get("url"), "url"), "secret": secret}


def _chat(details: Mapping[str, Any]) -> dict[str, Any]:
    service, to = details.get("service"), details.get("to")
    if not isinstance(service, str) or re.fullmatch(r"[a-z][a-z0-9-]{0,31}", service) is None:
        raise BadContact("`service` must be the name of a chat service that is configured here")
    if not isinstance(to, str) or re.fullmatch(r"[+@#]?[A-Za-z0-9][A-Za-z0-9._@-]{0,127}", to) is None:
        raise BadContact("`to` must be a number or a name as the service knows it, without spaces")
    return {"service": service, "to": to}


_CHECKED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {PUSH: _push, WEBHOOK: _webhook, CHAT: _chat}


_SUCH_AS = "a URL such as https://example.com/hooks/idlefee"


def _url(value: Any, where: str) -> str:
    """An absolute http(s) URL without user, password and fragment, in ASCII, printable."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > LONGEST_URL:
        raise BadContact(f"`{where}` must be a URL of at most {LONGEST_URL} ASCII characters")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and " " not in value
    except ValueError:
        raise BadContact(f"`{where}` must be {_SUCH_AS}") from None
    if not usable:
        raise BadContact(f"`{where}` must be {_SUCH_AS}")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadContact(f"`{where}` must hold no user, no password and no fragment")
    return value


def _bytes(value: Any, where: str) -> bytes:
    try:
        text = str(value).rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise BadContact(f"`{where}` must be base64url") from None
