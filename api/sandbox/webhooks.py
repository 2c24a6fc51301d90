"""Events as they go out: signed, tried again with growing pauses; late, twice or in a wrong order on order.

<https://docs.stripe.com/webhooks>, <https://docs.stripe.com/webhooks/signature>. Stripe promises neither order nor
that an event comes once. Nothing here decides what happened; nothing is sent while the state's lock is held.
"""

import hashlib
import hmac
import http.client
import json
import secrets
import threading
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import Json, invalid
from .routes import LISTED, Call, Route, route
from .state import API_VERSION, State, shown

PAUSES_S = (60, 300, 1800, 7200, 18_000, 36_000, 43_200, 43_200, 43_200, 43_200)  # three days, as Stripe in live mode
TIMEOUT_S = 10
LOOKS_EVERY_S = 0.1


@dataclass(slots=True)
class Delivery:
    """One event on its way to one address."""

    event: Json
    endpoint: Json
    due_at: int
    tries: int = 0


@dataclass(slots=True)
class Webhooks:
    """What is to be sent where, and when."""

    state: State
    secret: str
    waiting: list[Delivery] = field(default_factory=list)
    held: bool = False
    _thread: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.state.listeners.append(self._heard)

    def listen(self, url: str, *events: str, secret: str | None = None) -> Json:
        """Send these events to `url`, all where none is named; answers the WebhookEndpoint with its secret."""
        with self.state.lock:
            return self.state.add(
                "webhook_endpoint",
                "we",
                api_version=API_VERSION,
                application=None,
                description=None,
                enabled_events=list(events) or ["*"],
                metadata={},
                secret=secret or self.secret,
                status="enabled",
                url=url,
            )

    def _heard(self, event: Json) -> None:
        for endpoint in self.state.every("webhook_endpoint"):
            if {"*", event["type"]} & set(endpoint["enabled_events"]):
                event["pending_webhooks"] += 1
                self.waiting.append(Delivery(event, endpoint, event["created"]))

    # A tester's orders.

    def hold(self) -> None:
        """Send nothing until `release`."""
        self.held = True

    def release(self, *, backwards: bool = False, times: int = 1) -> None:
        """Send what was held: the newest first, or each several times, if so ordered."""
        with self.state.lock:
            waiting = self.waiting[::-1] if backwards else self.waiting[:]
            self.waiting = [Delivery(one.event, one.endpoint, one.due_at) for one in waiting for _ in range(times)]
            self.held = False

    def lose(self) -> int:
        """Forget what waits, as if every attempt had failed; answers how many."""
        with self.state.lock:
            lost, self.waiting = len(self.waiting), []
            return lost

    def again(self, event_id: str) -> None:
        """Send one event once more."""
        with self.state.lock:
            event = self.state.get("event", event_id)
            for endpoint in self.state.every("webhook_endpoint"):
                self.waiting.append(Delivery(event, endpoint, self.state.now()))

    # Sending.

    def deliver(self) -> int:
        """Send all that is due, here and now; answers how many were taken. What is not is due again later."""
        with self.state.lock:
            self.state.tick()
            if self.held:
                return 0
            now = self.state.now()
            due = [one for one in self.waiting if one.due_at <= now]
            self.waiting = [one for one in self.waiting if one.due_at > now]
        taken = 0
        for one in due:
            if self._send(one):
                taken += 1
                one.event["pending_webhooks"] = max(0, one.event["pending_webhooks"] - 1)
            elif one.tries < len(PAUSES_S):
                one.due_at = now + PAUSES_S[one.tries]
                one.tries += 1
                with self.state.lock:
                    self.waiting.append(one)
        return taken

    def _send(self, one: Delivery) -> bool:
        payload = json.dumps(shown(self.state, one.event, ()), indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(payload, one.endpoint["secret"], self.state.now()),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        return posted(one.endpoint["url"], payload, headers)

    def start(self) -> None:
        """Deliver in a thread until `stop`."""
        self._thread = threading.Thread(target=self._run, name="sandbox webhooks", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(LOOKS_EVERY_S):
            self.deliver()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()


def new_secret() -> str:
    return f"whsec_{secrets.token_hex(16)}"


def signature(payload: bytes, secret: str, at: int) -> str:
    """The header that proves who sent it, and when."""
    proof = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={at},v1={proof}"


def posted(url: str, payload: bytes, headers: dict[str, str]) -> bool:
    """Whether the address took it: any 2xx, and no redirect."""
    parts = urlsplit(url)
    https = parts.scheme == "https"
    kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", payload, headers)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _create(webhooks: Webhooks, call: Call) -> Json:
    url, events = call.params.needed("url"), call.params.words("enabled_events")
    if not url.startswith(("http://", "https://")):
        raise invalid("Not a valid URL", param="url", code="url_invalid")
    return webhooks.listen(url, *events, secret=new_secret())


def _delete(state: State, call: Call) -> Json:
    endpoint = state.get("webhook_endpoint", call.ref)
    state.remove(endpoint)
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _list_events(state: State, call: Call) -> Json:
    """Thirty days of them. <https://docs.stripe.com/api/events/list>"""
    types = call.params.words("types")
    page = state.page("event", call.url, call.params, "type")
    return page | {"data": [event for event in page["data"] if not types or event["type"] in types]}


def routes(webhooks: Webhooks) -> tuple[Route, ...]:
    return (
        route("POST", "/v1/webhook_endpoints", "url enabled_events.*", lambda _, call: _create(webhooks, call)),
        route(
            "GET",
            "/v1/webhook_endpoints",
            LISTED,
            lambda s, c: s.page("webhook_endpoint", c.url, c.params),
        ),
        route("DELETE", "/v1/webhook_endpoints/{id}", "", _delete),
        route("GET", "/v1/events", f"{LISTED} type types.* created.*", _list_events),
        route("GET", "/v1/events/{id}", "", lambda s, c: s.get("event", c.ref)),
    )
