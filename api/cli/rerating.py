"""`idlefee rerate`: what the same past would have cost under another tariff, and making it so."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.console import note, progress, say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, To, app
from api.cli.opening import AUTHOR, opened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api.wiring import Idlefee
    from billing.orders import Outcome
    from billing.rerate import Comparison, Question, SiteCost


@app.command()
def rerate(
    tariff: Annotated[str, typer.Option("--tariff", help="The tariff to compare with, in its newest version.")],
    from_: From = None,
    to: To = None,
    site: Annotated[list[str] | None, typer.Option("--site", help="Of this site only; may be repeated.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Order it: every fee is corrected by a transfer.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why, with --apply; owners read it.")] = "a change of tariff",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """What sessions plugged in between --from and --to cost, and would cost, by site and in total.

    Nothing changes without --apply. Only sessions with a completion before their end are priced.
    """
    starts_at, ends_at = asking.moment(from_, "--from") or 0, asking.moment(to, "--to")
    if ends_at is not None and ends_at <= starts_at:
        raise Refused("--to must be later than --from", Exit.USAGE)
    with opened(database) as idlefee:
        asked = _question(idlefee, tariff, starts_at, ends_at, site)
        from billing.rerate import compare

        with progress("pricing") as advance:
            answer = compare(idlefee.engine, asked, advance)
        outcome = _apply(idlefee, asked, ends_at, reason) if apply else None
    if as_json:
        show_json(_to_json(answer, outcome))
    else:
        _tell(answer, outcome)


def _question(
    idlefee: "Idlefee", tariff: str, starts_at: int, ends_at: int | None, site_ids: "Sequence[str] | None"
) -> "Question":
    from billing.assignments import latest
    from billing.rerate import Question
    from sessions.facts import FOREVER
    from sessions.sites import site

    with idlefee.reading() as connection:
        for site_id in site_ids or ():
            site(connection, site_id)
        chosen = latest(connection, tariff)
    named = tuple(sorted(set(site_ids))) if site_ids else None
    return Question(chosen, starts_at, FOREVER if ends_at is None else ends_at, named)


def _apply(idlefee: "Idlefee", asked: "Question", ends_at: int | None, reason: str) -> "Outcome":
    """Record the orders; then carry them out here. If this is interrupted, a worker finishes."""
    from billing.orders import carry_out, ordered
    from sessions.sites import all_sites

    with idlefee.writing() as connection:
        orders = ordered(
            connection,
            asked.site_ids or [site.id for site in all_sites(connection)],
            asked.tariff.name,
            asked.starts_at,
            ends_at,
            author=AUTHOR,
            reason=reason,
            now=idlefee.clock.now(),
        )
    note("ordered; if this is interrupted, a worker carries it out, or the same command goes on with it")
    with progress("settling") as advance:
        return carry_out(idlefee.engine, idlefee.clock, orders, advance)


def _to_json(answer: "Comparison", outcome: "Outcome | None") -> dict[str, Any]:
    sites = [{"site": site_id} | _cost_to_json(answer.sites[site_id], answer.currency) for site_id in answer.site_ids]
    return {
        "tariff": answer.question.tariff.name,
        "version": answer.question.tariff.version,
        "currency": answer.currency,
        "sites": sites,
        "total": _cost_to_json(answer.total, answer.currency),
        "applied": outcome is not None,
        "posted": None
        if outcome is None
        else {
            "sessions": outcome.sessions,
            "changed": outcome.changed,
            "before_minor": outcome.before_minor,
            "after_minor": outcome.after_minor,
        },
    }


def _cost_to_json(cost: "SiteCost", currency: str) -> dict[str, Any]:
    return {
        "sessions": cost.sessions,
        "changed": cost.changed,
        "old_minor": dict(cost.old_minor),
        "new_minor": cost.new_minor,
        "difference_minor": cost.difference_minor(currency),
    }


def _tell(answer: "Comparison", outcome: "Outcome | None") -> None:
    from api.pages.words import count

    rows = [_row(site_id, answer.sites[site_id], answer.currency) for site_id in answer.site_ids]
    show_table(
        ("site", "sessions", "changed", "cost", "would cost", "difference"),
        [*rows, _row("total", answer.total, answer.currency)],
        right=("sessions", "changed", "cost", "would cost", "difference"),
    )
    if outcome is None:
        say(f"Nothing was changed: --apply bills these sessions by {answer.question.tariff.name}.")
        return
    say(
        f"Ordered and carried out: {count(outcome.changed, 'fee')} of {count(outcome.sessions, 'session')} changed, "
        f"from {_sums(outcome.before_minor)} to {_sums(outcome.after_minor)}."
    )


def _row(name: str, cost: "SiteCost", currency: str) -> "Sequence[object]":
    from api.pages.words import money

    by = cost.difference_minor(currency)
    difference = "" if by is None else f"{'+' if by > 0 else ''}{money(by, currency)}"
    counted = (f"{cost.sessions:,}", f"{cost.changed:,}")
    return (name, *counted, _sums(cost.old_minor, currency), money(cost.new_minor, currency), difference)


def _sums(amounts: "Mapping[str, int]", currency: str | None = None) -> str:
    """Amounts of several currencies, side by side."""
    from api.pages.words import money

    named = amounts or ({currency: 0} if currency else {})
    return " + ".join(money(amount, code) for code, amount in sorted(named.items())) or "nothing"
