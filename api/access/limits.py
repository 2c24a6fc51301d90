"""How often one may try: counts in fixed windows, in a table that every process shares.

Whoever is counted is there as a keyed hash. What is allowed often is taken from the table in portions, so that a page
does not cost a write; who used up a window is refused without asking the table again.
"""

import threading
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sqlalchemy import Connection, Engine, text

from api.access.secret import Secret
from api.access.sweeping import sweep_later
from sessions.clock import Clock
from sessions.database import writing

MOST_REMEMBERED = 10_000
_REFUSED = -1


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` in each window of `window_s`; `portion` of them are taken from the table at once."""

    name: str
    most: int
    window_s: int
    portion: int = 1


LINKS_TO_ADDRESS = Limit("links to an address", 5, 3600)
LINKS_FROM_CLIENT = Limit("links asked for by a client", 20, 3600)
LINKS_OPENED = Limit("links opened by a client", 60, 600)
WRONG_KEYS = Limit("wrong keys from a client", 300, 300, portion=10)
PUBLIC_PAGES = Limit("public pages for a client", 1200, 60, portion=60)
DATA_FILES = Limit("data files of an owner", 10, 3600)
ADDRESS_CHANGES = Limit("changes of address by an owner", 5, 3600)


class Limits:
    """The limits as one process sees them."""

    def __init__(self, engine: Engine, clock: Clock, secret: Secret) -> None:
        self._engine, self._clock, self._secret = engine, clock, secret
        self._left: dict[tuple[str, int], int] = {}  # (who, window) → how many of a portion are left
        self._lock = threading.Lock()

    def wait_s(self, limit: Limit, who: str) -> int:
        """Count one try of `who`: 0 if it is allowed, else after how many seconds it may be again."""
        now = self._clock.now()
        starts_at = now - now % limit.window_s
        place = f"{limit.name}:{self._secret.name('limits', who)}", starts_at
        with self._lock:
            left = self._left.get(place, 0)
            if left > 0:
                self._left[place] = left - 1
        if left == 0:
            left = self._ask(limit, place, now)
        return 0 if left > 0 else starts_at + limit.window_s - now

    def _ask(self, limit: Limit, place: tuple[str, int], now: int) -> int:
        """Take a portion from the table; answers how much of it is allowed, at least one, or `_REFUSED`."""
        with writing(self._engine) as connection:
            used = count(connection, *place, limit.portion)
            if used == limit.portion:
                sweep_later(connection, now)
        left = min(limit.portion, limit.most - (used - limit.portion))
        with self._lock:
            if len(self._left) >= MOST_REMEMBERED:
                self._left.clear()
            self._left[place] = left - 1 if left > 0 else _REFUSED
        return left if left > 0 else _REFUSED


def count(connection: Connection, name: str, window_start: int, portion: int) -> int:
    """Take a portion in a window; answers how many are taken then, by everybody together."""
    row = {"name": name, "window_start": window_start, "portion": portion}
    return int(connection.execute(_COUNT, row).scalar_one())


_COUNT = text(
    "INSERT INTO rate_limits (name, window_start, used) VALUES (:name, :window_start, :portion) "
    "ON CONFLICT (name, window_start) DO UPDATE SET used = rate_limits.used + excluded.used RETURNING used"
)


def client_of(host: str | None) -> str:
    """Whom to count by an address: an IPv6 user holds a whole /64."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return host or "unknown"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Address(int(address) >> 64 << 64))
    return str(address)
