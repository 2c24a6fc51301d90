"""What every step that tells somebody shares: writing the notice, sending it on its way, and where its car stands."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from billing.jobs import Turn
from billing.notices import store
from billing.notices.handing import Carriers
from billing.notices.kinds import WHY
from billing.notices.letters import Letter, Place
from billing.notices.store import Notice
from billing.owners import Owner
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions, sites


@dataclass(frozen=True, slots=True)
class Desk:
    """Where notices are written. `link` leads to the owner's pages."""

    carriers: Carriers
    link: str | None

    def tell(self, turn: Turn, told: Sequence[tuple[Owner, Notice]]) -> None:
        """Put the notices into the inbox, and on their way to whatever else their owners read."""
        store.write(turn.connection, [notice for _, notice in told])
        self.carriers.schedule(turn, told)


def notice_of(
    turn: Turn, key: SessionKey, id_: str, to: Owner, kind: str, letter: Letter, fee_minor: int | None = None
) -> Notice:
    """A notice of one session, as it is written now."""
    return Notice(
        site_id=key.site_id,
        id=id_,
        owner_id=to.id,
        kind=kind,
        reason=WHY[kind],
        subject=letter.subject,
        body=letter.body,
        language=letter.language,
        created_at=turn.now,
        fees_minor={key.id: fee_minor},
    )


def places(connection: Connection, keys: Collection[SessionKey]) -> dict[SessionKey, Place]:
    """Where each session's car stood."""
    statement = (
        select(sessions.c.site_id, sessions.c.id, sessions.c.stall, sites.c.name, sites.c.zone)
        .join(sites, sites.c.id == sessions.c.site_id)
        .where(
            sessions.c.site_id.in_(sorted({key.site_id for key in keys})),
            sessions.c.id.in_(sorted({key.id for key in keys})),
        )
    )
    return {
        SessionKey(site_id, session_id): Place(name, stall, ZoneInfo(zone))
        for site_id, session_id, stall, name, zone in connection.execute(statement)
    }
