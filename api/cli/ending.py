"""What stands for an owner no longer: a token, a car. What they were used for before stays theirs."""

from typing import Annotated

import typer

from api.cli.console import say, show_json
from api.cli.errors import Refused
from api.cli.frame import AsJson, Database
from api.cli.opening import opened
from api.cli.people import Owner, token, vehicle


@token.command("end")
def end_token(
    uid: Annotated[str, typer.Argument(help="What the station reads, as AB12CD34.", show_default=False)],
    owner_id: Owner,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """A token stands for its owner no longer, from now on."""
    with opened(database) as idlefee:
        from billing.owners import end_token as end

        with idlefee.writing() as connection:
            ended = end(connection, owner_id, idlefee.names.surrogate(uid), idlefee.clock.now())
    if not ended:
        raise Refused(f"token {uid} does not stand for owner {owner_id} now: see `idlefee token list`")
    if as_json:
        show_json({"owner": owner_id, "token": uid, "ended": True})
    else:
        say(f"Token {uid} stands for {owner_id} no longer.")


@vehicle.command("remove")
def remove_vehicle(
    plate: Annotated[str, typer.Argument(help="As it is written on the car.", show_default=False)],
    owner_id: Owner,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """An owner has a car no longer."""
    with opened(database) as idlefee:
        from billing.owners import remove_vehicle as remove
        from billing.owners import vehicles_of

        with idlefee.writing() as connection:
            found = [car.id for car in vehicles_of(connection, owner_id) if plate in {car.id, car.plate}]
            removed = [remove(connection, owner_id, id_, idlefee.clock.now()) for id_ in found]
    if not any(removed):
        raise Refused(f"owner {owner_id} has no car {plate}: see `idlefee vehicle list`")
    if as_json:
        show_json({"owner": owner_id, "plate": plate, "removed": True})
    else:
        say(f"Car {plate} of owner {owner_id} removed.")
