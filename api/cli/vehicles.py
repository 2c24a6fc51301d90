"""Owners' cars on the command line."""

import secrets
from typing import Annotated

import typer

from api.cli.console import say, show_json, show_table
from api.cli.errors import Refused
from api.cli.frame import AsJson, Database, Owner, group
from api.cli.opening import AUTHOR, opened

vehicle = group("vehicle", "Owners' cars, by their plates.")


@vehicle.command("add")
def add_vehicle(
    plate: Annotated[str, typer.Argument(help="As it is written on the car.", show_default=False)],
    owner_id: Owner,
    name: Annotated[str | None, typer.Option("--name", help="What its owner calls it; else the plate.")] = None,
    uid: Annotated[str | None, typer.Option("--token", help="The token that stands for this car.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add a car, so that it can be found by its plate."""
    with opened(database, create=True) as idlefee:
        from billing.keeping import add_vehicle as add
        from billing.owners import Vehicle, vehicles_of

        with idlefee.writing() as connection:
            if any(plate in {one.id, one.plate} for one in vehicles_of(connection, owner_id)):
                raise Refused(f"owner {owner_id} has a car {plate} already")
            token_id = None if uid is None else idlefee.names.surrogate(uid)
            car = Vehicle(f"v-{secrets.token_hex(6)}", name or plate, plate, token_id)  # the id outlives an erasure
            add(connection, owner_id, car, author=AUTHOR, now=idlefee.clock.now())
    if as_json:
        show_json({"owner": owner_id, "plate": plate})
    else:
        say(f"Car {plate} of owner {owner_id} added.")


@vehicle.command("list")
def list_vehicles(owner_id: Owner, database: Database = None, as_json: AsJson = False) -> None:
    """An owner's cars."""
    with opened(database) as idlefee:
        from billing.owners import owner as known
        from billing.owners import vehicles_of

        with idlefee.reading() as connection:
            known(connection, owner_id)
            cars = vehicles_of(connection, owner_id)
    if as_json:
        show_json([{"plate": car.plate, "name": car.name} for car in cars])
    elif not cars:
        say(f"Owner {owner_id} has no car here.")
    else:
        show_table(("plate", "name"), [(car.plate, car.name) for car in cars])


@vehicle.command("remove")
def remove_vehicle(
    plate: Annotated[str, typer.Argument(help="As it is written on the car.", show_default=False)],
    owner_id: Owner,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """An owner has a car no longer."""
    with opened(database) as idlefee:
        from billing.keeping import remove_vehicle as remove
        from billing.owners import vehicles_of

        with idlefee.writing() as connection:
            found = [car.id for car in vehicles_of(connection, owner_id) if plate in {car.id, car.plate}]
            now = idlefee.clock.now()
            removed = [remove(connection, owner_id, id_, author=AUTHOR, now=now) for id_ in found]
    if not any(removed):
        raise Refused(f"owner {owner_id} has no car {plate}: see `idlefee vehicle list`")
    if as_json:
        show_json({"owner": owner_id, "plate": plate, "removed": True})
    else:
        say(f"Car {plate} of owner {owner_id} removed.")
