"""What is over is not kept: old windows of limits, what let browsers in and does so no longer, letters about signing in
that never went out.
"""

from sqlalchemy import Connection, delete, func

from api.access.keys import KeyKind
from api.access.links import LETTERS
from api.access.tables import access_keys, rate_limits
from billing.jobs import Job, Lease, schedule
from billing.store.tables import jobs

STEP = "sweep_access"
EVERY_S = 3600
LIMITS_KEPT_S = 24 * 3600  # longer than any window
KEYS_KEPT_S = 30 * 24 * 3600
LETTERS_KEPT_S = 7 * 24 * 3600  # that could not be sent: long enough for somebody to look why


def sweep_later(connection: Connection, now: int) -> None:
    """Whoever leaves something to sweep asks for it; asked for twice it is swept once."""
    schedule(connection, [Job(STEP, STEP, now + EVERY_S, {})], now)


def sweep(lease: Lease) -> None:
    """Delete what is over. Keys and links of staff stay: facts name them as authors."""
    with lease.transaction() as turn:
        old = rate_limits.c.window_start < turn.now - LIMITS_KEPT_S
        turn.connection.execute(delete(rate_limits).where(old))
        passing = access_keys.c.kind.in_([KeyKind.BROWSER.value, KeyKind.ADDRESS.value]) | (
            (access_keys.c.kind == KeyKind.LINK.value) & access_keys.c.owner_id.is_not(None)
        )
        over = func.coalesce(access_keys.c.revoked_at, access_keys.c.expires_at) < turn.now - KEYS_KEPT_S
        turn.connection.execute(delete(access_keys).where(passing, over))
        unsent = jobs.c.kind.in_(LETTERS) & (jobs.c.created_at < turn.now - LETTERS_KEPT_S)
        turn.connection.execute(delete(jobs).where(unsent))
