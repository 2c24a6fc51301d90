"""Which month of a seller's books may be closed, and when. Reads only."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from billing.ledger import ACCOUNTS, SESSIONS
from billing.statements import Month
from billing.store.periods import periods
from sessions.sites import Unknown
from sessions.store.tables import sellers

SETTLES_S = 3600  # after a month's end: nothing that began in it is still being committed then


class NotYet(Exception):
    """The month cannot be closed now; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Span:
    """One month of a seller's books, [starts_at, ends_at) in UTC seconds."""

    seller_id: str
    month: Month
    starts_at: int
    ends_at: int

    @property
    def closable_at(self) -> int:
        return self.ends_at + SETTLES_S


def span(seller_id: str, month: Month, zone: ZoneInfo) -> Span:
    return Span(seller_id, month, month.starts_at(zone), month.next.starts_at(zone))


def next_to_close(connection: Connection, seller_id: str) -> Span | None:
    """The month after the last closed one, or that of the first posting; none while nothing was posted.

    Raises `Unknown`.
    """
    zone_name = connection.execute(select(sellers.c.zone).where(sellers.c.id == seller_id)).scalar()
    if zone_name is None:
        raise Unknown("seller", seller_id)
    zone = ZoneInfo(zone_name)
    last = last_closed(connection, seller_id)
    if last is not None:
        following = last.next
        # The zone may have been changed since: the next month begins where the last one ended.
        ended_at = connection.execute(
            select(periods.c.ends_at).where(periods.c.seller_id == seller_id, periods.c.month == str(last))
        ).scalar_one()
        return Span(seller_id, following, ended_at, following.next.starts_at(zone))
    first = _first_posting(connection, seller_id)
    return None if first is None else span(seller_id, Month.of(first, zone), zone)


def last_closed(connection: Connection, seller_id: str) -> Month | None:
    newest = select(func.max(periods.c.month)).where(periods.c.seller_id == seller_id)
    month = connection.execute(newest).scalar()
    return None if month is None else Month.read(month)


def _first_posting(connection: Connection, seller_id: str) -> int | None:
    firsts = [
        connection.execute(
            select(func.min(book.transfers.c.recorded_at)).where(book.transfers.c.seller_id == seller_id)
        ).scalar()
        for book in (SESSIONS, ACCOUNTS)
    ]
    return min((int(at) for at in firsts if at is not None), default=None)
