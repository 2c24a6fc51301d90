"""The record of what owners were told, which is also their inbox: notices, what they were about, and who took them.

No words are chosen here and no moment; every function runs in the caller's transaction.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select, update

from billing.notices.plan import STANDING, Told
from billing.store.tables import deliveries, notice_sessions, notices
from sessions.statements import bulk_insert
from sessions.store.queries import SessionKey

INBOX = "inbox"
NO_SITE = ""  # of a notice that is about no session


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice as it was written. `fees_minor`: what it told of each session it is about (none: no fee)."""

    site_id: str
    id: str
    owner_id: str
    kind: str
    reason: str
    subject: str
    body: str
    language: str
    created_at: int
    fees_minor: Mapping[str, int | None]
    read_at: int | None = None
    cause: str | None = None  # of a correction: the name of what corrected it


_COLUMNS = ("site_id", "id", "owner_id", "kind", "reason", "subject", "body", "language", "created_at", "cause")


def notice_id(kind: str, *names: str) -> str:
    """The name of a notice: the same step writes the same notice, however often it runs."""
    return hashlib.blake2b("\0".join((kind, *names)).encode(), digest_size=16).hexdigest()


def write(connection: Connection, written: Sequence[Notice]) -> None:
    """Keep the notices and put them into their owners' inboxes."""
    rows = [tuple(getattr(one, name) for name in _COLUMNS) for one in written]
    bulk_insert(connection, notices, _COLUMNS, rows, conflict="")
    about = [(one.site_id, one.id, session_id, fee) for one in written for session_id, fee in one.fees_minor.items()]
    bulk_insert(connection, notice_sessions, ("site_id", "notice_id", "session_id", "fee_minor"), about, conflict="")
    taken = [(one.site_id, one.id, INBOX, one.created_at) for one in written]
    bulk_insert(connection, deliveries, ("site_id", "notice_id", "channel", "accepted_at"), taken, conflict="")


def rewrite(connection: Connection, site_id: str, id_: str, subject: str, body: str, language: str) -> None:
    """Keep the words a channel took, where they are not those first written."""
    written = update(notices).where(notices.c.site_id == site_id, notices.c.id == id_)
    connection.execute(written.values(subject=subject, body=body, language=language))


def delivered(
    connection: Connection, site_id: str, notice_id_: str, channel: str, accepted_at: int, reference: str | None
) -> None:
    """A channel accepted the notice; said twice it is kept once, as it was said first."""
    columns = ("site_id", "notice_id", "channel", "accepted_at", "reference")
    bulk_insert(connection, deliveries, columns, [(site_id, notice_id_, channel, accepted_at, reference)])


def known(connection: Connection, site_ids: Collection[str], ids: Collection[str]) -> set[str]:
    """Those of the ids under which something was written at these sites."""
    wanted = and_(notices.c.site_id.in_(sorted(set(site_ids))), notices.c.id.in_(sorted(ids)))
    return set(connection.execute(select(notices.c.id).where(wanted)).scalars())


def notice(connection: Connection, site_id: str, id_: str) -> Notice:
    """The notice of that name, which must exist."""
    return _read(connection, select(notices).where(notices.c.site_id == site_id, notices.c.id == id_))[0]


def last_told(connection: Connection, owner_id: str, keys: Collection[SessionKey]) -> dict[SessionKey, int]:
    """The fee this owner last heard of, by session; sessions of whose fee they never heard are left out."""
    about = (
        select(notice_sessions.c.site_id, notice_sessions.c.session_id, notice_sessions.c.fee_minor)
        .join(notices, _same(notice_sessions))
        .where(
            notice_sessions.c.site_id.in_(sorted({key.site_id for key in keys})),
            notice_sessions.c.session_id.in_(sorted({key.id for key in keys})),
            notice_sessions.c.fee_minor.is_not(None),
            notices.c.owner_id == owner_id,
        )
        .order_by(notices.c.created_at, notices.c.id)
    )
    return {SessionKey(site_id, session_id): fee for site_id, session_id, fee in connection.execute(about)}


