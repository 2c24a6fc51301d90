"""Reads what people type: moments, amounts, and names of sessions and stalls."""

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from api.cli.errors import Exit, Refused

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sessions.store.queries import SessionKey


def moment(text: str | None, option: str) -> int | None:
    """UTC seconds of an RFC 3339 moment; one without an offset is refused, as at every door."""
    if text is None:
        return None
    from pydantic_core import PydanticCustomError

    from sessions.events import utc_seconds

    try:
        return utc_seconds(text)
    except PydanticCustomError as fault:
        raise Refused(f"{option} {text}: {fault}", Exit.USAGE) from None


def required_moment(text: str | None, option: str) -> int:
    at = moment(text, option)
    if at is None:
        raise Refused(f"{option} is missing: name a moment such as 2026-05-01T12:00:00+02:00", Exit.USAGE)
    return at


def amount_minor(text: str | None, currency: str) -> int | None:
    """`2.50` in the currency's minor units, exactly."""
    if text is None:
        return None
    from billing.money import minor_digits

    digits = minor_digits(currency)
    try:
        scaled = Decimal(text).scaleb(digits)
        exact = int(scaled)
    except (InvalidOperation, ValueError, OverflowError):
        raise Refused(f"--amount {text}: write an amount of {currency} such as 2.50", Exit.USAGE) from None
    if exact != scaled or abs(exact) > 10**15:
        raise Refused(f"--amount {text}: {currency} has {digits} digits after the point", Exit.USAGE)
    return exact


def stall(text: str) -> tuple[str, str]:
    """`STATION/STALL`."""
    station, slash, name = text.partition("/")
    if not slash or not station or not name:
        raise Refused(f"{text}: name a stall as STATION/STALL", Exit.USAGE)
    return station, name


def session(connection: "Connection", text: str) -> "SessionKey":
    """The session `STATION/SESSION`, or the only one that its station calls `text`."""
    found = sessions_called(connection, text)
    if len(found) > 1:
        raise Refused(f"several stations have a session {text}: name one of {', '.join(key.id for key in found[:4])}")
    if not found:
        raise Refused(f"there is no session {text}: name it as STATION/SESSION, or look with `idlefee find`")
    return found[0]


def sessions_called(connection: "Connection", text: str) -> "list[SessionKey]":
    """`STATION/SESSION`, or every session that its station calls `text`. Asked by station: a key each, however many."""
    from sqlalchemy import and_, select

    from sessions.store.queries import SessionKey
    from sessions.store.tables import sessions, stations

    columns = select(sessions.c.site_id, sessions.c.id).order_by(sessions.c.id)
    here = sessions.c.site_id == stations.c.site_id
    whole = columns.join(stations, here).where(stations.c.id == text.partition("/")[0], sessions.c.id == text)
    named = columns.join(stations, and_(here, sessions.c.id == stations.c.id + "/" + text))
    found = connection.execute(whole).all() or connection.execute(named).all()
    return [SessionKey(*row) for row in found]
