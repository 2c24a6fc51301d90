"""`idlefee review`: fees that wait for a person."""

from typing import Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.frame import AsJson, Database, Reason, group
from api.cli.opening import AUTHOR, opened
from api.cli.telling import payer, tell_settlements

review = group("review", "Fees that wait for a person: in review a fee may fall, never rise.")

Session = Annotated[str, typer.Argument(help="STATION/SESSION, or the session's own name.", show_default=False)]


@review.command("list")
def list_(database: Database = None, as_json: AsJson = False) -> None:
    """What waits, the oldest first."""
    with opened(database) as idlefee:
        from sqlalchemy import select

        from billing.settle import charge_from_row
        from billing.store.tables import charges

        statement = select(charges).where(charges.c.held.is_not(None)).order_by(charges.c.settled_at)
        with idlefee.reading() as connection:
            waiting = [charge_from_row(row) for row in connection.execute(statement).mappings()]
        now = idlefee.clock.now()
    if as_json:
        show_json([_to_json(charge) for charge in waiting])
        return
    if not waiting:
        say("Nothing waits in review.")
        return
    from api.pages.words import REVIEW, age, money, word

    show_table(
        ("session", "site", "would be", "posted", "whose", "waits", "why"),
        [
            (
                charge.key.id,
                charge.key.site_id,
                money(charge.computed_minor, charge.currency),
                money(charge.fee_minor, charge.currency),
                payer(charge.owner_id),
                age(now - charge.settled_at),
                "; ".join(word(REVIEW, code) for code in charge.held),
            )
            for charge in waiting
        ],
        right=("would be", "posted", "waits"),
    )


def _to_json(charge: Any) -> dict[str, Any]:
    return {
        "session": charge.key.id,
        "site": charge.key.site_id,
        "owner": charge.owner_id,
        "currency": charge.currency,
        "computed_minor": charge.computed_minor,
        "fee_minor": charge.fee_minor,
        "in_review": list(charge.held),
    }


@review.command()
def release(session: Session, reason: Reason, database: Database = None, as_json: AsJson = False) -> None:
    """Let the fee that waits post, up to what it is now."""
    with opened(database) as idlefee:
        from billing import decisions

        with idlefee.writing() as connection:
            key = asking.session(connection, session)
            done = decisions.release(connection, key, author=AUTHOR, reason=reason, now=idlefee.clock.now())
    tell_settlements(done, as_json)


@review.command()
def reject(session: Session, reason: Reason, database: Database = None, as_json: AsJson = False) -> None:
    """The session whose fee waits costs nothing."""
    with opened(database) as idlefee:
        from billing import decisions

        with idlefee.writing() as connection:
            key = asking.session(connection, session)
            done = decisions.reject(connection, key, author=AUTHOR, reason=reason, now=idlefee.clock.now())
    tell_settlements(done, as_json)
