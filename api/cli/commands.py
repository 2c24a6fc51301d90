"""All commands, in the order in which `idlefee --help` names them."""

from collections.abc import Sequence
from importlib import import_module

import typer

from api.cli.frame import PROGRAM, app

# Importing a module registers its commands.
MODULES = (
    *("running", "importing", "explaining", "deciding", "reviewing"),
    *("tariffs", "places", "people", "stepping"),
)


def run(arguments: Sequence[str]) -> int:
    """Run one command and answer its exit code; whatever goes wrong is raised."""
    for module in MODULES:
        import_module(f"api.cli.{module}")
    answer = typer.main.get_command(app).main(args=list(arguments), prog_name=PROGRAM, standalone_mode=False)
    return answer if isinstance(answer, int) else 0
