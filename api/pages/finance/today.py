"""`/finance`: what runs up, what was posted and collected, what does not come and what nobody explained yet; the last
thirty days as charts and as a table.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from fastapi import APIRouter, Depends, Request, Response
from markupsafe import Markup
from sqlalchemy import Connection

from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.finance.charts import Day, chart
from api.pages.loading import Sight
from api.pages.queries import owners, queues
from api.pages.queries import today as queries
from api.pages.rendering import page
from api.pages.visitors import finance
from billing.ledger import Account
from billing.payments.patience import key_is_refused
from billing.sums.days import Calendars, calendars, day_of, days_before, days_between
from billing.sums.entries import moved_by_day, trial_balance
from sessions.database import one_moment
from sessions.store.queries import SessionKey

DAYS = 30
MOST_STANDING = 200  # cars looked at: each is priced as of now

# What sessions came to; and where money is that came from owners: what went back to them is in it as well.
POSTED = (Account.REVENUE, Account.TAX, Account.DEFERRED)
COLLECTED = (Account.PROCESSOR, Account.PROCESSOR_FEES, Account.IN_TRANSIT, Account.BANK, Account.SUSPENSE)

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@dataclass(slots=True)
class Book:
    """One seller in one currency. Amounts in minor units; days by the calendar of its books."""

    seller_id: str
    currency: str
    today: str
    accruing_minor: int = 0
    cars: int = 0
    posted: dict[str, int] = field(default_factory=dict)
    collected: dict[str, int] = field(default_factory=dict)
    owed_minor: int = 0
    failing: queries.Waiting | None = None
    suspense_minor: int = 0

    @property
    def days(self) -> list[str]:
        return days_between(days_before(self.today, DAYS - 1), self.today)

    def chart_of(self, title: str, kind: str) -> Markup:
        moved = self.posted if kind == "posted" else self.collected
        return chart(title, kind, [Day(day, moved.get(day, 0)) for day in self.days], self.currency)

    def highest(self, moved: dict[str, int]) -> int:
        """The best of the days."""
        return max((moved.get(day, 0) for day in self.days), default=0)

    def last(self, moved: dict[str, int], days: int) -> int:
        """What the last days came to, today's as far as it is over."""
        return sum(moved.get(day, 0) for day in self.days[-days:])


@router.get("/finance")
def today(request: Request, idlefee: Engine) -> Response:
    now = request.state.page["now"]
    with one_moment(idlefee.engine) as connection:
        known = calendars(connection)
        books = _books(connection, known, now)
        standing = queries.standing_full(connection, MOST_STANDING + 1)
        _accrue(books, known, connection, standing[:MOST_STANDING], now)
        unreconciled = queries.unreconciled(connection)
        waiting = queues.everything(connection, now)
        names = owners.seller_names(connection)
        key_refused = idlefee.processor is not None and key_is_refused(connection)
    return page(
        request,
        "finance/today.html",
        books=[books[key] for key in sorted(books)],
        names=names,
        most=MOST_STANDING if len(standing) > MOST_STANDING else None,
        unreconciled=unreconciled,
        waiting=waiting,
        key_refused=key_refused,
        day_count=DAYS,
    )


Books = dict[tuple[str, str], Book]


def _books(connection: Connection, known: Calendars, now: int) -> Books:
    days = {seller_id: day_of(now, zone) for seller_id, zone in known.zones.items()}
    books: Books = {}

    def book(seller_id: str, currency: str) -> Book:
        return books.setdefault((seller_id, currency), Book(seller_id, currency, days[seller_id]))

    for row in trial_balance(connection):
        its = book(row.seller_id, row.currency)
        its.owed_minor += row.balance_minor if row.account is Account.RECEIVABLE else 0
        its.suspense_minor -= row.balance_minor if row.account is Account.SUSPENSE else 0
    first = days_before(min(days.values(), default="2000-01-01"), DAYS)
    last = max(days.values(), default="2000-01-01")
    posted: dict[tuple[str, str, str], int] = defaultdict(int)
    collected: dict[tuple[str, str, str], int] = defaultdict(int)
    moved = moved_by_day(connection, (*POSTED, *COLLECTED), first, last)
    for (seller_id, currency, account, day), (debit, credit) in moved.items():
        if account in POSTED:
            posted[seller_id, currency, day] += credit - debit
        else:
            collected[seller_id, currency, day] += debit - credit
    for (seller_id, currency, day), amount in posted.items():
        book(seller_id, currency).posted[day] = amount
    for (seller_id, currency, day), amount in collected.items():
        book(seller_id, currency).collected[day] = amount
    for waiting in queries.failing(connection):
        book(waiting.seller_id, waiting.currency).failing = waiting
    return books


def _accrue(books: Books, known: Calendars, connection: Connection, keys: list[SessionKey], now: int) -> None:
    """What the cars that stand there come to so far."""
    for view in Sight(connection, now).views(keys):
        if view.running and view.fee_minor:
            seller_id = view.site.seller_id
            name = (seller_id, view.currency)
            its = books.setdefault(name, Book(*name, day_of(now, known.zones[seller_id])))
            its.accruing_minor += view.fee_minor
            its.cars += 1
