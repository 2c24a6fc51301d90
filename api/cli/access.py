"""Keys and sign-in links on the command line."""

from typing import Annotated, Any

import typer

from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, group
from api.cli.opening import AUTHOR, opened

access = group("access", "Keys and sign-in links for people. They are shown once and kept as hashes.")


@access.command("add")
def add_access(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="station, owner, support, finance or operator")],
    owner_id: Annotated[str | None, typer.Option("--owner", help="Of which owner; for the role owner.")] = None,
    station_id: Annotated[str | None, typer.Option("--station", help="Of which station; for the role station.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="What it is for; else the role.")] = None,
    link: Annotated[bool, typer.Option("--link", help="A sign-in link for a browser, good for one day.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for a role and print it, once; a station's replaces nothing: revoke the old one when it is in use."""
    with opened(database, create=True) as idlefee:
        from api.access.keys import LINK_LASTS_S, KeyKind, Role, issue
        from billing.owners import owner as known
        from sessions.sites import site_of_station

        if role not in set(Role):
            raise Refused(f"{role}: choose one of {', '.join(Role)}", Exit.USAGE)
        _fits(role, owner_id, station_id, link)
        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            if owner_id is not None:
                known(connection, owner_id)
            if station_id is not None:
                site_of_station(connection, station_id)
            made = issue(
                connection,
                Role(role),
                label=label or role,
                now=now,
                station_id=station_id,
                owner_id=owner_id,
                kind=KeyKind.LINK if link else KeyKind.KEY,
                once=link,
                expires_at=now + LINK_LASTS_S if link else None,
                author=AUTHOR,
            )
        home = idlefee.settings.home
    text = f"{home}/sign-in?key={made.text}" if link else made.text
    if as_json:
        show_json({"id": made.id, "role": role, ("link" if link else "key"): text})
    else:
        what = "A link for one sign-in within a day" if link else "The key, shown once and kept as a hash"
        say(f"{what} ({made.id}, role {role}):")
        say(text)


def _fits(role: str, owner_id: str | None, station_id: str | None, link: bool) -> None:
    if (role == "owner") != (owner_id is not None):
        raise Refused("--owner belongs to the role owner: name both, or neither", Exit.USAGE)
    if (role == "station") != (station_id is not None):
        raise Refused("--station belongs to the role station: name both, or neither", Exit.USAGE)
    if link and role == "station":
        raise Refused("a station signs in with a key: leave out --link", Exit.USAGE)


@access.command("list")
def list_access(database: Database = None, as_json: AsJson = False) -> None:
    """Every key and link without its secret, the newest first."""
    with opened(database) as idlefee:
        from api.access.keys import listed
        from sessions.events import rfc3339

        with idlefee.reading() as connection:
            keys = listed(connection)
        now = idlefee.clock.now()
    if as_json:
        show_json([_access_to_json(key) for key in keys])
    elif not keys:
        say("There is no key yet: `idlefee access add operator` makes one.")
    else:
        cells = [
            (
                key["id"],
                key["kind"],
                key["role"],
                key["station_id"] or key["owner_id"],
                key["label"],
                rfc3339(key["created_at"]),
                _state(key, now),
            )
            for key in keys
        ]
        show_table(("id", "kind", "role", "of", "label", "made", "state"), cells)


def _access_to_json(key: dict[str, Any]) -> dict[str, Any]:
    from sessions.events import rfc3339

    moments = ("created_at", "expires_at", "revoked_at")
    return key | {name: None if key[name] is None else rfc3339(key[name]) for name in moments}


def _state(key: dict[str, Any], now: int) -> str:
    if key["revoked_at"] is not None:
        return "used" if key["once"] else "revoked"
    return "expired" if key["expires_at"] is not None and key["expires_at"] <= now else "open"


@access.command("revoke")
def revoke_access(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `access list` shows it.", show_default=False)],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Close a key. It may work for a few seconds more where it was just used."""
    with opened(database) as idlefee:
        from api.access.keys import revoke

        with idlefee.writing() as connection:
            closed = revoke(connection, id_, idlefee.clock.now(), AUTHOR)
    if not closed:
        raise Refused(f"no open key has the id {id_}: see `idlefee access list`")
    if as_json:
        show_json({"id": id_, "revoked": True})
    else:
        say(f"Key {id_} is closed.")
