"""An owner's account as staff keep it: owners, tokens and cars, each change with its author in the trail.

What they are is `billing.owners`' business, who may change them the doors'. No `author` means the owner: what they
change of their own is no deed of staff, and not in the trail. It names owners, tokens and cars by their ids alone,
which outlive an erasure. Every function runs in the caller's write transaction and raises what theirs do.
"""

from sqlalchemy import Connection

from billing import owners
from billing.owners import Owner, Vehicle
from billing.periods import trail


def add_owner(connection: Connection, one: Owner, *, author: str, now: int) -> None:
    owners.add_owner(connection, one, now)
    _record(connection, "owner_added", one.id, author, now)


def end_token(connection: Connection, owner_id: str, token_id: str, *, author: str, now: int) -> bool:
    """False if it does not stand for the owner now."""
    ended = owners.end_token(connection, owner_id, token_id, now)
    if ended:
        _record(connection, "token_ended", owner_id, author, now, token=token_id)
    return ended


def add_vehicle(connection: Connection, owner_id: str, vehicle: Vehicle, *, author: str | None, now: int) -> None:
    owners.add_vehicle(connection, owner_id, vehicle, now)
    _record(connection, "vehicle_added", owner_id, author, now, vehicle=vehicle.id)


def remove_vehicle(connection: Connection, owner_id: str, vehicle_id: str, *, author: str | None, now: int) -> bool:
    """False if the owner has no such car."""
    removed = owners.remove_vehicle(connection, owner_id, vehicle_id, now)
    if removed:
        _record(connection, "vehicle_removed", owner_id, author, now, vehicle=vehicle_id)
    return removed


def _record(connection: Connection, what: str, owner_id: str, author: str | None, now: int, **details: str) -> None:
    if author is not None:
        trail.record(connection, author=author, what=what, subject=f"owner {owner_id}", details=details, now=now)
