"""`idlefee reconcile` and `idlefee difference`: what differs, since when, and who looks into it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.console import note, progress, say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, To, app, group
from api.cli.opening import AUTHOR, opened

if TYPE_CHECKING:
    from api.wiring import Idlefee
    from billing.reconcile.differences import Difference, Run
    from billing.reconcile.words import Finding

difference = group("difference", "What differs between our word, the processor's and the bank's.")

Seller = Annotated[str, typer.Option("--seller", help="Whose account it is.")]
OneSeller = Annotated[str | None, typer.Option("--seller", help="Of this seller only.")]
MOST_LISTED = 500


@app.command()
def reconcile(
    from_: From = None,
    to: To = None,
    seller: OneSeller = None,
    without_facts: Annotated[bool, typer.Option("--without-facts", help="Do not verify facts and charges.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Compare facts, charges, ledger, the processor and the bank. Exit code 1 if anything differs; each is named.

    Without --from it goes on some days before where the last comparison ended. What is open is looked at in any case.
    """
    since, until = asking.moment(from_, "--from"), asking.moment(to, "--to")
    if since is not None and until is not None and until <= since:
        raise Refused("--to must be later than --from", Exit.USAGE)
    with opened(database) as idlefee:
        facts = [] if without_facts else _facts(idlefee)
        runs = _runs(idlefee, seller, since, until, facts)
        left = _differences(idlefee, seller)
    if as_json:
        show_json(
            {
                "clean": not left,
                "runs": [one._asdict() for one in runs],
                "differences": [_to_json(one) for one in left],
            }
        )
    else:
        _tell(runs, left)
    if left:
        raise typer.Exit(Exit.DIFFERENCES)


def _facts(idlefee: "Idlefee") -> "list[Finding]":
    """What `verify` finds, as differences."""
    from billing.reconcile.facts import as_finding
    from billing.verify import Difference as Wrong
    from billing.verify import verify

    found: list[Wrong] = []
    now = idlefee.clock.now()
    with progress("verifying") as advance:
        verify(idlefee.engine, now, found.append, advance)
    return [as_finding(one, now) for one in found]


def _runs(
    idlefee: "Idlefee", seller: str | None, since: int | None, until: int | None, facts: "list[Finding]"
) -> "list[Run]":
    from billing.reconcile.nightly import account_holder, begins_at
    from billing.reconcile.running import reconcile as compare
    from sessions.registry import seller as known
    from sessions.registry import sellers_after

    with idlefee.reading() as connection:
        ids = [one.id for one in sellers_after(connection, "", MOST_LISTED)]
        ids = ids if seller is None else [known(connection, seller).id]
        now = idlefee.clock.now()
        holder = account_holder(connection, idlefee.settings.stripe_seller)
        begin = {id_: begins_at(connection, id_, now) if since is None else since for id_ in ids}
    if idlefee.processor is None:
        note("no card processor is set up: the books are compared with the bank alone")
    runs = []
    for id_ in ids:
        asked = idlefee.processor if id_ == holder else None
        others = facts if id_ == (holder or ids[0]) else []
        end = now + 1 if until is None else until
        with progress(f"comparing {id_}") as advance:
            runs.append(
                compare(idlefee.engine, idlefee.clock, asked, id_, begin[id_], end, others=others, progress=advance)
            )
    return runs


def _differences(idlefee: "Idlefee", seller: str | None) -> "list[Difference]":
    from billing.reconcile.differences import differences_after

    with idlefee.reading() as connection:
        return differences_after(connection, seller_id=seller, most=MOST_LISTED)


def _tell(runs: "list[Run]", left: "list[Difference]") -> None:
    from api.pages.words import count

    for run in runs:
        looked = count(sum(run.seen.values()), "thing")
        say(f"{run.seller_id}: {looked} compared, {count(run.acted, 'difference')} put right.")
    if left:
        _table(left)
        say(f"{count(len(left), 'difference')} left. docs/reconciliation.md says what each means and what to do.")
    else:
        say("Nothing differs.")


def _table(found: "list[Difference]") -> None:
    rows = [
        (one.id, one.code.value, one.subject, _amounts(one), _day(one.first_seen_at), one.assigned_to, one.detail)
        for one in found
    ]
    show_table(("id", "case", "subject", "ours / theirs", "since", "who", "what is known"), rows)


def _amounts(one: "Difference") -> str:
    from api.pages.words import money

    if one.currency is None:
        return ""
    sides = (one.ours_minor, one.theirs_minor)
    return " / ".join("-" if side is None else money(side, one.currency) for side in sides)


def _to_json(one: "Difference") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one) | {"code": one.code.value, "meaning": one.case.meaning}


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


# -- differences --------------------------------------------------------------------------------------------


@difference.command("list")
def list_differences(seller: OneSeller = None, database: Database = None, as_json: AsJson = False) -> None:
    """What differed when it was last compared, the oldest first."""
    with opened(database) as idlefee:
        found = _differences(idlefee, seller)
    if as_json:
        show_json([_to_json(one) for one in found])
    elif found:
        _table(found)
    else:
        say("Nothing differed when it was last compared: `idlefee reconcile` compares now.")


@difference.command("see-to")
def see_to(
    id_: Annotated[str, typer.Argument(help="The difference's id.", show_default=False)],
    seller: Seller,
    assign: Annotated[str | None, typer.Option("--assign", help="Who looks into it.")] = None,
    note_: Annotated[str | None, typer.Option("--note", help="What is known of it.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Assign a difference, or write down what is known of it."""
    with opened(database) as idlefee:
        from billing.reconcile.differences import see_to as see

        with idlefee.writing() as connection:
            now = idlefee.clock.now()
            done = see(connection, seller, id_, author=AUTHOR, now=now, assigned_to=assign, note=note_)
    if as_json:
        show_json(_to_json(done))
    else:
        say(f"{done.subject} ({done.code.value}) is with {done.assigned_to}.")
