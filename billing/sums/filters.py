"""Which charges are asked for, as the finance pages and their files ask: by what they are, not by where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, false, func, literal_column, or_

from billing.settle import Charge
from billing.store.sums import charge_days
from billing.store.tables import charges
from billing.sums.days import Calendars, stretch_of

ALL_SITES = ""  # a day's sums of every site together


class State(StrEnum):
    """Where a charge stands; each is in exactly one."""

    IN_REVIEW = "in_review"
    UNCLAIMED = "unclaimed"
    POSTED = "posted"
    REJECTED = "rejected"
    WAIVED = "waived"
    FREE = "free"


# Written out, not bound: so may a statement group by it, and a prepared one use the index of charges with a fee.
STATE: ColumnElement[str] = literal_column(
    "CASE WHEN charges.held IS NOT NULL THEN 'in_review' "
    "WHEN charges.fee_minor > 0 AND charges.owner_id IS NULL THEN 'unclaimed' "
    "WHEN charges.fee_minor > 0 THEN 'posted' "
    "WHEN charges.decision = 'reject' THEN 'rejected' "
    "WHEN charges.waived_minor IS NOT NULL THEN 'waived' ELSE 'free' END",
    Text,
)


def state_of(charge: Charge) -> State:
    """The same of one that was read."""
    if charge.held:
        return State.IN_REVIEW
    if charge.fee_minor > 0:
        return State.UNCLAIMED if charge.owner_id is None else State.POSTED
    if charge.decision == "reject":
        return State.REJECTED
    return State.FREE if charge.waived_minor is None else State.WAIVED


WITH_A_FEE: ColumnElement[bool] = charges.c.fee_minor > literal_column("0")
_DECIDED = charges.c.held.is_(None)
_NO_FEE = charges.c.fee_minor == literal_column("0")
_REJECTED = func.coalesce(charges.c.decision, "") == "reject"

# The same as conditions, which a planner can estimate.
_OF_STATE: dict[State, Sequence[ColumnElement[bool]]] = {
    State.IN_REVIEW: (charges.c.held.is_not(None),),
    State.UNCLAIMED: (_DECIDED, WITH_A_FEE, charges.c.owner_id.is_(None)),
    State.POSTED: (_DECIDED, WITH_A_FEE, charges.c.owner_id.is_not(None)),
    State.REJECTED: (_DECIDED, _NO_FEE, _REJECTED),
    State.WAIVED: (_DECIDED, _NO_FEE, ~_REJECTED, charges.c.waived_minor.is_not(None)),
    State.FREE: (_DECIDED, _NO_FEE, ~_REJECTED, charges.c.waived_minor.is_(None)),
}


class Place(NamedTuple):
    """A charge's place in a list: by the moment it was first settled."""

    at: int
    site_id: str
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which charges; none of a field means all. [first_day, last_day] are of the seller's calendar, both counted; the
    amounts are fees as posted, in minor units, both counted.
    """

    seller_id: str | None = None
    site_id: str | None = None
    tariff: str | None = None
    owner_id: str | None = None
    currency: str | None = None
    state: State | None = None
    first_day: str | None = None
    last_day: str | None = None
    least_minor: int | None = None
    most_minor: int | None = None

    @property
    def needs_rows(self) -> bool:
        """Whether sums of days cannot tell: they know neither owners nor single amounts."""
        return self.owner_id is not None or self.least_minor is not None or self.most_minor is not None

    def of_days(self) -> list[ColumnElement[bool]]:
        """The conditions upon the sums of days."""
        columns = charge_days.c
        found = self._same(columns)
        if self.state is not None:
            found.append(columns.state == self.state.value)
        if self.first_day is not None:
            found.append(columns.day >= self.first_day)
        if self.last_day is not None:
            found.append(columns.day <= self.last_day)
        return found

    def of_charges(self, known: Calendars) -> list[ColumnElement[bool]]:
        """The conditions upon the charges themselves."""
        columns = charges.c
        found = self._same(columns)
        if self.owner_id is not None:
            found.append(columns.owner_id == self.owner_id)
        if self.state is not None:
            found += _OF_STATE[self.state]
        if self.least_minor is not None:
            found.append(columns.fee_minor >= self.least_minor)
            found += [WITH_A_FEE] if self.least_minor > 0 else []
        if self.most_minor is not None:
            found.append(columns.fee_minor <= self.most_minor)
        if self.first_day is not None or self.last_day is not None:
            found.append(self._settled_then(known))
        return found

    def _same(self, columns: Any) -> list[ColumnElement[bool]]:
        equal = {
            "seller_id": self.seller_id,
            "site_id": self.site_id,
            "tariff": self.tariff,
            "currency": self.currency,
        }
        return [columns[name] == value for name, value in equal.items() if value is not None]

    def _settled_then(self, known: Calendars) -> ColumnElement[bool]:
        """Within the days of each seller's own calendar; a bare span of time where all keep the same."""
        spans = []
        for zone, seller_ids in known.by_zone.items():
            if self.seller_id is not None and self.seller_id not in seller_ids:
                continue
            span = []
            if self.first_day is not None:
                span.append(charges.c.settled_at >= stretch_of(self.first_day, zone).starts_at)
            if self.last_day is not None:
                span.append(charges.c.settled_at < stretch_of(self.last_day, zone).ends_at)
            spans.append((seller_ids, and_(*span)))
        if len(spans) == 1:
            return spans[0][1]
        return or_(false(), *(and_(charges.c.seller_id.in_(seller_ids), span) for seller_ids, span in spans))
