"""What the sandbox answers when it does not do what was asked, in Stripe's shape.

<https://docs.stripe.com/api/errors>, <https://docs.stripe.com/error-codes>. Whether an idempotency key remembers the
answer is part of it: Stripe saves what came of an endpoint that began to execute, and nothing from before
(<https://docs.stripe.com/api/idempotent_requests>).
"""

from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """An answer other than 200. `executed`: the endpoint had begun, so that its key remembers this answer."""

    def __init__(
        self, status: int, kind: str, message: str, *, executed: bool = False, code: str | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        self.status, self.executed = status, executed
        named = (
            {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"} if code else {}
        )
        self.error: Json = {
            **named,
            "message": message,
            "type": kind,
            **{k: v for k, v in more.items() if v is not None},
        }

    def body(self) -> Json:
        return {"error": self.error}


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    """The parameters are wrong: 400, before anything was executed."""
    return Refusal(400, "invalid_request_error", message, code=code, param=param)


def unfit(message: str, code: str | None = None, **more: Any) -> Refusal:
    """The parameters are right, the state of things is not: 400, and the key remembers it."""
    return Refusal(400, "invalid_request_error", message, executed=True, code=code, **more)


def missing(kind: str, ref: str, param: str | None) -> Refusal:
    """No such object: 404 where the address names it, 400 where a parameter does."""
    words = f"No such {kind.replace('.', ' ')}: '{ref}'"
    status = 404 if param is None else 400
    return Refusal(status, "invalid_request_error", words, code="resource_missing", param=param or "id")


def declined(decline: Json, **more: Any) -> Refusal:
    """The bank says no: 402, and the key remembers it."""
    fields = {name: value for name, value in decline.items() if name not in {"message", "code", "type", "doc_url"}}
    return Refusal(402, "card_error", decline["message"], executed=True, code=decline["code"], **fields, **more)