def told_of(connection: Connection, keys: Collection[SessionKey]) -> dict[tuple[SessionKey, str], list[Told]]:
    """What each owner was told of a session while its car stood full, oldest first."""
    about = (
        select(
            notice_sessions.c.site_id,
            notice_sessions.c.session_id,
            notices.c.owner_id,
            notices.c.kind,
            notices.c.created_at,
        )
        .join(notices, _same(notice_sessions))
        .where(
            notice_sessions.c.site_id.in_(sorted({key.site_id for key in keys})),
            notice_sessions.c.session_id.in_(sorted({key.id for key in keys})),
            notices.c.kind.in_(STANDING),
        )
        .order_by(notices.c.created_at, notices.c.id)
    )
    found: dict[tuple[SessionKey, str], list[Told]] = {}
    for site_id, session_id, owner_id, kind, at in connection.execute(about):
        found.setdefault((SessionKey(site_id, session_id), owner_id), []).append(Told(kind, at))
    return found


# -- what pages ask -----------------------------------------------------------------------------------------


def inbox(connection: Connection, owner_id: str, most: int = 50, before: tuple[int, str] | None = None) -> list[Notice]:
    """An owner's notices, newest first; `before` is (created_at, id) of the last one seen."""
    statement = select(notices).where(notices.c.owner_id == owner_id)
    if before is not None:
        at, id_ = before
        older = (notices.c.created_at < at) | ((notices.c.created_at == at) & (notices.c.id < id_))
        statement = statement.where(older)
    return _read(connection, statement.order_by(notices.c.created_at.desc(), notices.c.id.desc()).limit(most))


def notices_of_session(connection: Connection, key: SessionKey) -> list[Notice]:
    """Everything anybody was told of a session, oldest first."""
    about = select(notice_sessions.c.notice_id).where(
        notice_sessions.c.site_id == key.site_id, notice_sessions.c.session_id == key.id
    )
    statement = select(notices).where(notices.c.site_id == key.site_id, notices.c.id.in_(about))
    return _read(connection, statement.order_by(notices.c.created_at, notices.c.id))


def unread(connection: Connection, owner_id: str) -> int:
    statement = select(func.count()).where(notices.c.owner_id == owner_id, notices.c.read_at.is_(None))
    return connection.execute(statement).scalar_one()


def mark_read(connection: Connection, owner_id: str, notice_id_: str, now: int) -> bool:
    """The owner has seen it; False if no such notice is theirs. The first time counts."""
    mine = and_(notices.c.owner_id == owner_id, notices.c.id == notice_id_)
    marked = connection.execute(update(notices).where(mine).values(read_at=func.coalesce(notices.c.read_at, now)))
    return marked.rowcount == 1


def mark_all_read(connection: Connection, owner_id: str, until: int, now: int) -> None:
    """The owner has seen everything that was written up to `until`."""
    mine = and_(notices.c.owner_id == owner_id, notices.c.created_at <= until, notices.c.read_at.is_(None))
    connection.execute(update(notices).where(mine).values(read_at=now))


@dataclass(frozen=True, slots=True)
class Delivery:
    """One channel's acceptance of a notice."""

    channel: str
    accepted_at: int
    reference: str | None


def deliveries_of(connection: Connection, of: Sequence[Notice]) -> dict[str, list[Delivery]]:
    """Who accepted each notice, and when; by the notice's id."""
    statement = (
        select(deliveries.c.notice_id, deliveries.c.channel, deliveries.c.accepted_at, deliveries.c.reference)
        .where(
            deliveries.c.site_id.in_(sorted({one.site_id for one in of})),
            deliveries.c.notice_id.in_(sorted(one.id for one in of)),
        )
        .order_by(deliveries.c.accepted_at, deliveries.c.channel)
    )
    found: dict[str, list[Delivery]] = {}
    for id_, *delivery in connection.execute(statement):
        found.setdefault(id_, []).append(Delivery(*delivery))
    return found


def _read(connection: Connection, statement: Any) -> list[Notice]:
    rows = connection.execute(statement).mappings().all()
    about = _fees_told(connection, rows)
    return [Notice(**row, fees_minor=about.get(row["id"], {})) for row in rows]


def _fees_told(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> dict[str, dict[str, int | None]]:
    statement = select(notice_sessions.c.notice_id, notice_sessions.c.session_id, notice_sessions.c.fee_minor).where(
        notice_sessions.c.site_id.in_(sorted({row["site_id"] for row in rows})),
        notice_sessions.c.notice_id.in_(sorted(row["id"] for row in rows)),
    )
    found: dict[str, dict[str, int | None]] = {}
    for id_, session_id, fee in connection.execute(statement):
        found.setdefault(id_, {})[session_id] = fee
    return found


def _same(about: Any) -> Any:
    return and_(notices.c.site_id == about.c.site_id, notices.c.id == about.c.notice_id)
