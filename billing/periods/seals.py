"""A digest a day, of the trail and of everything posted, each holding the one before: kept elsewhere, one line proves
that nothing of the days before was changed since, by whoever owns the database either.

A day is sealed an hour after its end (UTC), when nothing of it is on its way any more. A seal is never made again.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, and_, func, insert, select

from billing.ledger import ACCOUNTS, SESSIONS, Book
from billing.periods.months import SETTLES_S
from billing.periods.trail import SOURCES, every_deed
from billing.store.periods import audit_seals

DAY_S = 86_400
DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Seal:
    """One day's digest, with how much it covers."""

    day: str
    deeds: int
    transfers: int
    before: str
    digest: str

    @property
    def line(self) -> str:
        """What to keep elsewhere."""
        return f"{self.day} deeds={self.deeds} transfers={self.transfers} blake2b={self.digest}"


def seal_until(connection: Connection, now: int, most: int | None = None) -> list[Seal]:
    """Seal the days that are over, oldest first, at most so many; the caller's transaction keeps them."""
    made: list[Seal] = []
    last = _newest(connection)
    begins_at = _first_day(connection) if last is None else _starts_at(last.day) + DAY_S
    while begins_at is not None and begins_at + DAY_S + SETTLES_S <= now and (most is None or len(made) < most):
        last = _compute(connection, begins_at, "" if last is None else last.digest)
        made.append(last)
        begins_at += DAY_S
    if made:
        values = ("day", "deeds", "transfers", "before", "digest")
        rows = [{name: getattr(seal, name) for name in values} | {"sealed_at": now} for seal in made]
        connection.execute(insert(audit_seals), rows)
    return made


def seals(connection: Connection, since: str = "", most: int | None = None) -> list[Seal]:
    """The seals from a day on, oldest first."""
    statement = select(audit_seals).where(audit_seals.c.day >= since).order_by(audit_seals.c.day).limit(most)
    return [Seal(row.day, row.deeds, row.transfers, row.before, row.digest) for row in connection.execute(statement)]


def broken(connection: Connection) -> Iterator[tuple[Seal, str]]:
    """Seals that are not what the days hold now, each with what that means."""
    before, due = "", None
    for seal in seals(connection):
        if due is not None and seal.day != due:
            yield seal, f"the seal of {due} is missing before it"
        elif seal.before != before:
            yield seal, "it does not hold the digest of the day before: a seal was replaced"
        else:
            again = _compute(connection, _starts_at(seal.day), before)
            if again != seal:
                yield (
                    seal,
                    (
                        f"the day holds {again.deeds} deeds and {again.transfers} transfers, sealed were {seal.deeds} "
                        f"and {seal.transfers}: something of it was changed, added or taken away after it was sealed"
                    ),
                )
        before, due = seal.digest, _day(_starts_at(seal.day) + DAY_S)


def _newest(connection: Connection) -> Seal | None:
    row = connection.execute(select(audit_seals).order_by(audit_seals.c.day.desc()).limit(1)).first()
    return None if row is None else Seal(row.day, row.deeds, row.transfers, row.before, row.digest)


def _compute(connection: Connection, begins_at: int, before: str) -> Seal:
    digest = hashlib.blake2b(before.encode(), digest_size=DIGEST_BYTES)
    deeds = every_deed(connection, begins_at, begins_at + DAY_S)
    for deed in deeds:
        said = (deed.at, deed.place.key, deed.author, deed.what, deed.subject, deed.reason, deed.details)
        digest.update(_line(said))
    transfers = 0
    for book in (SESSIONS, ACCOUNTS):
        for is_new, row in _postings(connection, book, begins_at):
            transfers += is_new
            digest.update(_line(row))
    return Seal(_day(begins_at), len(deeds), transfers, before, digest.hexdigest())


def _line(said: tuple[object, ...]) -> bytes:
    return json.dumps(said, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _postings(connection: Connection, book: Book, begins_at: int) -> Iterator[tuple[bool, tuple[object, ...]]]:
    """A day's entries with their transfers, streamed in an order of digits alone, which every database agrees on."""
    heads, parts = book.transfers.c, book.entries.c
    statement = (
        select(
            heads.recorded_at,
            heads.id,
            parts.line,
            heads[book.lead],
            heads[book.subject],
            heads.n,
            heads.corrects,
            heads.reason,
            parts.account,
            parts.owner_id,
            parts.seller_id,
            parts.currency,
            parts.tax_code,
            parts.amount_minor,
        )
        .join(book.entries, and_(parts[book.lead] == heads[book.lead], parts.transfer_id == heads.id))
        .where(heads.recorded_at >= begins_at, heads.recorded_at < begins_at + DAY_S)
        .order_by(heads.recorded_at, heads.id, heads[book.lead], parts.line)
    )
    last = None
    for row in connection.execute(statement.execution_options(yield_per=1_000)):
        here = (row[1], row[3])
        yield here != last, tuple(row)
        last = here


def _first_day(connection: Connection) -> int | None:
    """The first second of the day of the first deed or posting."""
    ats = [source.at for source in SOURCES] + [book.transfers.c.recorded_at for book in (SESSIONS, ACCOUNTS)]
    firsts = [connection.execute(select(func.min(at))).scalar() for at in ats]
    first = min((int(at) for at in firsts if at is not None), default=None)
    return None if first is None else first - first % DAY_S


def _starts_at(day: str) -> int:
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp())


def _day(begins_at: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=begins_at)).date().isoformat()
