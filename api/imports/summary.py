"""What the sessions of a file came to: counted from the snapshots and the ledger's charges, read only."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Text, and_, select

from billing.assignments import DEFAULT_TARIFF, assignments_of, latest, tariff_version
from billing.store.tables import charges
from sessions.statements import keys_of
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions

_KEYS_A_QUERY = 5_000


@dataclass(slots=True)
class Summary:
    """Counts of sessions, and sums in minor units by currency. `running`: not over yet, so nothing is posted."""

    sessions: int = 0
    billable: int = 0
    charged: int = 0
    running: int = 0
    in_review: int = 0
    not_billable: Counter[str] = field(default_factory=Counter)
    unclaimed: int = 0
    unclaimed_minor: Counter[str] = field(default_factory=Counter)
    total_minor: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """One object; where the sites bill in several currencies, `currency` is null and the sums are by currency."""
        codes = sorted(self.total_minor)
        currency = codes[0] if len(codes) == 1 else None
        return {
            "sessions": self.sessions,
            "billable": self.billable,
            "charged": self.charged,
            "running": self.running,
            "in_review": self.in_review,
            "not_billable": dict(sorted(self.not_billable.items())),
            "unclaimed": {
                "sessions": self.unclaimed,
                "amount_minor": self.unclaimed_minor[currency] if currency else dict(self.unclaimed_minor),
            },
            "currency": currency,
            "total_minor": self.total_minor[currency] if currency else dict(self.total_minor),
        }


def summarise(connection: Connection, keys: Collection[SessionKey]) -> Summary:
    """Sum up those of the given sessions that there are: one whose every event was refused is none."""
    found = Summary()
    for currency in _currencies(connection, {key.site_id for key in keys}):
        found.total_minor[currency] = 0
    for row in _rows(connection, keys):
        found.sessions += 1
        if row.not_billable is None:
            found.billable += 1
        else:
            found.not_billable[row.not_billable] += 1
        if row.fee_minor is None:
            found.running += not row.closed
            continue
        found.charged += row.fee_minor > 0
        found.in_review += row.held is not None
        found.total_minor[row.currency] += row.fee_minor
        if row.owner_id is None:
            found.unclaimed += 1
            found.unclaimed_minor[row.currency] += row.fee_minor
    return found


def _currencies(connection: Connection, site_ids: Collection[str]) -> set[str]:
    """What the sites bill in now, so that a sum of nothing has a currency, too."""
    assigned = assignments_of(connection, site_ids)
    last = {tariff_version(connection, assigned[site_id][-1].tariff).currency for site_id in assigned}
    return last or {latest(connection, DEFAULT_TARIFF).currency}


def _rows(connection: Connection, keys: Collection[SessionKey]) -> Iterator[Any]:
    left = iter(sorted(keys))
    while some := list(islice(left, _KEYS_A_QUERY)):
        wanted = keys_of(connection, "wanted", (("site_id", Text()), ("id", Text())), some)
        statement = (
            select(
                sessions.c.not_billable,
                sessions.c.closed,
                charges.c.owner_id,
                charges.c.fee_minor,
                charges.c.currency,
                charges.c.held,
            )
            .join(wanted, and_(sessions.c.site_id == wanted.c.site_id, sessions.c.id == wanted.c.id))
            .outerjoin(charges, and_(charges.c.site_id == sessions.c.site_id, charges.c.session_id == sessions.c.id))
        )
        yield from connection.execute(statement)
