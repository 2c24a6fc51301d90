"""Lists a page at a time: a cursor names the last row that was seen, so that what arrives meanwhile moves nothing.

A cursor is opaque to who is given it; here it is the row's place, in base64.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from api.problems import Problem

T = TypeVar("T")
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=500, description="how many at the most")]
Cursor = Annotated[
    str | None,
    Query(max_length=2_000, pattern=r"^[A-Za-z0-9_-]+$", description="`next` of the page before; left out: the first"),
]


class Page(BaseModel, Generic[T]):
    """Some of a list; `next` is the cursor of what follows, null at the end."""

    items: list[T]
    next: Annotated[str | None, Field(examples=[None])]


def place_of(cursor: str | None, kinds: Sequence[type]) -> tuple[Any, ...] | None:
    """The place a cursor names, its parts of these kinds; raises a `Problem` for one that we never gave."""
    if cursor is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise _never_given() from None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds) or not all(map(_sound, place)):
        raise _never_given()
    return tuple(place)


def _sound(part: int | str) -> bool:
    """Fit to be asked a database for: no integer beyond its columns, no NUL, no half of a surrogate pair."""
    if isinstance(part, int):
        return abs(part) < 2**62
    return "\0" not in part and not re.search("[\ud800-\udfff]", part)


def _never_given() -> Problem:
    detail = "Send `next` of the page before as it was, or leave `cursor` out to begin again."
    return Problem(422, "bad_cursor", "This is no cursor of ours", detail)


def cursor_at(place: Sequence[int | str]) -> str:
    text = json.dumps(list(place), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_of(
    rows: Sequence[Row], limit: int, place: Callable[[Row], Sequence[int | str]], shown: Callable[[Row], T]
) -> Page[T]:
    """The page of `rows`, of which one more than `limit` was asked for."""
    following = cursor_at(place(rows[limit - 1])) if len(rows) > limit else None
    return Page[T](items=[shown(row) for row in rows[:limit]], next=following)
