"""Closing a month: the checks, then its rows, all in one transaction. From its commit on the database itself refuses
entries of that month (`sessions/migrations/guards.py`); what corrects them is posted in the open month.

There is no way back: a month that was told to an office is not told again in other words.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert, select, text

from billing.decisions import ReasonMissing
from billing.periods import rows
from billing.periods.checks import HOW_MANY, Check, checks
from billing.periods.months import NotYet, Span, last_closed, next_to_close
from billing.statements import Month
from billing.store.periods import periods
from sessions.database import is_postgresql, reading, writing
from sessions.statements import for_update, kept_json
from sessions.store.tables import sellers

SORTING_MEMORY = "48MB"  # for this transaction alone: PostgreSQL would sort a large month on disk

Progress = Callable[[int, int], None]

_STEPS = (rows.BALANCES, rows.REVENUE, rows.STATEMENTS)


@dataclass(frozen=True, slots=True)
class Closed:
    """A month that is over for good, with what was looked at before."""

    span: Span
    checks: Sequence[Check]
    author: str
    reason: str
    closed_at: int


class InTheWay(NotYet):
    """Checks that the close waits for; `checks` are all of them."""

    def __init__(self, span: Span, done: Sequence[Check]) -> None:
        stopping = " ".join(check.sentence for check in done if check.in_the_way)
        super().__init__(f"{span.month} of {span.seller_id} is not closed: {stopping}")
        self.checks = done


class RowsDisagree(Exception):
    """The month's rows contradict one another: a fault of ours or of the books. Nothing was closed."""


def unwatched(_done: int, _total: int) -> None:
    """Nobody watches the progress."""


def due(connection: Connection, seller_id: str, now: int, month: Month | None = None) -> Span:
    """The month to close now; `month` says which one it is thought to be. Raises `NotYet`, `Unknown`."""
    following = next_to_close(connection, seller_id)
    if following is None:
        raise NotYet(f"{seller_id} has no postings: there is no month to close")
    if month is not None and month < following.month:
        raise NotYet(
            f"{month} of {seller_id} is closed, or before its books began, and is not opened again: record what "
            f"corrects it today, it posts in {following.month} and names what it corrects"
        )
    if month is not None and month > following.month:
        raise NotYet(f"months are closed in their order: {following.month} of {seller_id} comes first")
    if now < following.closable_at:
        raise NotYet(
            f"{following.month} of {seller_id} can be closed an hour after its end, when nothing of it is on its way "
            "any more: come back then"
        )
    return following


def look(engine: Engine, seller_id: str, now: int, month: Month | None = None) -> tuple[Span, list[Check]]:
    """What a close would look at, without closing. Raises `NotYet`, `Unknown`."""
    with reading(engine) as connection:
        following = due(connection, seller_id, now, month)
        return following, list(checks(connection, following))


def close(
    engine: Engine,
    seller_id: str,
    *,
    author: str,
    reason: str,
    now: int,
    month: Month | None = None,
    progress: Progress = unwatched,
) -> Closed:
    """Close the seller's next month. Raises `NotYet` (`InTheWay` for a check), `Unknown`, `ReasonMissing`,
    `RowsDisagree`; then nothing was closed.
    """
    if not reason.strip():
        raise ReasonMissing("a close states its reason")
    total = HOW_MANY + len(_STEPS) + 1
    with writing(engine) as connection:
        connection.execute(for_update(select(sellers.c.id).where(sellers.c.id == seller_id)))
        of = due(connection, seller_id, now, month)
        done: list[Check] = []
        for check in checks(connection, of):
            done.append(check)
            progress(len(done), total)
        if any(check.in_the_way for check in done):
            raise InTheWay(of, done)
        _write(connection, of, lambda steps: progress(HOW_MANY + steps, total))
        connection.execute(
            insert(periods).values(
                seller_id=seller_id,
                month=str(of.month),
                starts_at=of.starts_at,
                ends_at=of.ends_at,
                closed_at=now,
                author=author,
                reason=reason,
                checks=kept_json([check.to_json() for check in done]),
            )
        )
    return Closed(of, done, author, reason, now)


def _write(connection: Connection, of: Span, progress: Callable[[int], None]) -> None:
    if is_postgresql(connection):
        connection.execute(text(f"SET LOCAL work_mem = '{SORTING_MEMORY}'"))
        connection.execute(text("SET LOCAL jit = off"))  # compiling these statements took longer than running them
    before = last_closed(connection, of.seller_id)
    given = {
        "seller": of.seller_id,
        "month": str(of.month),
        "before": "" if before is None else str(before),
        "starts_at": of.starts_at,
        "ends_at": of.ends_at,
    }
    for done, statement in enumerate(_STEPS, start=1):
        connection.execute(text(statement), {key: value for key, value in given.items() if f":{key}" in statement})
        progress(done)
    for what, currency, one, other in connection.execute(text(rows.UNTIED), {k: given[k] for k in ("seller", "month")}):
        raise RowsDisagree(f"{of.month} of {of.seller_id}: {what} differ in {currency}: {one} and {other} minor units")
    progress(len(_STEPS) + 1)


def due_now(engine: Engine, now: int, seller_ids: Sequence[str] | None = None) -> list[Span]:
    """The next month of every seller, or of these, that could be closed now."""
    found = []
    with reading(engine) as connection:
        known = seller_ids or connection.execute(select(sellers.c.id).order_by(sellers.c.id)).scalars().all()
        for seller_id in known:
            following = next_to_close(connection, seller_id)
            if following is not None and following.closable_at <= now:
                found.append(following)
    return found
