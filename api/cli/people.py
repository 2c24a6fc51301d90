"""Owners, their tokens and vehicles, and the keys that let people in."""

import secrets
from typing import Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, To, group
from api.cli.opening import AUTHOR, opened
from api.cli.telling import tell_settlements

owner = group("owner", "Owners: the accounts that pay.")
token = group("token", "Tokens: the cards and apps that stand for an owner, and when.")
vehicle = group("vehicle", "Owners' cars, by their plates.")
access = group("access", "Keys and sign-in links for people. They are shown once and kept as hashes.")

Id = Annotated[str, typer.Argument(help="The owner's id.", show_default=False)]
Owner = Annotated[str, typer.Option("--owner", help="Whose it is.")]
MOST_LISTED = 1000

# -- owners -------------------------------------------------------------------------------------------------


@owner.command("add")
def add_owner(
    id_: Id,
    name: Annotated[str | None, typer.Option("--name", help="Erasable.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Where notices go; erasable.")] = None,
    language: Annotated[str, typer.Option("--language", help="Of notices, as en.")] = "en",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add an owner."""
    with opened(database, create=True) as idlefee:
        from billing.owners import Owner, OwnerUnknown, is_email
        from billing.owners import add_owner as add
        from billing.owners import owner as known

        if email is not None and not is_email(email):
            raise Refused(f"{email!r} is no e-mail address: one looks like name@example.com", Exit.USAGE)
        if name is not None and not (0 < len(name) <= 128 and name.isprintable()):
            raise Refused("--name: 1 to 128 characters, none of them a line end or the like", Exit.USAGE)
        with idlefee.writing() as connection:
            try:
                known(connection, id_)
            except OwnerUnknown:
                add(connection, Owner(_named(id_), name, email, language), idlefee.clock.now())
            else:
                raise Refused(f"owner {id_} exists already: choose another id")
    if as_json:
        show_json({"owner": id_})
    else:
        say(f"Owner {id_} added. Next: `idlefee token add UID --owner {id_}`.")


def _named(id_: str) -> str:
    from sessions.sites import NAME, BadName

    if not NAME.fullmatch(id_):
        raise BadName(f"{id_!r}: use letters, digits and . _ : - (1 to 64 of them)")
    return id_


@owner.command("list")
def list_owners(database: Database = None, as_json: AsJson = False) -> None:
    """Owners, and what each owes; the newest thousand."""
    with opened(database) as idlefee:
        from sqlalchemy import func, select

        from billing.ledger import Account
        from billing.store.tables import entries, owners

        statement = select(owners.c.id, owners.c.name, owners.c.email).order_by(owners.c.created_at.desc(), owners.c.id)
        due = (
            select(entries.c.owner_id, entries.c.currency, func.sum(entries.c.amount_minor))
            .where(entries.c.account == Account.RECEIVABLE.value)
            .group_by(entries.c.owner_id, entries.c.currency)
            .order_by(entries.c.currency)
        )
        with idlefee.reading() as connection:
            rows = connection.execute(statement.limit(MOST_LISTED)).all()
            owed: dict[str, dict[str, int]] = {}
            for owner_id, currency, amount in connection.execute(due):
                owed.setdefault(owner_id, {})[currency] = int(amount)
    if as_json:
        show_json(
            [
                {"owner": row.id, "name": row.name, "email": row.email, "owes_minor": owed.get(row.id, {})}
                for row in rows
            ]
        )
    elif not rows:
        say("There is no owner yet: `idlefee owner add OWNER` adds one.")
    else:
        from api.pages.words import money

        def sums(owner_id: str) -> str:
            return ", ".join(money(amount, currency) for currency, amount in owed.get(owner_id, {}).items())

        cells = [(row.id, row.name, row.email, sums(row.id)) for row in rows]
        show_table(("owner", "name", "email", "owes"), cells, right=("owes",))


@owner.command("erase")
def erase_owner(
    id_: Id,
    sure: Annotated[bool, typer.Option("--yes", help="Nobody can undo this: say that you mean it.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person: the books stay, under an id that says nothing; name, address, plates and numbers go."""
    if not sure:
        raise Refused(f"nobody can undo this: idlefee owner erase {id_} --yes")
    with opened(database) as idlefee:
        from api.access.leaving import StillPluggedIn
        from api.access.leaving import erase_owner as erase

        try:
            with idlefee.writing() as connection:
                erase(connection, id_, idlefee.clock.now())
        except StillPluggedIn as error:
            raise Refused(str(error)) from None
    if as_json:
        show_json({"owner": id_, "erased": True})
    else:
        say(f"Owner {id_} is nobody we know any more. Their letters in the outbox, and backups, are yours to delete.")


# -- tokens -------------------------------------------------------------------------------------------------


@token.command("add")
def add_token(
    uid: Annotated[str, typer.Argument(help="What the station reads, as AB12CD34.", show_default=False)],
    owner_id: Owner,
    from_: From = None,
    to: To = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a token stand for an owner, since ever or from a moment on. Sessions that waited unclaimed become theirs."""
    valid_from, valid_to = asking.moment(from_, "--from") or 0, asking.moment(to, "--to")
    if valid_to is not None and valid_to <= valid_from:
        raise Refused("--to must be later than --from", Exit.USAGE)
    if not uid or len(uid) > 128 or not uid.isprintable():
        raise Refused("a token has 1 to 128 printable characters", Exit.USAGE)
    with opened(database, create=True) as idlefee:
        from billing.decisions import token_given
        from billing.owners import give_token

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            token_id = give_token(
                connection,
                idlefee.names,
                uid=uid,
                owner_id=owner_id,
                author=AUTHOR,
                now=now,
                valid_from=valid_from,
                valid_to=valid_to,
            )
            done = token_given(connection, token_id, valid_from, valid_to, now)
    tell_settlements(done, as_json)


@token.command("list")
def list_tokens(
    owner_id: Annotated[str | None, typer.Option("--owner", help="Of this owner only.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tokens and whom they stand for; at most a thousand."""
    with opened(database) as idlefee:
        from sqlalchemy import select

        from billing.store.tables import token_holders
        from sessions.events import rfc3339
        from sessions.store.tables import tokens

        statement = select(
            tokens.c.uid, token_holders.c.owner_id, token_holders.c.valid_from, token_holders.c.valid_to
        ).outerjoin(token_holders, token_holders.c.token_id == tokens.c.id)
        if owner_id is not None:
            statement = statement.where(token_holders.c.owner_id == owner_id)
        ordered = statement.order_by(tokens.c.uid, token_holders.c.valid_from).limit(MOST_LISTED)
        with idlefee.reading() as connection:
            rows = connection.execute(ordered).all()
    listed = [
        {
            "token": row.uid,
            "owner": row.owner_id,
            "from": rfc3339(row.valid_from) if row.valid_from else None,
            "to": None if row.valid_to is None else rfc3339(row.valid_to),
        }
        for row in rows
    ]
    if as_json:
        show_json(listed)
    elif not listed:
        say("There is no token here: `idlefee token add UID --owner OWNER` adds one.")
    else:
        show_table(
            ("token", "owner", "from", "to"),
            [(one["token"] or "erased", one["owner"] or "nobody", one["from"], one["to"]) for one in listed],
        )


# -- vehicles -----------------------------------------------------------------------------------------------


@vehicle.command("add")
def add_vehicle(
    plate: Annotated[str, typer.Argument(help="As it is written on the car.", show_default=False)],
    owner_id: Owner,
    name: Annotated[str | None, typer.Option("--name", help="What its owner calls it; else the plate.")] = None,
    uid: Annotated[str | None, typer.Option("--token", help="The token that stands for this car.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add a car, so that it can be found by its plate."""
    with opened(database, create=True) as idlefee:
        from billing.owners import Vehicle, vehicles_of
        from billing.owners import add_vehicle as add

        with idlefee.writing() as connection:
            if any(plate in {one.id, one.plate} for one in vehicles_of(connection, owner_id)):
                raise Refused(f"owner {owner_id} has a car {plate} already")
            token_id = None if uid is None else idlefee.names.surrogate(uid)
            car = Vehicle(f"v-{secrets.token_hex(6)}", name or plate, plate, token_id)  # the id outlives an erasure
            add(connection, owner_id, car, idlefee.clock.now())
    if as_json:
        show_json({"owner": owner_id, "plate": plate})
    else:
        say(f"Car {plate} of owner {owner_id} added.")


@vehicle.command("list")
def list_vehicles(owner_id: Owner, database: Database = None, as_json: AsJson = False) -> None:
    """An owner's cars."""
    with opened(database) as idlefee:
        from billing.owners import owner as known
        from billing.owners import vehicles_of

        with idlefee.reading() as connection:
            known(connection, owner_id)
            cars = vehicles_of(connection, owner_id)
    if as_json:
        show_json([{"plate": car.plate, "name": car.name} for car in cars])
    elif not cars:
        say(f"Owner {owner_id} has no car here.")
    else:
        show_table(("plate", "name"), [(car.plate, car.name) for car in cars])


# -- access -------------------------------------------------------------------------------------------------


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
            closed = revoke(connection, id_, idlefee.clock.now())
    if not closed:
        raise Refused(f"no open key has the id {id_}: see `idlefee access list`")
    if as_json:
        show_json({"id": id_, "revoked": True})
    else:
        say(f"Key {id_} is closed.")
