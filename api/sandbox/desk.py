"""One request of the API, from its key to its answer: who asks, which endpoint, what an idempotency key remembers.

No HTTP here: `Asked` goes in, `Answered` comes out, and the state's lock is held in between.
"""

import json
from collections import Counter
from dataclasses import dataclass, field

from . import balance, charges, customers, disputes, payments, refunds, setups
from .errors import Json, Refusal
from .forms import Params, fields_of, refuse_unknown
from .keys import Keys
from .routes import Call, Route
from .state import API_VERSION, State, paths_of, shown
from .webhooks import Webhooks, routes

ROUTES = (
    *(customers.ROUTES + setups.ROUTES + payments.ROUTES + charges.ROUTES + refunds.ROUTES),
    *(disputes.ROUTES + balance.ROUTES),
)
INTERNAL = Refusal(
    500, "api_error", "An unknown error occurred. If this persists, please contact support.", executed=True
)
BUSY = Refusal(
    409,
    "idempotency_error",
    "There is currently another in-progress request using this Idempotent Key. Try again later.",
    code="idempotency_key_in_use",
)
TOO_MANY = Refusal(429, "invalid_request_error", "Request rate limit exceeded.", code="rate_limit")
UNAVAILABLE = Refusal(503, "api_error", "The service is temporarily unavailable.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came in; `form` is its body, or the query of a GET."""

    method: str
    path: str
    form: str
    bearer: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Desk:
    """Answers requests, and remembers which there were."""

    state: State
    webhooks: Webhooks
    keys: Keys = field(default_factory=Keys)
    log: list[tuple[Asked, int]] = field(default_factory=list)  # every request and the status it was answered with
    _routes: tuple[Route, ...] = ()
    _seconds: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._routes = ROUTES + routes(self.webhooks)

    def admit(self, asked: Asked) -> None:
        """Raises `Refusal` at who may not ask, or asks too much: neither is remembered under a key."""
        if asked.bearer != self.state.key:
            words = (
                f"Invalid API Key provided: {asked.bearer[:12]}…" if asked.bearer else "You did not provide an API key."
            )
            raise Refusal(401, "invalid_request_error", words)
        with self.state.lock:
            now = self.state.now()
            self._seconds[now] += 1
            if self.state.rate_limit is not None and self._seconds[now] > self.state.rate_limit:
                raise TOO_MANY
            if len(self._seconds) > 1:
                self._seconds = Counter({now: self._seconds[now]})

    def begin(self, asked: Asked) -> Answered | None:
        """The answer that is remembered under the request's key, if it is not the first. Raises `Refusal`."""
        if asked.method != "POST" or asked.key is None:
            return None
        with self.state.lock:
            request_id = self.state.name("req")
            fingerprint = f"{asked.method} {asked.path} {asked.form}"
            kept = self.keys.begin(asked.key, fingerprint, request_id, self.state.now())
            if kept is None:
                return None
            replayed = {"Idempotent-Replayed": "true", "Original-Request": kept.request_id}
            return self._answer(asked, kept.status or 500, kept.body, replayed)

    def execute(self, asked: Asked) -> Answered:
        """Do what was asked, after `begin`. What was executed is remembered under the request's key."""
        with self.state.lock:
            self.state.tick()
            self.state.request_id, self.state.request_key = self.state.name("req"), asked.key
            executed = True
            try:
                status, body = 200, self._do(asked)
            except Refusal as refused:
                status, body, executed = refused.status, refused.body(), refused.executed
            finally:
                self.state.request_id = self.state.request_key = None
            return self._end(asked, status, body, executed=executed)

    def refuse(self, asked: Asked, why: Refusal) -> Answered:
        """Answer without executing; only a 500 is remembered, since it comes from an endpoint that had begun."""
        with self.state.lock:
            return self._end(asked, why.status, why.body(), executed=why.executed)

    def turn_away(self, asked: Asked, why: Refusal) -> Answered:
        """Answer from before the keys: whatever is remembered stays."""
        with self.state.lock:
            return self._answer(asked, why.status, _written(why.body()), {})

    def _end(self, asked: Asked, status: int, body: Json, *, executed: bool) -> Answered:
        text = _written(body)
        if asked.method == "POST" and asked.key is not None:
            if executed:
                self.keys.keep(asked.key, status, text)
            else:
                self.keys.drop(asked.key)
        return self._answer(asked, status, text, {})

    def _do(self, asked: Asked) -> Json:
        for route in self._routes:
            found = route.pattern.fullmatch(asked.path)
            if found is None or route.method != asked.method:
                continue
            fields = fields_of(asked.form)
            refuse_unknown(fields, route.known)
            params = Params(fields)
            paths = paths_of(iter(params.words("expand")))
            answer = route.answer(self.state, Call(found.groupdict().get("ref") or "", asked.path, params))
            return shown(self.state, answer, paths) if "id" in answer or "data" in answer else answer
        words = f"Unrecognized request URL ({asked.method}: {asked.path})."
        raise Refusal(404, "invalid_request_error", words)

    def _answer(self, asked: Asked, status: int, body: bytes, headers: dict[str, str]) -> Answered:
        self.log.append((asked, status))
        named = {"Idempotency-Key": asked.key} if asked.key is not None else {}
        common = {"Request-Id": self.state.name("req"), "Stripe-Version": API_VERSION}
        return Answered(status, body, common | named | headers)


def _written(body: Json) -> bytes:
    return json.dumps(body).encode()
