"""What is asked, and what is answered: sums by site, which add up in any order."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_

from billing.tariffs import Tariff
from sessions.facts import FOREVER
from sessions.store.tables import sessions


@dataclass(frozen=True, slots=True)
class Question:
    """What would sessions plugged in during [starts_at, ends_at), on our clock, have cost? No `site_ids`: at all.

    Answered by site, or `by_owner`: whom a session is charged to now, nobody by an empty name.
    """

    tariff: Tariff
    starts_at: int = 0
    ends_at: int = FOREVER
    site_ids: tuple[str, ...] | None = None
    by_owner: bool = False

    def asks_for(self) -> ColumnElement[bool]:
        """Sessions of the time and the sites that are over and had a completion before their end."""
        begins = sessions.c.plugged_in_at + sessions.c.offset_s
        asked: list[ColumnElement[bool]] = [sessions.c.closed.is_(True), sessions.c.not_billable.is_(None)]
        # Only what narrows the question: the planner of a database takes each condition for a rare one.
        if self.starts_at > 0:
            asked.append(begins >= self.starts_at)
        if self.ends_at < FOREVER:
            asked.append(begins < self.ends_at)
        if self.site_ids is not None:
            asked.append(sessions.c.site_id.in_(self.site_ids))
        return and_(*asked)


@dataclass(slots=True)
class SiteCost:
    """What some sessions cost and would cost, before waivers and review. Old amounts by the currency they are in."""

    sessions: int = 0
    changed: int = 0  # those whose fee would be another
    old_minor: Counter[str] = field(default_factory=Counter)
    new_minor: int = 0

    def add(self, old_minor: int, old_currency: str, new_minor: int, new_currency: str) -> None:
        """One session's two fees. A fee of nothing is nothing in any currency."""
        if old_minor:
            self.old_minor[old_currency] += old_minor
        self.new_minor += new_minor
        if old_minor != new_minor or (new_minor and old_currency != new_currency):
            self.changed += 1

    def include(self, other: "SiteCost") -> None:
        self.sessions += other.sessions
        self.changed += other.changed
        self.old_minor.update(other.old_minor)
        self.new_minor += other.new_minor

    def difference_minor(self, currency: str) -> int | None:
        """New less old; none where the old is in another currency, or in several."""
        return None if set(self.old_minor) - {currency} else self.new_minor - self.old_minor[currency]


Costs = dict[str, SiteCost]  # by site, or by owner


def add_up(parts: Iterable[Costs]) -> Costs:
    total: Costs = {}
    for part in parts:
        for site_id, cost in part.items():
            total.setdefault(site_id, SiteCost()).include(cost)
    return total


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer, by site (or by owner, if that was asked) and in total; new amounts in the tariff's currency."""

    question: Question
    sites: Costs

    @property
    def currency(self) -> str:
        return self.question.tariff.currency

    @property
    def total(self) -> SiteCost:
        return add_up([{"": cost} for cost in self.sites.values()]).get("", SiteCost())

    @property
    def site_ids(self) -> Collection[str]:
        return sorted(self.sites)
