"""`idlefee find`: the sessions of a token, a plate or an owner, or those that a station calls by a name."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Refused
from api.cli.frame import AsJson, Database, app
from api.cli.opening import opened
from api.cli.telling import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from sessions.intake import TokenNames
    from sessions.store.queries import SessionKey

MOST_FOUND = 200


@app.command()
def find(
    what: Annotated[str, typer.Argument(help="A token, a plate, an owner, or a session.", show_default=False)],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """The sessions of a token, a plate or an owner, or those that a station calls by this name; the newest first."""
    with opened(database) as idlefee, idlefee.reading() as connection:
        rows = _rows(connection, _keys(connection, idlefee.names, what))
    if as_json:
        show_json([_to_json(row) for row in rows])
    if not rows:
        raise Refused(f"nothing here is called {what}: no session of such a token, plate, owner or name")
    if not as_json:
        _show(rows)


def _keys(connection: "Connection", names: "TokenNames", what: str) -> "set[SessionKey]":
    """Every way to name a session is asked by itself, so that each finds its own index."""
    from sqlalchemy import and_, select

    from billing.store.tables import charges, token_holders, vehicles
    from sessions.store.queries import SessionKey
    from sessions.store.tables import sessions

    cars = connection.execute(select(vehicles.c.owner_id, vehicles.c.token_id).where(vehicles.c.plate == what)).all()
    owners = {what} | {car.owner_id for car in cars if car.token_id is None}
    held = select(token_holders.c.token_id).where(token_holders.c.owner_id == what)
    tokens = {names.surrogate(what)} | {car.token_id for car in cars if car.token_id is not None}
    tokens.update(connection.execute(held).scalars())
    newest = select(sessions.c.site_id, sessions.c.id).order_by(sessions.c.plugged_in_at.desc()).limit(MOST_FOUND)
    billed = and_(charges.c.site_id == sessions.c.site_id, charges.c.session_id == sessions.c.id)
    found = set(asking.sessions_called(connection, what))
    for statement in (
        newest.where(sessions.c.token_id.in_(sorted(tokens))),
        newest.join(charges, billed).where(charges.c.owner_id.in_(sorted(owners))),
    ):
        found.update(SessionKey(*row) for row in connection.execute(statement))
    return found


def _rows(connection: "Connection", keys: "set[SessionKey]") -> list[Any]:
    """The sessions with their charges, the newest first."""
    from sqlalchemy import Text, and_, select

    from billing.store.tables import charges
    from sessions.statements import keys_of
    from sessions.store.tables import sessions, sites

    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("id", Text())), sorted(keys))
    statement = (
        select(
            *(sessions.c[name] for name in ("site_id", "id", "plugged_in_at", "closed", "not_billable")),
            *(charges.c[name] for name in ("owner_id", "currency", "fee_minor")),
            sites.c.zone,
        )
        .join(wanted, and_(sessions.c.site_id == wanted.c.site_id, sessions.c.id == wanted.c.id))
        .join(sites, sites.c.id == sessions.c.site_id)
        .outerjoin(charges, and_(charges.c.site_id == sessions.c.site_id, charges.c.session_id == sessions.c.id))
        .order_by(sessions.c.plugged_in_at.desc(), sessions.c.id)
        .limit(MOST_FOUND)
    )
    return list(connection.execute(statement).all())


def _to_json(row: Any) -> dict[str, Any]:
    from sessions.events import rfc3339

    return {
        "session": row.id,
        "site": row.site_id,
        "plugged_in_at": None if row.plugged_in_at is None else rfc3339(row.plugged_in_at),
        "closed": row.closed,
        "owner": row.owner_id,
        "currency": row.currency,
        "fee_minor": row.fee_minor,
        "not_billable": row.not_billable if row.closed else None,
    }


def _show(rows: "Sequence[Any]") -> None:
    from zoneinfo import ZoneInfo

    from api.pages.words import NOT_BILLABLE, money, word

    def fee(row: Any) -> str:
        if row.fee_minor is None and not row.closed:
            return "not over yet"
        if row.not_billable is not None:
            return word(NOT_BILLABLE, row.not_billable)
        return "" if row.fee_minor is None else money(row.fee_minor, row.currency)

    def whose(row: Any) -> str:
        """Who pays is settled when the session is."""
        return row.owner_id or ("" if row.fee_minor is None else "nobody")

    show_table(
        ("session", "site", "plugged in", "owner", "fee"),
        [(row.id, row.site_id, stamp(row.plugged_in_at, ZoneInfo(row.zone)), whose(row), fee(row)) for row in rows],
    )
    if len(rows) == MOST_FOUND:
        say(f"The newest {MOST_FOUND}; there may be more.")
