"""Decisions about sessions, stalls and events, each with a reason that its owner reads."""

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import asking
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, Reason, To, app
from api.cli.opening import AUTHOR, opened
from api.cli.telling import tell_settlements

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sessions.store.queries import SessionKey

Session = Annotated[str, typer.Argument(help="STATION/SESSION, or the session's own name.", show_default=False)]
Stall = Annotated[str, typer.Argument(help="STATION/STALL", show_default=False)]


@app.command()
def waive(
    session: Session,
    reason: Reason,
    amount: Annotated[str | None, typer.Option("--amount", help="How much, as 2.50; else all of it.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let an owner off a fee, or off part of it. Waivers add up."""
    with opened(database) as idlefee:
        from billing import decisions

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            key = asking.session(connection, session)
            minor = None if amount is None else asking.amount_minor(amount, _currency(connection, key, now))
            done = decisions.waive(connection, key, minor, author=AUTHOR, reason=reason, now=now)
    tell_settlements(done, as_json)


def _currency(connection: "Connection", key: "SessionKey", now: int) -> str:
    from billing.settle import assess, charges_of
    from sessions.folding import fold_sessions

    charge = charges_of(connection, [key]).get(key)
    if charge is not None:
        return charge.currency
    assessed = assess(connection, fold_sessions(connection, [key], now), now)
    if not assessed:
        raise Refused(f"session {key.id} has no plug-in and so no fee: leave out --amount")
    return assessed[0].tariff.currency


@app.command()
def excuse(
    reason: Annotated[
        str, typer.Option("--reason", help="Why; owners read it, and /incidents publishes it: no names.")
    ],
    site: Annotated[str | None, typer.Option("--site", help="Every stall of this site.")] = None,
    stall: Annotated[str | None, typer.Option("--stall", help="This stall only, as STATION/STALL.")] = None,
    from_: From = None,
    to: To = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Do not count an interval at a stall or a whole site: every session it touches is settled again."""
    starts_at, ends_at = asking.required_moment(from_, "--from"), asking.required_moment(to, "--to")
    if (site is None) == (stall is None):
        raise Refused("name either --site SITE or --stall STATION/STALL", Exit.USAGE)
    where = None if stall is None else asking.stall(stall)
    with opened(database) as idlefee:
        from billing import decisions
        from sessions.sites import site_of_station

        with idlefee.writing() as connection:
            done = decisions.excuse(
                connection,
                site_of_station(connection, where[0]) if where else str(site),
                starts_at,
                ends_at,
                author=AUTHOR,
                reason=reason,
                now=idlefee.clock.now(),
                stall=where,
            )
    tell_settlements(done, as_json)


@app.command("out-of-service")
def out_of_service(
    stall: Stall, reason: Reason, from_: From = None, to: To = None, database: Database = None, as_json: AsJson = False
) -> None:
    """Count a stall as not in service, until further notice or --to: occupancy is counted without it."""
    where = asking.stall(stall)
    starts_at, ends_at = asking.moment(from_, "--from"), asking.moment(to, "--to")
    with opened(database) as idlefee:
        from billing import decisions

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            done = decisions.out_of_service(
                connection,
                where,
                now if starts_at is None else starts_at,
                ends_at,
                author=AUTHOR,
                reason=reason,
                now=now,
            )
    tell_settlements(done, as_json)


@app.command("back-in-service")
def back_in_service(
    stall: Stall,
    reason: Reason,
    at: Annotated[str | None, typer.Option("--at", help="Since when, as 2025-05-13T14:00+02:00; else now.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """End an out-of-service that was to last until further notice: the stall counts again since --at, or now."""
    where, moment = asking.stall(stall), asking.moment(at, "--at")
    with opened(database) as idlefee:
        from billing import decisions

        with idlefee.writing() as connection:
            done = decisions.back_in_service(
                connection, where, moment, author=AUTHOR, reason=reason, now=idlefee.clock.now()
            )
    tell_settlements(done, as_json)


@app.command()
def void(
    station: Annotated[str, typer.Argument(help="The station that sent it.", show_default=False)],
    event: Annotated[str, typer.Argument(help="The event's id.", show_default=False)],
    reason: Reason,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let an event count for nothing from now on; it stays on record."""
    with opened(database) as idlefee:
        from billing import decisions

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            done = decisions.void_event(connection, station, event, author=AUTHOR, reason=reason, now=now)
    tell_settlements(done, as_json)


@app.command()
def claim(
    session: Session,
    reason: Reason,
    owner: Annotated[str | None, typer.Option("--owner", help="Whose session it is.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="It is nobody's after all.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Say whose session it is; its fee moves there."""
    if (owner is None) != nobody:
        raise Refused("name either --owner OWNER or --nobody", Exit.USAGE)
    with opened(database) as idlefee:
        from billing import decisions

        with idlefee.writing() as connection:
            key = asking.session(connection, session)
            now = idlefee.clock.now()
            done = decisions.claim(connection, key, owner, author=AUTHOR, reason=reason, now=now)
    tell_settlements(done, as_json)
