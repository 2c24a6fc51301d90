"""The filter of the charges, in the address alone: what it asks for, as the form shows it and as lists are asked."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, Query
from sqlalchemy import Connection, select

from api.pages.amounts import amount_minor
from api.problems import Problem
from billing.assignments import ever_used
from billing.money import is_currency
from billing.sums.days import days_before
from billing.sums.filters import State, Wanted
from sessions.store.tables import sellers, sites

AMOUNT_DAYS, AMOUNT_DAYS_OF_A_SITE = 31, 92  # within so many: sums of days know no single amounts

STATES = {
    State.POSTED: "Posted",
    State.IN_REVIEW: "In review",
    State.UNCLAIMED: "Unclaimed",
    State.WAIVED: "Waived",
    State.REJECTED: "Rejected",
    State.FREE: "Free",
}
ORDERS = {"newest": "Newest first", "oldest": "Oldest first"}

Text = Annotated[str, Query(max_length=64)]
Day = Annotated[str, Query(max_length=10)]


class Choice(NamedTuple):
    """What a field offers."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything there is to choose from."""

    sellers: list[Choice]
    sites: list[Choice]
    tariffs: list[str]
    currencies: list[str]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; an empty field asks for everything. Amounts as they were typed."""

    seller: str = ""
    site: str = ""
    tariff: str = ""
    owner: str = ""
    state: str = ""
    currency: str = ""
    first_day: str = ""
    last_day: str = ""
    least: str = ""
    most: str = ""
    order: str = "newest"

    @property
    def query(self) -> str:
        """As the address has it; empty where nothing is asked for."""
        names = ("seller", "site", "tariff", "owner", "state", "currency", "from", "to", "least", "most", "order")
        values = (
            *(self.seller, self.site, self.tariff, self.owner, self.state, self.currency),
            *(self.first_day, self.last_day, self.least, self.most, self.order),
        )
        given = {name: value for name, value in zip(names, values, strict=True) if value and value != "newest"}
        return f"?{urlencode(given)}" if given else ""

    def but(self, **changes: str) -> str:
        """The address of the same list with something else asked for."""
        return f"/finance/charges{replace(self, **changes).query}"

    @property
    def has_amount(self) -> bool:
        return bool(self.least or self.most)

    def within(self, today: str) -> "Filters":
        """The same with the days that an amount needs."""
        if not self.has_amount or self.owner:
            return self
        most = AMOUNT_DAYS_OF_A_SITE if self.site else AMOUNT_DAYS
        last = self.last_day or today
        first = self.first_day or days_before(last, most - 1)
        if first < days_before(last, most - 1):
            detail = f"With an amount choose at most {most} days, or an owner: every charge with a fee is looked at."
            raise Problem(422, "too_long", "This is too much to look through at once", detail)
        return replace(self, first_day=first, last_day=last)

    def wanted(self, currencies: list[str]) -> Wanted:
        """As `billing.sums` is asked for it. Raises a `Problem` for what cannot be read."""
        currency = self.currency or (currencies[0] if len(currencies) == 1 else "")
        if self.has_amount and not currency:
            raise Problem(422, "no_currency", "The amount has no currency", "Choose the currency beside the amount.")
        return Wanted(
            seller_id=self.seller or None,
            site_id=self.site or None,
            tariff=self.tariff or None,
            owner_id=self.owner or None,
            state=State(self.state) if self.state else None,
            currency=currency if self.has_amount else self.currency or None,
            first_day=self.first_day or None,
            last_day=self.last_day or None,
            least_minor=amount_minor(self.least, currency, least_minor=0) if self.least else None,
            most_minor=amount_minor(self.most, currency, least_minor=0) if self.most else None,
        )


def asked(
    seller: Text = "",
    site: Text = "",
    tariff: Text = "",
    owner: Text = "",
    state: Annotated[State | Literal[""], Query()] = "",
    currency: Annotated[str, Query(max_length=3)] = "",
    first_day: Annotated[str, Query(alias="from", max_length=10)] = "",
    last_day: Annotated[str, Query(alias="to", max_length=10)] = "",
    least: Annotated[str, Query(max_length=20)] = "",
    most: Annotated[str, Query(max_length=20)] = "",
    order: Annotated[Literal["newest", "oldest"], Query()] = "newest",
) -> Filters:
    for day in (first_day, last_day):
        check_day(day)
    if currency and not is_currency(currency):
        raise Problem(422, "bad_currency", "This is no currency", f"“{currency}” is not in ISO 4217: USD is.")
    return Filters(
        seller=seller.strip(),
        site=site.strip(),
        tariff=tariff.strip(),
        owner=owner.strip(),
        state=str(state),
        currency=currency,
        first_day=first_day,
        last_day=last_day,
        least=least.strip(),
        most=most.strip(),
        order=order,
    )


def check_day(day: str) -> None:
    """Raises a `Problem` for what is neither empty nor a day."""
    if not day:
        return
    try:
        read = date.fromisoformat(day)
    except ValueError:
        read = None
    if read is None or read.isoformat() != day or not 1970 < read.year < 9998:
        raise Problem(422, "bad_day", "The day cannot be read", f"“{day}” is no day: one is for example 2026-11-22.")


Asked = Annotated[Filters, Depends(asked)]


def choices(connection: Connection) -> Choices:
    """Sellers, sites and what sessions can have been priced by."""
    tariffs = ever_used(connection)
    return Choices(
        sellers=[
            Choice(*row) for row in connection.execute(select(sellers.c.id, sellers.c.name).order_by(sellers.c.name))
        ],
        sites=[Choice(*row) for row in connection.execute(select(sites.c.id, sites.c.name).order_by(sites.c.name))],
        tariffs=sorted({tariff.name for tariff in tariffs}),
        currencies=sorted({tariff.currency for tariff in tariffs}),
    )
