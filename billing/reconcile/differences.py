"""Differences, kept: each with its age, whoever looks into it, and a note. One ends by itself when it is looked for and
gone, and begins anew, with a new age, if it comes back.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select, tuple_, update

from billing.periods import trail
from billing.reconcile.cases import CASES, Case, Code
from billing.reconcile.words import Finding
from billing.store.reconciliation import differences, reconciliations
from sessions.sites import Unknown
from sessions.statements import one_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference as it is kept. Amounts in minor units, times in UTC seconds."""

    seller_id: str
    id: str
    code: Code
    subject: str
    party_id: str | None
    currency: str | None
    ours_minor: int | None
    theirs_minor: int | None
    detail: str
    at: int
    first_seen_at: int
    last_seen_at: int
    ended_at: int | None
    assigned_to: str | None
    note: str | None
    changed_by: str | None

    @property
    def case(self) -> Case:
        return CASES[self.code]

    def age_s(self, now: int) -> int:
        """How long it is known."""
        return (now if self.ended_at is None else self.ended_at) - self.first_seen_at


class Place(NamedTuple):
    """A difference's place among all, the oldest first."""

    first_seen_at: int
    seller_id: str
    id: str


class Run(NamedTuple):
    """One comparison of a seller's accounts: what was looked at, what the engine put right, what was left."""

    seller_id: str
    n: int
    since: int
    until: int
    ran_at: int
    seen: dict[str, int]
    acted: int
    found: int


def id_of(seller_id: str, finding: Finding) -> str:
    return hashlib.blake2b(f"{seller_id}\0{finding.code}\0{finding.subject}".encode(), digest_size=12).hexdigest()


def keep(
    connection: Connection, seller_id: str, found: Iterable[Finding], now: int, judged: Sequence[Code] = tuple(Code)
) -> None:
    """Let the open differences be those found. `judged` are the cases that were looked for: others stay as they are."""
    mine = (differences.c.seller_id == seller_id, differences.c.ended_at.is_(None))
    here = {id_of(seller_id, finding): finding for finding in found}
    known = select(differences.c.id, differences.c.ended_at).where(
        differences.c.seller_id == seller_id, one_of(connection, differences.c.id, here)
    )
    there = {row.id: row.ended_at for row in connection.execute(known)}
    for id_, finding in here.items():
        said: dict[str, Any] = {
            "detail": finding.detail,
            "party_id": finding.party_id,
            "currency": finding.currency,
            "ours_minor": finding.ours_minor,
            "theirs_minor": finding.theirs_minor,
            "at": finding.at,
            "last_seen_at": now,
        }
        again = {"ended_at": None, "first_seen_at": now}
        if id_ not in there:
            said |= {"seller_id": seller_id, "id": id_, "code": finding.code.value, "subject": finding.subject} | again
            connection.execute(insert(differences).values(**said, assigned_to=CASES[finding.code].role))
        else:
            said |= again if there[id_] is not None else {}
            theirs = (differences.c.seller_id == seller_id, differences.c.id == id_)
            connection.execute(update(differences).where(*theirs).values(**said))
    gone = update(differences).where(*mine, differences.c.code.in_(sorted(judged)))
    still = one_of(connection, differences.c.id, here)
    connection.execute(gone.where(~still).values(ended_at=now))


def write_run(connection: Connection, run: Run) -> Run:
    """Note a comparison, numbered after those there are. The caller holds the seller's lock."""
    theirs = reconciliations.c.seller_id == run.seller_id
    last = connection.execute(select(func.coalesce(func.max(reconciliations.c.n), 0)).where(theirs)).scalar_one()
    made = run._replace(n=int(last) + 1)
    connection.execute(insert(reconciliations).values(**made._asdict() | {"seen": json.dumps(made.seen)}))
    return made


def last_run(connection: Connection, seller_id: str) -> Run | None:
    statement = select(reconciliations).where(reconciliations.c.seller_id == seller_id)
    row = connection.execute(statement.order_by(reconciliations.c.n.desc()).limit(1)).mappings().first()
    return None if row is None else _run(row)


