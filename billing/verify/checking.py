"""The whole check in one read transaction: it sees one moment of the books, whatever is posted meanwhile, and holds
nobody up.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from billing.assignments import TariffUnknown
from billing.jobs import waiting
from billing.store.tables import jobs
from billing.sums.checking import wrong_sums
from billing.tariffs import TariffFaults
from billing.verify.accounts import broken_seals, wrong_accounts
from billing.verify.bills import Bills, bills, together
from billing.verify.books import Standing, lone_entries, stand, wrong_balances, wrong_postings, wrong_transfers
from billing.verify.differences import Code, Difference, amount
from billing.verify.documents import wrong_documents
from billing.verify.money import wrong_subjects
from billing.verify.received import altered_events, wrong_conflicts
from billing.verify.walk import chunks
from sessions.database import one_moment
from sessions.store.queries import SessionKey
from sessions.store.tables import events, sessions


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was looked at, how much of it differed, and what is merely late: that is counted and not blamed."""

    events: int
    sessions: int
    charges: int
    transfers: int
    entries: int
    differences: int
    overdue: dict[str, int]  # jobs whose time has come, by kind: their sessions settle when a worker runs
    parked: int  # jobs that kept failing and wait for a person

    @property
    def clean(self) -> bool:
        return self.differences == 0


# What reading a row raises that the product never wrote.
NO_SENSE = (LookupError, ValueError, TypeError, AttributeError, TariffFaults, TariffUnknown)

Progress = Callable[[int, int], None]  # rows looked at, rows there are


def unwatched(_done: int, _total: int) -> None:
    """Nobody watches the progress."""


def verify(
    engine: Engine,
    now: int,
    found: Callable[[Difference], None],
    progress: Progress = unwatched,
) -> Verified:
    """Compute everything again; `found` is told each difference as it turns up. Memory stays bounded."""
    with one_moment(engine) as connection:
        walk = _Walk(connection, now, progress)
        for one in walk.differences():
            walk.seen["differences"] += 1
            found(one)
        parked = connection.execute(select(func.count()).select_from(jobs).where(jobs.c.dead.is_(True))).scalar_one()
        counted = {name: walk.seen[name] for name in ("events", "sessions", "charges", "transfers", "entries")}
        return Verified(
            **counted, differences=walk.seen["differences"], overdue=waiting(connection, now), parked=parked
        )


class _Walk:
    """One pass over everything, counting what it meets."""

    def __init__(self, connection: Connection, now: int, progress: Progress) -> None:
        self._connection = connection
        self._now = now
        self._progress = progress
        self._done = 0
        self._total = sum(
            connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (events, sessions)
        )
        self.seen: Counter[str] = Counter()

    def differences(self) -> Iterator[Difference]:
        yield from altered_events(self._connection, self._events_seen)
        yield from wrong_conflicts(self._connection)
        standing: Standing = Counter()
        for chunk in chunks(self._connection):
            found = self._bills(chunk.keys)
            yield from found.differences
            yield from wrong_postings(self._connection, chunk.keys, found.books)
            yield from wrong_transfers(self._connection, chunk, found.charges, self.seen)
            stand(standing, found.books)
            self.seen["sessions"] += len(chunk.keys)
            self.seen["charges"] += len(found.charges)
            self._step(len(chunk.keys))
        yield from lone_entries(self._connection)
        yield from wrong_balances(self._connection, standing)
        yield from wrong_accounts(self._connection, self.seen)
        yield from wrong_subjects(self._connection)
        yield from wrong_documents(self._connection)
        yield from broken_seals(self._connection)
        yield from self._sums()

    def _sums(self) -> Iterator[Difference]:
        for wrong in wrong_sums(self._connection):
            meaning = (
                f"the sums of days say {amount(wrong.stored_minor, wrong.currency)}, the rows come to "
                f"{amount(wrong.computed_minor, wrong.currency)}: pages that show sums are wrong, no bill is"
            )
            yield Difference(Code.SUM_DIFFERS, f"{wrong.what} in {wrong.currency}", meaning)

    def _bills(self, keys: Sequence[SessionKey]) -> Bills:
        """What `bills` finds; where it stumbles over a row that makes no sense, session by session."""
        try:
            return bills(self._connection, keys, self._now)
        except NO_SENSE as error:
            if len(keys) > 1:
                return together([self._bills([key]) for key in keys])
            detail = " ".join(f"{type(error).__name__}: {error}".split())
            meaning = (
                f"what is stored of it, or of its tariff, cannot be read ({detail:.200}): nothing of it was checked"
            )
            return Bills({}, {}, [Difference(Code.UNREADABLE, f"session {keys[0].id}", meaning)])

    def _events_seen(self, count: int) -> None:
        self.seen["events"] += count
        self._step(count)

    def _step(self, count: int) -> None:
        self._done += count
        self._progress(min(self._done, self._total), self._total)
