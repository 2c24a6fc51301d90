"""Web push (RFC 8030, 8291, 8292): a browser's own subscription, encrypted for it alone and signed by our VAPID key.

The key was made with the database and stays with it: a subscription is good for one key only.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, select

from api.channels.mail import host_of
from api.channels.reach import Reach
from billing.notices import Down, Gone, Outgoing
from billing.notices.contacts import PUSH, Contact
from billing.notices.kinds import WHILE_QUIET
from sessions.clock import Clock
from sessions.store.tables import deployment

KEPT_FOR_S = 4 * 3600  # by the push service, for a browser that is not there: later than that it is history
SIGNED_FOR_S = 12 * 3600
LONGEST_BODY = 1000  # characters: an encrypted message has at most 4096 bytes


def vapid_key(connection: Connection) -> str:
    """Our private key, as hexadecimal digits."""
    key = select(deployment.c.value).where(deployment.c.key == "vapid_key")
    return str(connection.execute(key).scalar_one())


def public_key(private: str) -> str:
    """The key that browsers subscribe with: an uncompressed point, in base64url."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    point = ec.derive_private_key(int(private, 16), ec.SECP256R1()).public_key()
    return _base64url(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


class Push:
    """Notices to browsers. One that its push service no longer knows (404, 410) is told no more."""

    name = PUSH

    def __init__(self, reach: Reach, key: str, clock: Clock, sender: str, base_url: str | None = None) -> None:
        self._reach = reach
        self._key = key
        self._clock = clock
        self._base_url = None if base_url is None else base_url.rstrip("/")
        # Where a push service would complain: RFC 8292 asks for an address.
        secure = self._base_url is not None and self._base_url.startswith("https://")
        self._subject = self._base_url if secure else f"mailto:noreply@{host_of(sender)}"

    def provider(self, contact: Contact) -> str:
        return f"{PUSH}:{urlsplit(contact.address).netloc}"

    def hand_over(self, notice: Outgoing, contact: Contact) -> str:
        answer = self._reach.post(contact.address, self._headers(notice, contact), self._encrypted(notice, contact))
        if 200 <= answer < 300:
            return str(answer)
        said = f"the push service answered {answer}"
        if answer in {404, 410}:
            raise Gone(f"{said}: the browser has no such subscription any more")
        if answer == 429 or answer >= 500:
            raise Down(said)
        raise RuntimeError(said)

    def _headers(self, notice: Outgoing, contact: Contact) -> Mapping[str, str]:
        from py_vapid import Vapid02  # type: ignore[import-untyped]

        parts = urlsplit(contact.address)
        claims = {
            "sub": self._subject,
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": self._clock.now() + SIGNED_FOR_S,
        }
        signed = Vapid02.from_raw(_base64url(bytes.fromhex(self._key)).encode()).sign(claims)
        return {
            "Authorization": signed["Authorization"],
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEPT_FOR_S),
            "Urgency": "high" if notice.kind in WHILE_QUIET else "normal",
            "Topic": notice.id,  # a second one with this id takes the place of the first: 32 characters of base64url
        }

    def _encrypted(self, notice: Outgoing, contact: Contact) -> bytes:
        from pywebpush import WebPusher  # type: ignore[import-untyped]

        message: dict[str, Any] = {
            "title": notice.subject,
            "body": notice.body[:LONGEST_BODY],
            "tag": notice.id,
            "url": "/me" if self._base_url is None else f"{self._base_url}/me",
        }
        subscription = {"endpoint": contact.address, "keys": contact.details["keys"]}
        text = json.dumps(message, ensure_ascii=False).encode()
        body: bytes = WebPusher(subscription).encode(text)["body"]
        return body


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
