"""Sellers, sites, stations and stalls: `add` and `list` of each."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, group
from api.cli.opening import AUTHOR, opened

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from api.wiring import Idlefee

seller = group("seller", "Sellers: the legal entities that bill.")
site = group("site", "Sites: places with stations, of one seller, in one time zone.")
station = group("station", "Stations, and the keys they post with.")
stall = group("stall", "Stalls: where a car stands. Each exists from the first message that names it.")

Id = Annotated[str, typer.Argument(help="Letters, digits and . _ : -", show_default=False)]
Name = Annotated[str | None, typer.Option("--name", help="What people call it; else its id.")]
Zone = Annotated[str, typer.Option("--zone", help="An IANA time zone, as Europe/Berlin.")]


def _list(idlefee: "Idlefee", statement: "Select[Any]", as_json: bool, none: str) -> None:
    """The rows of a statement, its columns' labels as headings."""
    with idlefee.reading() as connection:
        rows = connection.execute(statement).mappings().all()
    if as_json:
        show_json([dict(row) for row in rows])
    elif not rows:
        say(none)
    else:
        show_table(list(rows[0].keys()), [list(row.values()) for row in rows])


# -- sellers ------------------------------------------------------------------------------------------------


@seller.command("add")
def add_seller(
    id_: Id, name: Name = None, zone: Zone = "UTC", database: Database = None, as_json: AsJson = False
) -> None:
    """Add a seller. `--zone` is the time zone of its books."""
    with opened(database, create=True) as idlefee:
        from billing import network

        with idlefee.writing() as connection:
            network.add_seller(connection, id_, name or id_, zone, author=AUTHOR, now=idlefee.clock.now())
    if as_json:
        show_json({"seller": id_, "zone": zone})
    else:
        say(f"Seller {id_} added.")


