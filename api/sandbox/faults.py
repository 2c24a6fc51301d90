"""Trouble on order: what goes wrong with which of the next requests, and on which side of the effect.

Before: nothing happened. After: it happened, and nobody was told. What was executed is remembered under its key, a
500 too (<https://docs.stripe.com/api/idempotent_requests>): the same key then gets the same 500 again, and only
looking it up tells what is there. A 503 comes from before the endpoint: its key may be sent again.
"""

from dataclasses import dataclass
from enum import StrEnum
from threading import Lock


class Fault(StrEnum):
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    ERROR_BEFORE = "error_before"  # 500, remembered
    ERROR_AFTER = "error_after"  # 500, remembered
    UNAVAILABLE = "unavailable"  # 503, not remembered
    CONFLICT = "conflict"  # 409: the key is being worked on
    RATE_LIMIT = "rate_limit"  # 429
    SLOW = "slow"  # takes its time, its key in progress meanwhile

    @property
    def after(self) -> bool:
        """Whether the effect is there all the same."""
        return self in {Fault.TIMEOUT_AFTER, Fault.DROP_AFTER, Fault.ERROR_AFTER}


@dataclass(slots=True)
class Order:
    """`times` requests whose "METHOD /path" begins with `on`, after `skip` others, meet `fault`."""

    fault: Fault
    on: str = ""
    times: int = 1
    skip: int = 0
    seconds: float = 60.0  # how long a time-out holds the caller at most, or a slow answer takes


class Faults:
    """The orders that stand, first come first served."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._lock = Lock()

    def order(self, fault: str, *, on: str = "POST /v1/", times: int = 1, skip: int = 0, seconds: float = 60.0) -> None:
        """`fault` is one of `Fault`; `on` as in "POST /v1/refunds"."""
        with self._lock:
            self._orders.append(Order(Fault(fault), on, times, skip, seconds))

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()

    def meet(self, request: str) -> Order | None:
        """What this request, "METHOD /path", runs into."""
        with self._lock:
            for order in self._orders:
                if order.times < 1 or not request.startswith(order.on):
                    continue
                if order.skip:
                    order.skip -= 1
                    continue
                order.times -= 1
                return order
        return None
