"""An owner's rows: what runs, and whom it is owed to. What they were told, `billing.notices.store` has."""

from collections.abc import Collection

from sqlalchemy import Connection, and_, select, union

from billing.store.tables import token_holders
from sessions.facts import Kind
from sessions.store.queries import SessionKey
from sessions.store.tables import facts, sellers, sessions


def perhaps_running(connection: Connection, owner_ids: Collection[str]) -> list[SessionKey]:
    """Sessions not settled of any token these owners ever held, or claimed for them: one query for all their pages.

    Whose a session is in the end, `billing.settle` says.
    """
    unsettled = (sessions.c.closed.is_(False), sessions.c.plugged_in_at.is_not(None))
    their_tokens = select(token_holders.c.token_id).where(token_holders.c.owner_id.in_(sorted(owner_ids)))
    by_token = select(sessions.c.site_id, sessions.c.id).where(*unsettled, sessions.c.token_id.in_(their_tokens))
    claimed = and_(facts.c.site_id == sessions.c.site_id, facts.c.session_id == sessions.c.id)
    by_claim = (
        select(sessions.c.site_id, sessions.c.id)
        .join(facts, claimed)
        .where(*unsettled, facts.c.kind == Kind.CLAIM.value, facts.c.owner_id.in_(sorted(owner_ids)))
    )
    return sorted(SessionKey(row[0], row[1]) for row in connection.execute(union(by_token, by_claim)))


def seller_names(connection: Connection) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(select(sellers.c.id, sellers.c.name))}
