"""Bodies that may be JSON or, for people, a TOML file."""

from collections.abc import Callable
from typing import TypeVar

from api.problems import Problem, unsupported

TOML = "application/toml"

Form = TypeVar("Form")


def read_form(
    body: bytes,
    content_type: str | None,
    called: str,
    from_json: Callable[[bytes], Form],
    from_toml: Callable[[str], Form],
) -> Form:
    """The form a body fills in, by its type; raises a `Problem` for any other type, and whatever the readers raise."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return from_json(body)
    if media_type == TOML:
        return from_toml(_text(body))
    raise unsupported(f"Send a {called} with Content-Type: application/json, or {TOML} for a TOML file.")


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem(400, "unreadable_body", "The body cannot be read", "TOML is UTF-8.") from None