@seller.command("register")
def register_seller(
    id_: Id,
    legal_name: Annotated[str | None, typer.Option("--legal-name", help="Its name as registered.")] = None,
    address: Annotated[str | None, typer.Option("--address", help="Where; commas become lines.")] = None,
    tax_id: Annotated[str | None, typer.Option("--tax-id", help="Its tax registration.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Write down what receipts print of a seller, and show it. An empty text takes it back."""
    lines = None if address is None else "\n".join(part.strip() for part in address.split(","))
    told = {"legal_name": legal_name, "address": lines, "tax_id": tax_id}
    with opened(database) as idlefee:
        from billing import network

        given = {name: text.strip() or None for name, text in told.items() if text is not None}
        with idlefee.writing() as connection:
            found = network.register_seller(connection, id_, author=AUTHOR, now=idlefee.clock.now(), **given)
    if as_json:
        show_json(found._asdict())
    else:
        say("Receipts say:")
        say("\n".join([found.legal_name or found.name, found.address or "no address", found.tax_id or "no tax id"]))


@seller.command("list")
def list_sellers(database: Database = None, as_json: AsJson = False) -> None:
    """Every seller."""
    with opened(database) as idlefee:
        from sqlalchemy import select

        from sessions.store.tables import sellers

        statement = select(sellers.c.id.label("seller"), sellers.c.name, sellers.c.zone).order_by(sellers.c.id)
        _list(idlefee, statement, as_json, "There is no seller yet: `idlefee site add` makes one, too.")


# -- sites --------------------------------------------------------------------------------------------------


@site.command("add")
def add_site(
    id_: Id,
    seller_id: Annotated[str | None, typer.Option("--seller", help="Else the only one, or a first one.")] = None,
    name: Name = None,
    zone: Zone = "UTC",
    tariff: Annotated[str | None, typer.Option("--tariff", help="Its first tariff; else standard.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add a site. Where there is no seller yet, one is added for it."""
    with opened(database, create=True) as idlefee:
        from api.imports import seller_for_new_site
        from billing import network
        from billing.assignments import DEFAULT_TARIFF, assign, latest

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            whose = seller_for_new_site(connection, seller_id, zone, AUTHOR, now)
            network.add_site(connection, id_, whose, name or id_, zone, author=AUTHOR, now=now)
            if tariff is not None:
                chosen = latest(connection, tariff)
                assign(connection, id_, chosen, author=AUTHOR, reason="chosen with the site", now=now)
    billed_by = tariff or DEFAULT_TARIFF
    if as_json:
        show_json({"site": id_, "seller": whose, "zone": zone, "tariff": billed_by})
    else:
        say(f"Site {id_} of seller {whose} added, in {zone}; it bills by {billed_by}.")
        say(f"Next: `idlefee station add STATION --site {id_}` adds a station and prints its key.")


@site.command("list")
def list_sites(database: Database = None, as_json: AsJson = False) -> None:
    """Every site, with how many stations it has."""
    with opened(database) as idlefee:
        from sqlalchemy import func, select

        from sessions.store.tables import sites, stations

        many = select(func.count()).where(stations.c.site_id == sites.c.id).scalar_subquery()
        statement = select(
            sites.c.id.label("site"),
            sites.c.name,
            sites.c.seller_id.label("seller"),
            sites.c.zone,
            many.label("stations"),
        ).order_by(sites.c.id)
        _list(idlefee, statement, as_json, "There is no site yet: `idlefee site add SITE --zone ZONE` adds one.")


# -- stations -----------------------------------------------------------------------------------------------


@station.command("add")
def add_station(
    id_: Id,
    site_id: Annotated[str | None, typer.Option("--site", help="Where it stands; else the only site.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add a station and print its key, once."""
    with opened(database, create=True) as idlefee:
        from api.access.keys import Role, issue
        from billing import network

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            where = site_id or _only_site(connection)
            network.add_station(connection, id_, where, author=AUTHOR, now=now)
            key = issue(connection, Role.STATION, label=f"station {id_}", now=now, station_id=id_, author=AUTHOR)
    if as_json:
        show_json({"station": id_, "site": where, "key_id": key.id, "key": key.text})
    else:
        say(f"Station {id_} added at site {where}. Its key, shown once and kept as a hash:")
        say(key.text)


def _only_site(connection: "Connection") -> str:
    from sessions.sites import all_sites

    known = all_sites(connection)
    if not known:
        raise Refused("there is no site yet: `idlefee site add SITE --zone ZONE` adds one")
    if len(known) > 1:
        raise Refused(f"name its site with --site: {', '.join(one.id for one in known)}", Exit.USAGE)
    return known[0].id


@station.command("list")
def list_stations(
    site_id: Annotated[str | None, typer.Option("--site", help="Of this site only.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Every station, and when it was last heard of."""
    with opened(database) as idlefee:
        from sqlalchemy import select

        from sessions.events import rfc3339
        from sessions.store.tables import station_contacts, stations

        statement = select(
            stations.c.id, stations.c.site_id, station_contacts.c.heard_at, station_contacts.c.clock_ahead_s
        ).outerjoin(station_contacts, station_contacts.c.station_id == stations.c.id)
        if site_id is not None:
            statement = statement.where(stations.c.site_id == site_id)
        with idlefee.reading() as connection:
            rows = connection.execute(statement.order_by(stations.c.site_id, stations.c.id)).all()
    heard = [None if row.heard_at is None else rfc3339(row.heard_at) for row in rows]
    if as_json:
        show_json(
            [
                {"station": row.id, "site": row.site_id, "heartbeat_at": at, "clock_ahead_s": row.clock_ahead_s}
                for row, at in zip(rows, heard, strict=True)
            ]
        )
    elif not rows:
        say("There is no station here: `idlefee station add STATION --site SITE` adds one.")
    else:
        cells = [(row.id, row.site_id, at or "never", row.clock_ahead_s) for row, at in zip(rows, heard, strict=True)]
        show_table(("station", "site", "last heartbeat", "clock ahead (s)"), cells, right=("clock ahead (s)",))


# -- stalls -------------------------------------------------------------------------------------------------


@stall.command("add")
def add_stall(
    name: Annotated[str, typer.Argument(metavar="STATION/STALL", show_default=False)],
    from_: From = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add a stall before its first message, in service from a moment on, or since ever."""
    station_id, stall_name = asking.stall(name)
    in_service_from = asking.moment(from_, "--from")
    with opened(database) as idlefee:
        from billing import network

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            network.add_stall(connection, station_id, stall_name, in_service_from, author=AUTHOR, now=now)
    if as_json:
        show_json({"stall": name, "in_service_from": from_})
    else:
        say(f"Stall {name} added.")


@stall.command("list")
def list_stalls(database: Database = None, as_json: AsJson = False) -> None:
    """Every stall."""
    with opened(database) as idlefee:
        from sqlalchemy import select

        from sessions.store.tables import stalls

        statement = select(
            stalls.c.site_id.label("site"), stalls.c.station_id.label("station"), stalls.c.stall
        ).order_by(stalls.c.site_id, stalls.c.station_id, stalls.c.stall)
        _list(idlefee, statement, as_json, "There is no stall yet: each appears with the first message that names it.")
