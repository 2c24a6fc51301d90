"""What the sandbox remembers: every object as Stripe would show it, by id, in order of creation; and what is due when.

Objects are the JSON that Stripe answers, with references as ids; names that begin with `_` are our own and never
shown. Whoever reads or changes anything holds `lock`. Rules of what may happen to an object live in its own module.
"""

import heapq
import secrets
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from threading import RLock
from typing import Any

from sessions.clock import Clock

from .errors import Json, Refusal, invalid, missing
from .faults import Faults
from .forms import Params

API_VERSION = "2026-10-28.endive"
INDEXED = ("customer", "payment_intent", "charge", "source", "payout", "_payout")
MOST_A_PAGE, A_PAGE = 100, 10
DEEPEST = 4


class State:
    """One Stripe account in test mode."""

    def __init__(self, clock: Clock, key: str | None = None) -> None:
        self.lock = RLock()
        self.faults = Faults()
        self.key = key or f"sk_test_{secrets.token_hex(16)}"
        self.rate_limit: int | None = None  # requests a second; none: no limit
        self.pays_out_daily = False
        self.request_id: str | None = None
        self.request_key: str | None = None
        self.listeners: list[Callable[[Json], None]] = []
        self.url = ""
        self._clock, self._ahead_s, self._moment = clock, 0, None
        self._salt, self._numbers = secrets.token_hex(5), count(1)
        self._objects: dict[str, Json] = {}
        self._ids: dict[str, list[str]] = defaultdict(list)
        self._index: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        self._due: list[tuple[int, int, Callable[[], object]]] = []

    # Time: the clock that was handed in, moved ahead on order.

    _moment: int | None

    def now(self) -> int:
        return self._moment if self._moment is not None else self._clock.now() + self._ahead_s

    def follow(self, clock: Clock) -> None:
        """Go by another clock from now on."""
        with self.lock:
            self._clock = clock

    def advance(self, seconds: int) -> None:
        """Let time pass here alone: keys are forgotten, refunds end, payouts arrive."""
        with self.lock:
            self._ahead_s += seconds
            self.tick()

    def later(self, seconds: int, action: Callable[[], object]) -> None:
        heapq.heappush(self._due, (self.now() + seconds, next(self._numbers), action))

    def tick(self) -> None:
        """Whatever was due by now happens, each at its own moment."""
        with self.lock:
            until = self.now()
            while self._due and self._due[0][0] <= until:
                self._moment, _, action = heapq.heappop(self._due)
                try:
                    action()
                finally:
                    self._moment = None

    # Objects.

    def name(self, prefix: str) -> str:
        return f"{prefix}_{self._salt}{next(self._numbers):08d}"

    def add(self, kind: str, prefix: str, **fields: Any) -> Json:
        made: Json = {"id": self.name(prefix), "object": kind, "created": self.now(), "livemode": False} | fields
        self._objects[made["id"]] = made
        self._ids[kind].append(made["id"])
        for field in INDEXED:
            if isinstance(made.get(field), str):
                self._index[kind, field, made[field]].append(made["id"])
        return made

    def find(self, ref: str | None) -> Json | None:
        return self._objects.get(ref) if ref is not None else None

    def get(self, kind: str, ref: str, param: str | None = None) -> Json:
        """The object. Raises `Refusal` as `resource_missing`: 404, or 400 where a parameter named it."""
        found = self._objects.get(ref)
        if found is None or found["object"] != kind:
            raise missing(kind, ref, param)
        return found

    def having(self, kind: str, field: str, value: str) -> list[Json]:
        """Oldest first."""
        return [self._objects[ref] for ref in self._index[kind, field, value]]

    def join(self, thing: Json, field: str, value: str) -> None:
        """Set a field that is looked up by, once."""
        thing[field] = value
        insort(self._index[thing["object"], field, value], thing["id"], key=self._place_of)

    def every(self, kind: str) -> list[Json]:
        """Oldest first."""
        return [self._objects[ref] for ref in self._ids[kind]]

    def remove(self, thing: Json) -> None:
        """Out of every list; it is not looked up any more."""
        self._ids[thing["object"]].remove(thing["id"])
        del self._objects[thing["id"]]

    def page(self, kind: str, url: str, params: Params, *filters: str) -> Json:
        """A list as Stripe pages it, newest first. <https://docs.stripe.com/api/pagination>"""
        wanted = {field: value for field in filters if (value := params.text(field)) is not None}
        lookup = next((field for field in wanted if field in INDEXED), None)
        ids = self._ids[kind] if lookup is None else self._index[kind, lookup, wanted[lookup]]
        start, end = params.between("created")
        low = 0 if start is None else bisect_left(ids, start, key=self._created)
        high = len(ids) if end is None else bisect_left(ids, end, key=self._created)
        ahead = params.text("ending_before")
        if (after := params.text("starting_after")) is not None:
            high = min(high, bisect_left(ids, self._place(kind, after, "starting_after"), key=self._place_of))
        if ahead is not None:
            low = max(low, bisect_left(ids, self._place(kind, ahead, "ending_before"), key=self._place_of) + 1)
        limit = params.whole("limit") or A_PAGE
        if not 1 <= limit <= MOST_A_PAGE:
            raise invalid(f"This value must be between 1 and {MOST_A_PAGE}.", "limit", "parameter_invalid_integer")
        places = range(low, high) if ahead is not None else range(high - 1, low - 1, -1)
        data: list[Json] = []
        has_more = False
        for place in places:
            thing = self._objects[ids[place]]
            if all(thing.get(field) == value for field, value in wanted.items()):
                if len(data) == limit:
                    has_more = True
                    break
                data.append(thing)
        if ahead is not None:
            data.reverse()
        return {"object": "list", "url": url, "has_more": has_more, "data": data}

    def _created(self, ref: str) -> int:
        return int(self._objects[ref]["created"])

    def _place_of(self, ref: str) -> tuple[int, str]:
        return self._created(ref), ref

    def _place(self, kind: str, ref: str, param: str) -> tuple[int, str]:
        return self._place_of(self.get(kind, ref, param)["id"])

    # What is told of it.

    def emit(self, type_: str, thing: Json) -> None:
        """An event with the object as it is now. <https://docs.stripe.com/api/events>"""
        event = self.add(
            "event",
            "evt",
            type=type_,
            api_version=API_VERSION,
            data={"object": shown(self, thing, ())},
            pending_webhooks=0,
            request={"id": self.request_id, "idempotency_key": self.request_key},
        )
        for listener in self.listeners:
            listener(event)


