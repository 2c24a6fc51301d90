"""All commands, in the order in which `idlefee --help` names them."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

import typer

from api.cli.frame import PROGRAM, app

# Importing a module registers its commands.
MODULES = (
    *("running", "sandbox", "importing", "explaining", "finding", "deciding", "reviewing"),
    *("giving", "reconciling", "banking"),
    *("checking", "closing", "auditing", "exporting"),
    *("rerating", "tariffs", "places", "policies", "owners", "tokens", "vehicles", "access", "stepping"),
)


@cache
def command() -> Any:
    """Everything that can be typed."""
    for module in MODULES:
        import_module(f"api.cli.{module}")
    return typer.main.get_command(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command and answer its exit code; whatever goes wrong is raised."""
    answer = command().main(args=list(arguments), prog_name=PROGRAM, standalone_mode=False)
    return answer if isinstance(answer, int) else 0
