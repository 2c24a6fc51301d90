"""`idlefee tariff`: the catalogue of tariffs, and which one a site bills by."""

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, group
from api.cli.opening import AUTHOR, opened
from api.cli.telling import stamp

tariff = group("tariff", "Tariffs: versioned, never edited, assigned from a moment on.")

Name = Annotated[str, typer.Argument(help="The tariff's name.", show_default=False)]


@tariff.command("list")
def list_(database: Database = None, as_json: AsJson = False) -> None:
    """The newest version of every tariff, and the sites that bill by it now."""
    with opened(database) as idlefee:
        from sqlalchemy import func, select

        from billing.assignments import VersionRef, assignments_of, tariff_version
        from billing.store.tables import tariffs
        from sessions.sites import all_sites

        newest = select(tariffs.c.name, func.max(tariffs.c.version)).group_by(tariffs.c.name).order_by(tariffs.c.name)
        now = idlefee.clock.now()
        with idlefee.reading() as connection:
            known = [tariff_version(connection, VersionRef(*row)) for row in connection.execute(newest)]
            assigned = assignments_of(connection, [site.id for site in all_sites(connection)])
    sites: dict[str, list[str]] = {}
    for site_id, its in sorted(assigned.items()):
        current = [one for one in its if one.valid_from <= now][-1]
        sites.setdefault(current.tariff.name, []).append(site_id)
    if as_json:
        show_json([_summary(one) | {"sites": sites.get(one.name, [])} for one in known])
        return
    from api.pages.words import money

    show_table(
        ("tariff", "version", "a minute", "grace", "tiers", "sites"),
        [
            (
                one.name,
                one.version,
                money(one.rate_minor_per_minute, one.currency),
                f"{one.grace.grace_s} s {one.grace.mode.value}",
                ", ".join(f"{t.from_percent} %: {money(t.rate_minor_per_minute, one.currency)}" for t in one.tiers),
                ", ".join(sites.get(one.name, [])),
            )
            for one in known
        ],
        right=("version", "a minute"),
    )


def _summary(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "currency": one.currency,
        "rate_minor_per_minute": one.rate_minor_per_minute,
    }


@tariff.command()
def show(
    name: Name,
    version: Annotated[int | None, typer.Option("--version", help="Else the newest.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """A tariff as a TOML file that `tariff add` reads."""
    with opened(database) as idlefee:
        from billing.assignments import VersionRef, latest, tariff_version
        from billing.tariffs import tariff_to_toml

        with idlefee.reading() as connection:
            found = (
                latest(connection, name) if version is None else tariff_version(connection, VersionRef(name, version))
            )
    if as_json:
        show_json(found.model_dump(mode="json"))
    else:
        say(tariff_to_toml(found).rstrip())


@tariff.command()
def add(
    file: Annotated[Path, typer.Argument(help="A TOML file; `tariff show standard` prints one.", show_default=False)],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add a tariff, or the next version of one. All faults of the file are named at once."""
    from billing.tariffs import TariffFaults, load_tariff

    try:
        wanted = load_tariff(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise Refused(f"{file}: it is not UTF-8 text: save it as UTF-8", Exit.USAGE) from None
    except TariffFaults as found:
        faults = "\n".join(f"{file.name}: {where}: {what}" for where, what in found.faults)
        raise Refused(faults, Exit.USAGE) from None
    with opened(database, create=True) as idlefee:
        from billing.assignments import add_version

        with idlefee.writing() as connection:
            added = add_version(connection, wanted, AUTHOR, idlefee.clock.now())
    if as_json:
        show_json(_summary(added))
    else:
        say(f"{added.name} is now at version {added.version}. Sites keep theirs until `idlefee tariff assign`.")


@tariff.command()
def assign(
    name: Name,
    site: Annotated[str, typer.Option("--site", help="The site that is to bill by it.")],
    from_: From = None,
    version: Annotated[int | None, typer.Option("--version", help="Else the newest.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "assigned on the command line",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a site bill by a tariff from now, or from a moment to come. The first one of a site has no beginning."""
    valid_from = asking.moment(from_, "--from")
    with opened(database) as idlefee:
        from billing.assignments import VersionRef, latest, tariff_version
        from billing.assignments import assign as assign_
        from sessions.events import rfc3339
        from sessions.sites import site as site_named

        with idlefee.writing() as connection:
            place = site_named(connection, site)
            chosen = (
                latest(connection, name) if version is None else tariff_version(connection, VersionRef(name, version))
            )
            done = assign_(
                connection,
                site,
                chosen,
                author=AUTHOR,
                reason=reason,
                now=idlefee.clock.now(),
                valid_from=valid_from,
            )
    if as_json:
        begins = None if done.valid_from == 0 else rfc3339(done.valid_from)
        show_json({"site": site, "tariff": done.tariff.name, "version": done.tariff.version, "valid_from": begins})
        return
    since = "since ever" if done.valid_from == 0 else f"from {stamp(done.valid_from, place.tz)}"
    say(f"{site} bills by {done.tariff.name}, version {done.tariff.version}, {since}.")