def shown(state: State, thing: Json, expand: tuple[tuple[str, ...], ...]) -> Json:
    """An object as Stripe answers it: nothing of ours, and what `expand` names in place of its id."""
    if thing["object"] == "list" and "data" in thing:
        inner = tuple(path[1:] for path in expand if path[0] == "data" and path[1:])
        return thing | {"data": [shown(state, one, inner) for one in thing["data"]]}
    answer = {name: _plain(state, value) for name, value in thing.items() if not name.startswith("_")}
    for name in dict.fromkeys(path[0] for path in expand):
        below = tuple(path[1:] for path in expand if path[0] == name and path[1:])
        answer[name] = _expanded(state, thing, name, below)
    return answer


def _plain(state: State, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(state, inner) for name, inner in value.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [_plain(state, inner) for inner in value]
    return value


def _expanded(state: State, thing: Json, name: str, below: tuple[tuple[str, ...], ...]) -> Any:
    if thing["object"] == "charge" and name == "refunds":  # a list that is shown when asked for
        refunds = state.having("refund", "charge", thing["id"])[::-1]
        url = f"/v1/charges/{thing['id']}/refunds"
        return shown(state, {"object": "list", "url": url, "has_more": False, "data": refunds}, below)
    if name not in thing:
        raise invalid(f"This property cannot be expanded ({name}).", param="expand")
    value = thing[name]
    if isinstance(value, str) and (referred := state.find(value)) is not None:
        return shown(state, referred, below)
    if isinstance(value, dict) and below:
        return shown(state, {"object": ""} | value, below) | {"object": value.get("object")}
    return _plain(state, value)


def paths_of(words: Iterator[str]) -> tuple[tuple[str, ...], ...]:
    """`expand[]=latest_charge.balance_transaction`, split. <https://docs.stripe.com/api/expanding_objects>"""
    paths = tuple(tuple(word.split(".")) for word in words)
    if any(len(path) > DEEPEST for path in paths):
        raise invalid(f"You cannot expand more than {DEEPEST} levels of a property.", param="expand")
    return paths


__all__ = ["Json", "Refusal", "State", "paths_of", "shown"]