def covered(connection: Connection, seller_id: str) -> tuple[int, int] | None:
    """From when, and until when, the processor's words were read without a gap; none before the first run."""
    spans = select(reconciliations.c.since, reconciliations.c.until).where(reconciliations.c.seller_id == seller_id)
    since = until = None
    for row in connection.execute(spans.order_by(reconciliations.c.until.desc(), reconciliations.c.since)):
        if since is None or until is None:
            since, until = row.since, row.until
        elif row.until >= since:
            since = min(since, row.since)
    return None if since is None or until is None else (since, until)


# -- what people do with them -------------------------------------------------------------------------------


def see_to(
    connection: Connection,
    seller_id: str,
    id_: str,
    *,
    author: str,
    now: int,
    assigned_to: str | None = None,
    note: str | None = None,
) -> Difference:
    """Let somebody look into it (a role, or a person's id), and write down what is known of it. Raises `Unknown`."""
    difference_of(connection, seller_id, id_)
    values = {name: value for name, value in (("assigned_to", assigned_to), ("note", note)) if value is not None}
    theirs = (differences.c.seller_id == seller_id, differences.c.id == id_)
    connection.execute(update(differences).where(*theirs).values(**values, changed_by=author))
    subject, details = f"difference {id_}", {"assigned_to": assigned_to}
    trail.record(
        connection, author=author, what="difference_seen_to", subject=subject, now=now, reason=note, details=details
    )
    return difference_of(connection, seller_id, id_)


# -- reading ------------------------------------------------------------------------------------------------


def difference_of(connection: Connection, seller_id: str, id_: str) -> Difference:
    """Raises `Unknown`."""
    statement = select(differences).where(differences.c.seller_id == seller_id, differences.c.id == id_)
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise Unknown("difference", id_)
    return _from_row(row)


def differences_after(
    connection: Connection,
    *,
    seller_id: str | None = None,
    code: Code | None = None,
    assigned_to: str | None = None,
    ended: bool = False,
    after: Place | None = None,
    most: int = 50,
) -> list[Difference]:
    """Up to `most` behind `after`, the oldest first; open ones, or with `ended` those that are over."""
    place = (differences.c.first_seen_at, differences.c.seller_id, differences.c.id)
    over = differences.c.ended_at.is_not(None) if ended else differences.c.ended_at.is_(None)
    statement = select(differences).where(over).order_by(*place).limit(most)
    if seller_id is not None:
        statement = statement.where(differences.c.seller_id == seller_id)
    if code is not None:
        statement = statement.where(differences.c.code == code.value)
    if assigned_to is not None:
        statement = statement.where(differences.c.assigned_to == assigned_to)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple(after))
    return [_from_row(row) for row in connection.execute(statement).mappings()]


def runs_of(connection: Connection, seller_id: str | None = None, most: int = 50) -> list[Run]:
    """The latest comparisons, newest first."""
    statement = select(reconciliations).order_by(reconciliations.c.ran_at.desc(), reconciliations.c.n.desc())
    if seller_id is not None:
        statement = statement.where(reconciliations.c.seller_id == seller_id)
    return [_run(row) for row in connection.execute(statement.limit(most)).mappings()]


def _run(row: Mapping[Any, Any]) -> Run:
    return Run(**{**row, "seen": json.loads(row["seen"])})


def open_by_case(connection: Connection) -> dict[Code, tuple[int, int]]:
    """How many differences of each case are open, and when the oldest of them was first seen."""
    statement = (
        select(differences.c.code, func.count(), func.min(differences.c.first_seen_at))
        .where(differences.c.ended_at.is_(None))
        .group_by(differences.c.code)
    )
    return {Code(code): (int(count), int(oldest)) for code, count, oldest in connection.execute(statement)}


def _from_row(row: Mapping[Any, Any]) -> Difference:
    return Difference(**{**row, "code": Code(row["code"])})
