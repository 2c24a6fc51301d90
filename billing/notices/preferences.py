"""Who hears what where, and when not: an owner's preferences, and the one place that decides which channels a notice
takes beside the inbox. The inbox keeps everything at once: it can neither be muted nor sleep.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, bindparam, delete, select

from billing.notices.contacts import CHAT, EMAIL, PUSH, WEBHOOK
from billing.notices.kinds import CHARGE_COMPLETE, KINDS, WHILE_QUIET
from billing.owners import OwnerUnknown
from billing.store.tables import mutes, owners
from billing.store.tables import preferences as preferences_table
from billing.tariffs import NoFeeHours, hours_spans
from sessions.sites import zone_names
from sessions.statements import bulk_insert, for_update

CHANNELS = (EMAIL, PUSH, WEBHOOK, CHAT)
"""What can be muted, by what an owner knows it as."""

_DAY_MINUTES = 24 * 60


class BadPreferences(ValueError):
    """All that is wrong with them: (where, what) for each fault."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {what}" for where, what in faults))
        self.faults = list(faults)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What an owner asked for. Quiet hours are minutes of the day in `zone`, half-open, every day; none: never quiet.

    Raises `BadPreferences`.
    """

    quiet_from: int | None = None
    quiet_to: int | None = None
    zone: str | None = None
    muted: frozenset[tuple[str, str]] = frozenset()  # (kind, channel)

    def __post_init__(self) -> None:
        faults = [*_faults_of_quiet(self.quiet_from, self.quiet_to, self.zone), *_faults_of_mutes(self.muted)]
        if faults:
            raise BadPreferences(faults)

    def quiet_until(self, at: int) -> int | None:
        """When the quiet time ends that `at` (UTC seconds) lies in; none: it lies in none."""
        if self.quiet_from is None or self.quiet_to is None or self.zone is None:
            return None
        hours = NoFeeHours(start=_time_of_day(self.quiet_from), end=_time_of_day(self.quiet_to))
        spans = hours_spans([hours], ZoneInfo(self.zone), at, at + 2 * _DAY_MINUTES * 60)
        return spans[0].end if spans and spans[0].start == at else None

    def held_until(self, kind: str, at: int) -> int | None:
        """Until when an outside channel has to wait with a notice of this kind; none: it need not."""
        return None if kind in WHILE_QUIET else self.quiet_until(at)


def _faults_of_quiet(start: int | None, end: int | None, zone: str | None) -> list[tuple[str, str]]:
    faults = [
        (name, "must be a minute of the day, 0 to 1439")
        for name, minute in (("quiet_from", start), ("quiet_to", end))
        if minute is not None and not 0 <= minute < _DAY_MINUTES
    ]
    if (start is None) != (end is None):
        faults.append(("quiet_to", "quiet hours have a beginning and an end: give both, or neither"))
    elif start is not None and start == end:
        faults.append(("quiet_to", "must differ from the beginning: mute what you never want to hear instead"))
    if start is not None and zone is None:
        faults.append(("zone", "is missing: quiet hours are hours of some place"))
    if zone is not None and zone not in zone_names():
        faults.append(("zone", "must be a time zone such as Europe/Berlin"))
    return faults


def _faults_of_mutes(muted: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    faults = []
    for kind, channel in sorted(muted):
        if kind not in KINDS:
            faults.append(("muted", f"{kind!r} is no kind of notice; there are {', '.join(KINDS)}"))
        if channel == "inbox":
            faults.append(("muted", "the inbox keeps everything: mute the other channels"))
        elif channel not in CHANNELS:
            faults.append(("muted", f"{channel!r} is no channel; there are {', '.join(CHANNELS)}"))
    return faults


def _time_of_day(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


# -- kept ---------------------------------------------------------------------------------------------------


def preferences_of(connection: Connection, owner_id: str) -> Preferences:
    """What this owner asked for; who never asked for anything hears everything, at any hour."""
    return preferences_by_owner(connection, [owner_id])[owner_id]


def preferences_by_owner(connection: Connection, owner_ids: Collection[str]) -> Mapping[str, Preferences]:
    """The same for many, each of them with an answer."""
    ids = sorted(set(owner_ids))
    quiet = {
        row.owner_id: (row.quiet_from, row.quiet_to, row.zone) for row in connection.execute(_PREFERENCES, {"ids": ids})
    }
    muted: dict[str, set[tuple[str, str]]] = {}
    for row in connection.execute(_MUTES, {"ids": ids}):
        muted.setdefault(row.owner_id, set()).add((row.kind, row.channel))
    return {id_: Preferences(*quiet.get(id_, (None, None, None)), muted=frozenset(muted.get(id_, ()))) for id_ in ids}


_PREFERENCES, _MUTES = (
    select(table).where(table.c.owner_id.in_(bindparam("ids", expanding=True))) for table in (preferences_table, mutes)
)


def save_preferences(connection: Connection, owner_id: str, wanted: Preferences, now: int) -> None:
    """Keep them in place of those before; mutes hold from the next notice that is written, quiet hours at once. Raises
    `OwnerUnknown`.
    """
    mine = select(owners.c.id).where(owners.c.id == owner_id)
    if connection.execute(for_update(mine)).first() is None:
        raise OwnerUnknown(owner_id)
    columns = ("owner_id", "quiet_from", "quiet_to", "zone", "changed_at")
    row = (owner_id, wanted.quiet_from, wanted.quiet_to, wanted.zone, now)
    connection.execute(delete(preferences_table).where(preferences_table.c.owner_id == owner_id))
    bulk_insert(connection, preferences_table, columns, [row], conflict="")
    connection.execute(delete(mutes).where(mutes.c.owner_id == owner_id))
    muted = [(owner_id, kind, channel) for kind, channel in sorted(wanted.muted)]
    bulk_insert(connection, mutes, ("owner_id", "kind", "channel"), muted, conflict="")


# -- applied ------------------------------------------------------------------------------------------------


def not_muted(wanted: Preferences, kind: str, names: Collection[str]) -> list[str]:
    """Those of an owner's addresses, by `Contact.name`, on which they want to hear of this kind.

    That the car is full goes out whatever is muted where nothing else would carry it: what a stay costs may hang on it.
    """
    heard = [name for name in names if (kind, name.partition(":")[0]) not in wanted.muted]
    return heard or (list(names) if kind == CHARGE_COMPLETE else [])
