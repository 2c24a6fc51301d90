"""Prices one part of the sessions: `billing.rating` on what the snapshots keep, without reading an event.

Two shortcuts, neither of them a rule of its own. A session that was complete for no longer than a tariff's grace has no
billed second under any rule of stays, exclusions or tiers. So the database counts those that would cost nothing, and
sums what they do cost if any tariff there ever was could have billed them; only the others are read. And how full a
site was is walked through once, where a tariff asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select

from billing.assignments import ever_used
from billing.rating import Context, Occupancy, fee_of
from billing.rerate.question import Costs, Question, SiteCost
from billing.settle import CHARGED, excuses_upon, notice_accepted_at, occupancy_window
from billing.store.tables import charges
from sessions.facts import FOREVER, Kind, facts_of, site_facts
from sessions.folding import Folded, timeline_from_snapshot
from sessions.machine import Timeline
from sessions.sites import Occupied, all_sites, occupancy, through
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions

ROWS_A_FETCH = 5_000
DAY_S = 86_400  # no station's clock is believed to be further from ours

_OF_A_SESSION = (
    sessions.c.site_id,
    sessions.c.id,
    sessions.c.stall,
    sessions.c.token_id,
    sessions.c.plugged_in_at,
    sessions.c.unplugged_at,
    sessions.c.until,
    sessions.c.offset_s,
    sessions.c.not_billable,
    sessions.c.review,
    sessions.c.timeline,
)


class Share(Protocol):
    """Some of the sessions, chosen so that all shares together are all of them."""

    def rows(self, connection: Connection) -> ColumnElement[bool]: ...


@dataclass(frozen=True, slots=True)
class OfSite:
    """The sessions of one site."""

    site_id: str

    def rows(self, _connection: Connection) -> ColumnElement[bool]:
        return sessions.c.site_id == self.site_id


@dataclass(frozen=True, slots=True)
class OfSiteBetween:
    """The sessions of one site within a time, found by index: the question asks the exact moment of each."""

    site_id: str
    starts_at: int
    ends_at: int

    def rows(self, _connection: Connection) -> ColumnElement[bool]:
        at = sessions.c.plugged_in_at
        return and_(sessions.c.site_id == self.site_id, at >= self.starts_at - DAY_S, at < self.ends_at + DAY_S)


class Pricer:
    """Answers a question for one part of the sessions after another, on one connection."""

    def __init__(self, connection: Connection, question: Question) -> None:
        self._connection = connection
        self._question = question
        self._of: ColumnElement[str] = (
            func.coalesce(charges.c.owner_id, "") if question.by_owner else sessions.c.site_id
        ).label("of")
        self._plain = {site.id: Context(zone=site.tz) for site in all_sites(connection)}
        self._excuses = site_facts(connection, self._plain, [Kind.EXCUSE])
        self._walked: tuple[str, tuple[Occupied, ...]] = "", ()
        self._grace_s = question.tariff.grace.grace_s
        self._least_grace_s = min((tariff.grace.grace_s for tariff in ever_used(connection)), default=0)

    def price(self, share: Share) -> Costs:
        """The sums of the sessions in `share`."""
        asked = and_(share.rows(self._connection), self._question.asks_for())
        counted = select(self._of, func.count()).select_from(sessions).where(asked).group_by("of")
        if self._question.by_owner:
            counted = counted.join(charges, CHARGED, isouter=True)
        costs = {name: SiteCost(sessions=count) for name, count in self._connection.execute(counted)}
        if self._least_grace_s < self._grace_s:
            self._add_what_would_be_free(costs, asked)
        longer = (
            select(*_OF_A_SESSION, self._of, charges.c.computed_minor, charges.c.currency)
            .join_from(sessions, charges, CHARGED, isouter=True)
            .where(asked, sessions.c.complete_s > self._grace_s)
        )
        result = self._connection.execute(longer, execution_options={"yield_per": ROWS_A_FETCH})
        for rows in result.mappings().partitions():
            self._add(costs, rows)
        return costs

    def _add_what_would_be_free(self, costs: Costs, asked: ColumnElement[bool]) -> None:
        """Sessions that some tariff may have billed, and that would be within the grace."""
        statement = (
            select(self._of, charges.c.currency, func.count(), func.sum(charges.c.computed_minor))
            .select_from(sessions)
            .join(charges, CHARGED)
            .where(
                asked,
                sessions.c.complete_s.between(self._least_grace_s + 1, self._grace_s),
                charges.c.computed_minor > 0,
            )
            .group_by("of", charges.c.currency)
        )
        for name, currency, count, old_minor in self._connection.execute(statement):
            costs[name].changed += count
            costs[name].old_minor[currency] += int(old_minor)

    def _add(self, costs: Costs, rows: Sequence[RowMapping]) -> None:
        tariff = self._question.tariff
        timelines = list(map(timeline_from_snapshot, rows))
        for row, timeline, context in zip(rows, timelines, self._contexts(rows, timelines), strict=True):
            new_minor = fee_of(timeline, tariff, context)
            costs[row["of"]].add(row["computed_minor"] or 0, row["currency"] or "", new_minor, tariff.currency)

    def _contexts(self, rows: Sequence[RowMapping], timelines: Sequence[Timeline]) -> list[Context]:
        """What each bill needs beside its timeline; for most sessions it is their site's time zone alone."""
        tariff = self._question.tariff
        if not (tariff.tiers or tariff.requires_notice or self._excuses):
            return [self._plain[row["site_id"]] for row in rows]
        keys = [SessionKey(row["site_id"], row["id"]) for row in rows]
        folded = [Folded(key, timeline, True, None, 0) for key, timeline in zip(keys, timelines, strict=True)]
        named = facts_of(self._connection, keys) if tariff.requires_notice else {}
        occupied = self._occupied(folded) if tariff.tiers else {}
        return [
            Context(
                zone=self._plain[one.key.site_id].zone,
                excuses=excuses_upon(one, self._excuses.get(one.key.site_id, ())),
                notice_accepted_at=notice_accepted_at(named.get(one.key, ())),
                occupancy=occupied.get(one.key, ()),
            )
            for one in folded
        ]

    def _occupied(self, folded: Sequence[Folded]) -> dict[SessionKey, tuple[Occupancy, ...]]:
        """How full each session's site was while it mattered."""
        found: dict[SessionKey, tuple[Occupancy, ...]] = {}
        for one in folded:
            if (window := occupancy_window(one)) is not None:
                steps = through(self._steps(one.key.site_id), *window)
                found[one.key] = tuple(Occupancy(*step) for step in steps)
        return found

    def _steps(self, site_id: str) -> tuple[Occupied, ...]:
        """How full the site was from first to last; kept for one site at a time."""
        if self._walked[0] != site_id:
            self._walked = site_id, occupancy(self._connection, site_id, 0, FOREVER)
        return self._walked[1]
