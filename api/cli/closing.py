"""`idlefee close`: months that are over, closed in their order."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.console import progress, say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, app
from api.cli.opening import AUTHOR, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.wiring import Idlefee
    from billing.periods.checks import Check
    from billing.periods.months import Span
    from billing.statements import Month


@app.command("close")
def close_months(
    month: Annotated[str | None, typer.Option("--month", help="As 2026-11; else every month that is due.")] = None,
    seller: Annotated[list[str] | None, typer.Option("--seller", help="Of this one only; may be repeated.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only look: say what a close would look at.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; the trail keeps it.")] = "month's end",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Close months, an hour after their end at the earliest. A closed month takes no entries and is not opened again.

    What corrects it later posts in the open month and names what it corrects. Exit code 1 if a check is in the way.
    """
    from billing.statements import Month

    try:
        wanted = None if month is None else Month.read(month)
    except ValueError as error:
        raise Refused(str(error), Exit.USAGE) from None
    with opened(database) as idlefee:
        done = [_closed(idlefee, span, check, reason) for span in _due(idlefee, wanted, seller)]
        if not check:  # a seller may have several months behind
            while wanted is None and (more := _due(idlefee, None, seller)):
                done += [_closed(idlefee, span, check, reason) for span in more]
    if as_json:
        show_json([_to_json(span, checks, closed) for span, checks, closed in done])
    elif not done:
        say("No month is due: one can be closed an hour after its end.")
    else:
        for span, checks, closed in done:
            _tell(span, checks, closed)
    if any(one.in_the_way for _, checks, _ in done for one in checks):
        raise typer.Exit(Exit.DIFFERENCES)


def _due(idlefee: "Idlefee", month: "Month | None", sellers: "Sequence[str] | None") -> "Sequence[Span]":
    from billing.periods.closing import due, due_now

    now = idlefee.clock.now()
    if month is None:
        return due_now(idlefee.engine, now, sellers)
    with idlefee.reading() as connection:
        from sessions.sites import all_sites

        known = sellers or sorted({site.seller_id for site in all_sites(connection)})
        return [due(connection, seller_id, now, month) for seller_id in known]


def _closed(idlefee: "Idlefee", span: "Span", check: bool, reason: str) -> "tuple[Span, Sequence[Check], bool]":
    from billing.periods.closing import InTheWay, close, look

    now = idlefee.clock.now()
    if check:
        return (*look(idlefee.engine, span.seller_id, now, span.month), False)
    with progress(f"closing {span.month} of {span.seller_id}") as advance:
        try:
            done = close(
                idlefee.engine,
                span.seller_id,
                author=AUTHOR,
                reason=reason,
                now=now,
                month=span.month,
                progress=advance,
            )
        except InTheWay as error:
            raise Refused(str(error)) from None
    return done.span, done.checks, True


def _to_json(span: "Span", checks: "Sequence[Check]", closed: bool) -> dict[str, Any]:
    return {
        "seller": span.seller_id,
        "month": str(span.month),
        "closed": closed,
        "checks": [one.to_json() for one in checks],
    }


def _tell(span: "Span", checks: "Sequence[Check]", closed: bool) -> None:
    rows = [(one.name, "stops" if one.in_the_way else "note" if one.found else "fine", one.sentence) for one in checks]
    show_table(("check", "", "what it says"), rows)
    if closed:
        say(f"{span.month} of {span.seller_id} is closed: it takes no entries any more.")
    elif any(one.in_the_way for one in checks):
        say(f"{span.month} of {span.seller_id} cannot be closed yet.")
    else:
        say(f"{span.month} of {span.seller_id} can be closed.")
