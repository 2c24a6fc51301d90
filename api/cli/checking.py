"""`idlefee verify`: every cent computed again."""

from typing import TYPE_CHECKING

import typer

from api.cli.console import progress, say, show_json
from api.cli.errors import Exit
from api.cli.frame import AsJson, Database, app
from api.cli.opening import opened

if TYPE_CHECKING:
    from billing.verify import Difference, Verified


@app.command()
def verify(database: Database = None, as_json: AsJson = False) -> None:
    """Recompute every charge from the facts and check the books. Exit code 1 if anything differs; each is named."""
    named: list[Difference] = []

    def found(difference: "Difference") -> None:
        named.append(difference)
        if not as_json:
            say(f"{difference.code}: {difference}")

    with opened(database) as idlefee, progress("verifying") as advance:
        from billing.verify import verify as verify_

        done = verify_(idlefee.engine, idlefee.clock.now(), found, advance)
    if as_json:
        _show(done, named)
    else:
        _tell(done)
    if not done.clean:
        raise typer.Exit(Exit.DIFFERENCES)


def _show(done: "Verified", named: "list[Difference]") -> None:
    counted = {name: getattr(done, name) for name in ("events", "sessions", "charges", "transfers", "entries")}
    differences = [{"code": one.code.value, "subject": one.subject, "meaning": one.meaning} for one in named]
    waiting = {"overdue": done.overdue, "parked": done.parked}
    show_json({"clean": done.clean} | counted | {"differences": differences} | waiting)


def _tell(done: "Verified") -> None:
    from api.pages.words import count

    looked_at = (
        f"{count(done.events, 'event')}, {count(done.sessions, 'session')}, {count(done.charges, 'charge')}, "
        f"{count(done.transfers, 'transfer')} and {count(done.entries, 'entry', 'entries')}"
    )
    if done.clean:
        say(f"Verified {looked_at}: every one is what the facts say, and the books balance.")
    else:
        say(f"{count(done.differences, 'difference')} in {looked_at}.")
    if overdue := sum(done.overdue.values()):
        say(f"{count(overdue, 'step')} overdue: a worker takes them, `idlefee worker`.")
    if done.parked:
        say(f"{count(done.parked, 'step')} parked: `idlefee jobs list` names them.")
