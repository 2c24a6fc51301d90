"""What closing and sealing do by themselves: a step that looks each hour for months whose policy lets them be closed,
and one that seals the days that are over and leaves each digest in a folder, for somebody to keep elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from billing.invoices.policy import policy_of
from billing.jobs import Job, Lease, schedule
from billing.periods.closing import close, due_now
from billing.periods.months import SETTLES_S, NotYet
from billing.periods.seals import DAY_S, seal_until, seals
from sessions.database import reading

CLOSE, SEAL = "close_months", "seal_days"
EVERY_S = 3600
DAYS_A_TURN = 30
FILE = "idlefee-digests.txt"


def later(connection: Connection, now: int) -> None:
    """A worker asks for both when it starts; asked for twice each is done once."""
    schedule(connection, [Job(CLOSE, CLOSE, now + EVERY_S, {}), Job(SEAL, SEAL, _after_midnight(now), {})], now)


def _after_midnight(now: int) -> int:
    """The next moment at which a day can be sealed."""
    return now - (now - SETTLES_S) % DAY_S + DAY_S


def close_months(lease: Lease) -> None:
    """Close what is due by policy. What is in the way is left as the step's last error, and looked at again."""
    in_the_way = []
    now = lease.clock.now()
    for span in due_now(lease.engine, now):
        with reading(lease.engine) as connection:
            days = policy_of(connection, span.seller_id).close_after_days
        if days is None or now < span.ends_at + days * DAY_S:
            continue
        try:
            close(lease.engine, span.seller_id, author="idlefee", reason="as the seller's policy says", now=now)
        except NotYet as error:
            in_the_way.append(str(error))
    with lease.transaction() as turn:
        for job in turn.jobs:
            if in_the_way:
                turn.leave(job, turn.now + EVERY_S, " ".join(in_the_way))
            else:
                turn.postpone(job, turn.now + EVERY_S)


@dataclass(frozen=True, slots=True)
class Sealing:
    """Seals days; `folder` is where their lines are left, none: nowhere beside the database."""

    folder: Path | None

    def seal_days(self, lease: Lease) -> None:
        with lease.transaction() as turn:
            for job in turn.jobs:
                made = seal_until(turn.connection, turn.now, DAYS_A_TURN)
                turn.postpone(job, turn.now if len(made) == DAYS_A_TURN else _after_midnight(turn.now))
        if self.folder is not None:
            with reading(lease.engine) as connection:
                leave(connection, self.folder)


def leave(connection: Connection, folder: Path) -> None:
    """Append the lines that the folder's file lacks; what stands in it is never written again."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    kept = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    last = kept[-1].split()[0] if kept else ""
    with file.open("a", encoding="ascii") as lines:
        lines.writelines(f"{seal.line}\n" for seal in seals(connection, last) if seal.day > last)
