"""`idlefee seller policy`: when a seller invoices, how it duns, and who may give money back."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import say, show_json
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database
from api.cli.opening import AUTHOR, opened
from api.cli.places import seller

policy = typer.Typer(
    help="When a seller invoices, how it duns, who may give money back.", pretty_exceptions_enable=False
)
seller.add_typer(policy, name="policy")

Id = Annotated[str, typer.Argument(help="The seller's id.", show_default=False)]


@policy.command()
def show(id_: Id, database: Database = None, as_json: AsJson = False) -> None:
    """The policy that holds, as a TOML file that `seller policy set` reads."""
    with opened(database) as idlefee:
        from billing.forms import to_toml
        from billing.invoices.policy import policy_of, versions_of

        with idlefee.reading() as connection:
            decided = versions_of(connection, id_)
            found = policy_of(connection, id_)
    if as_json:
        show_json(found.model_dump(mode="json"))
        return
    if decided:
        newest = decided[0]
        say(f"# Version {newest.n}, by {newest.author}: {newest.reason}")
    else:
        say("# Nobody decided anything yet: these are the defaults.")
    say(to_toml(found).rstrip())


@policy.command("set")
def set_(
    id_: Id,
    file: Annotated[Path, typer.Argument(help="A TOML file; `seller policy show` prints one.", show_default=False)],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "decided on the command line",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a policy hold from now on. All faults of the file are named at once; what was issued stays."""
    from billing.invoices.policy import PolicyFaults, load_policy

    try:
        wanted = load_policy(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise Refused(f"{file}: it is not UTF-8 text: save it as UTF-8", Exit.USAGE) from None
    except PolicyFaults as found:
        faults = "\n".join(f"{file.name}: {where}: {what}" for where, what in found.faults)
        raise Refused(faults, Exit.USAGE) from None
    with opened(database) as idlefee:
        from billing.invoices.policy import decide

        with idlefee.writing() as connection:
            done = decide(connection, id_, wanted, author=AUTHOR, reason=reason, now=idlefee.clock.now())
    if as_json:
        show_json({"seller": id_, "version": done.n, "policy": done.policy.model_dump(mode="json")})
    else:
        say(f"{id_} collects by version {done.n} of its policy from now on.")
