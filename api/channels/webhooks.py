"""Signed webhooks (standardwebhooks.com): what a car, or whoever looks after it, needs to act by itself.

`webhook-id` is the notice's id: the same each time. Each webhook is its own provider: that one answers badly says
nothing about another, not even on the same host.
"""

import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from api.channels.reach import Reach
from billing.notices import Down, Gone, Outgoing
from billing.notices.contacts import WEBHOOK, Contact
from sessions.clock import Clock
from sessions.events import rfc3339


class Webhooks:
    """Notices as JSON to an owner's URL. 2xx is an acceptance, 410 ends the contact, everything else is tried again."""

    name = WEBHOOK

    def __init__(self, reach: Reach, clock: Clock) -> None:
        self._reach = reach
        self._clock = clock

    def provider(self, contact: Contact) -> str:
        return contact.name

    def hand_over(self, notice: Outgoing, contact: Contact) -> str:
        body = json.dumps(content(notice), ensure_ascii=False, separators=(",", ":"))
        at = self._clock.now()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "idlefee",
            "webhook-id": notice.id,
            "webhook-timestamp": str(at),
            "webhook-signature": Webhook(contact.details["secret"]).sign(
                notice.id, datetime.fromtimestamp(at, UTC), body
            ),
        }
        answer = self._reach.post(contact.address, headers, body.encode())
        if 200 <= answer < 300:
            return str(answer)
        if answer == 410:
            raise Gone("it answered 410: nobody wants to be told there any more")
        raise Down(f"it answered {answer}{', and no redirect is followed' if 300 <= answer < 400 else ''}")


def content(notice: Outgoing) -> dict[str, Any]:
    """The notice for a program. Amounts are minor units; `charged_from` is the first second that costs."""
    about, outlook = notice.about, notice.about.outlook
    return {
        "type": notice.kind,
        "timestamp": rfc3339(notice.written_at),
        "data": {
            "owner": notice.to.id,
            "site": about.site_id,
            "stall": about.stall,
            "sessions": [_session(id_, fee) for id_, fee in sorted(about.fees_minor.items())],
            "currency": about.currency,
            "charged_from": _moment(None if outlook is None else outlook.charged_from),
            "running_since": _moment(None if outlook is None else outlook.running_since),
            "so_far_minor": None if outlook is None else outlook.so_far_minor,
            "subject": notice.subject,
            "text": notice.body,
        },
    }


def _session(id_: str, fee_minor: int | None) -> dict[str, Any]:
    station, _, session = id_.partition("/")
    return {"station": station, "session": session, "fee_minor": fee_minor}


def _moment(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
