"""Providers that fail: left alone for a while, tried by one step, and trusted again once that went through.

Kept in a table, so that every process knows. A provider that works has no row. The rules are pure; the queries are
below them.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, select, update

from billing.store.tables import channel_health
from sessions.statements import bulk_insert, for_update

OPENS_AFTER = 3  # failures in a row
FIRST_PAUSE_S = 15
LONGEST_PAUSE_S = 120
PROBE_S = 30  # the longest that a hand-over takes: until then nobody else tries
FORGOTTEN_AFTER_S = 24 * 3600  # nobody tried it for so long: nothing waits for it
SOON_S = 5  # when a step comes back whose provider failed, and is not left alone yet


@dataclass(frozen=True, slots=True)
class Health:
    """A provider that fails: since when, how often in a row, and until when nobody tries it (UTC seconds)."""

    failing_since: int
    failures: int
    left_alone_until: int
    last_error: str | None

    @property
    def open(self) -> bool:
        """Whether it failed so often that only one step at a time tries it."""
        return self.failures >= OPENS_AFTER


def failed_again(before: Health | None, error: str, now: int) -> Health:
    """What is known of a provider after one more failure."""
    one = Health(now, 0, now, None) if before is None else before
    failures = one.failures + 1
    pause_s = 0 if failures < OPENS_AFTER else min(LONGEST_PAUSE_S, FIRST_PAUSE_S << min(failures - OPENS_AFTER, 10))
    return replace(one, failures=failures, left_alone_until=now + pause_s, last_error=error.replace("\0", "")[:500])


# -- kept ---------------------------------------------------------------------------------------------------


def ailing(connection: Connection) -> dict[str, Health]:
    """Every provider that fails, by its name."""
    rows = connection.execute(select(channel_health).order_by(channel_health.c.channel))
    return {provider: Health(*rest) for provider, *rest in rows}


def health_of(connection: Connection, provider: str) -> Health | None:
    """None: it works, or was never tried."""
    row = connection.execute(select(channel_health).where(channel_health.c.channel == provider)).first()
    return None if row is None else Health(*row[1:])


def wait_until(connection: Connection, provider: str, now: int) -> int | None:
    """Until when a step leaves the provider alone; none: it is the one to try. Who may try is settled in a write."""
    health = health_of(connection, provider)
    if health is None or not health.open:
        return None
    mine = update(channel_health).where(channel_health.c.channel == provider, channel_health.c.left_alone_until <= now)
    claimed = connection.execute(mine.values(left_alone_until=now + PROBE_S)).rowcount == 1
    return None if claimed else max(health.left_alone_until, now + SOON_S)


def note_failure(connection: Connection, provider: str, error: str, now: int) -> Health:
    """The provider failed once more; answers what is known of it then."""
    connection.execute(delete(channel_health).where(channel_health.c.left_alone_until < now - FORGOTTEN_AFTER_S))
    columns = ("channel", "failing_since", "failures", "left_alone_until", "last_error")
    bulk_insert(connection, channel_health, columns, [(provider, now, 0, now, None)])
    mine = select(channel_health).where(channel_health.c.channel == provider)
    health = failed_again(Health(*connection.execute(for_update(mine)).one()[1:]), error, now)
    connection.execute(
        update(channel_health)
        .where(channel_health.c.channel == provider)
        .values(failures=health.failures, left_alone_until=health.left_alone_until, last_error=health.last_error)
    )
    return health


def forget(connection: Connection, provider: str) -> None:
    """Whatever was held against the provider: it took something, or nobody waits for it any more."""
    connection.execute(delete(channel_health).where(channel_health.c.channel == provider))
