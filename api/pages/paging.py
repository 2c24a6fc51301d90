"""Lists of sessions a page at a time; the address of the next page names the last row's place."""

from typing import NamedTuple

from sqlalchemy import Connection

from api.pages.queries import ROWS_A_PAGE
from api.paging import cursor_at, place_of
from billing.listing import Place, Wanted, sessions_after
from sessions.store.queries import SessionKey


class Page(NamedTuple):
    """Sessions of a list, and the cursor of what follows them; none at the end."""

    keys: list[SessionKey]
    following: str | None


def sessions_page(connection: Connection, wanted: Wanted, cursor: str | None, most: int = ROWS_A_PAGE) -> Page:
    """The sessions behind the cursor, newest plug-in first."""
    place = place_of(cursor, (int, str, str))
    after = None if place is None else Place._make(place)
    rows = sessions_after(connection, wanted, after, most + 1)
    shown = rows[:most]
    following = cursor_at(shown[-1].place) if len(rows) > most else None
    return Page([row.key for row in shown], following)
