"""Idempotency keys: the answer of an endpoint that began to execute, for a day.

<https://docs.stripe.com/api/idempotent_requests>. No HTTP, no clock.
"""

from dataclasses import dataclass

from .errors import Refusal

FORGOTTEN_AFTER_S = 86_400
LONGEST = 255


@dataclass(slots=True)
class Kept:
    """What was asked under a key, and what came of it; no status: it is being worked on."""

    asked: str
    at: int
    request_id: str
    status: int | None = None
    body: bytes = b""


class Keys:
    """The keys of one account."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def begin(self, key: str, asked: str, request_id: str, now: int) -> Kept | None:
        """The answer of the first time, if this is not it. Raises `Refusal` where the key cannot be used."""
        if len(key) > LONGEST:
            raise Refusal(400, "invalid_request_error", f"Idempotency keys have up to {LONGEST} characters.")
        kept = self._kept.get(key)
        if kept is not None and now - kept.at >= FORGOTTEN_AFTER_S:
            kept = None
        if kept is None:
            self._kept[key] = Kept(asked, now, request_id)
            return None
        if kept.asked != asked:
            words = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
                f" Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise Refusal(400, "idempotency_error", words)
        if kept.status is None:
            words = (
                f"There is currently another in-progress request using this Idempotent Key ({key}). Try again later."
            )
            raise Refusal(409, "idempotency_error", words, code="idempotency_key_in_use")
        return kept

    def in_progress(self, key: str) -> bool:
        kept = self._kept.get(key)
        return kept is not None and kept.status is None

    def keep(self, key: str, status: int, body: bytes) -> None:
        kept = self._kept[key]
        kept.status, kept.body = status, body

    def drop(self, key: str) -> None:
        """Nothing was executed: the next request under this key is the first."""
        self._kept.pop(key, None)
