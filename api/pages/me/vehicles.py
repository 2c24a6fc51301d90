"""`/me/vehicles`: an owner's cars, and the tokens (cards, Autocharge ids) that stand for the owner.

Who tells us that a token is theirs proves nothing by it: tokens are given by support, and only ended here.
"""

import secrets
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from api.guard import Engine
from api.inputs import PathId
from api.pages import words
from api.pages.errors import PageRoute, nothing_here
from api.pages.me.whose import OwnerId
from api.pages.rendering import page
from api.pages.visitors import Form, OwnForm, SentForm
from billing.owners import (
    HeldToken,
    Vehicle,
    add_vehicle,
    change_vehicle,
    end_token,
    remove_vehicle,
    tokens_of,
    vehicles_of,
)

LONGEST_NAME, LONGEST_PLATE = 80, 16
NEW = ""  # the form of a vehicle that is not there yet

router = APIRouter(include_in_schema=False, route_class=PageRoute)


def _page(
    request: Request,
    connection: Connection,
    owner_id: str,
    wrong: tuple[str, Form, Mapping[str, str]] | None = None,
) -> Response:
    """The list; `wrong` is a form that was not accepted: of which vehicle, as it was sent, and why by field."""
    held = tokens_of(connection, owner_id)
    now = request.state.page["now"]
    vehicles = vehicles_of(connection, owner_id)
    of, sent, faults = wrong or (None, {}, {})
    return page(
        request,
        "me/vehicles.html",
        422 if faults else 200,
        vehicles=vehicles,
        tokens=sorted(held, key=lambda token: not _stands(token, now)),
        stands={token.id for token in held if _stands(token, now)},
        names={token.id: _name(token) for token in held},
        cars={vehicle.token_id: vehicle.name for vehicle in vehicles if vehicle.token_id},
        wrong=of,
        sent=sent,
        faults=faults,
    )


def _stands(token: HeldToken, now: int) -> bool:
    return token.valid_from <= now and (token.valid_to is None or now < token.valid_to)


def _name(token: HeldToken) -> str:
    return token.uid or f"number unknown ({token.id[:8]})"


@router.get("/me/vehicles")
def vehicles(request: Request, idlefee: Engine, owner_id: OwnerId) -> Response:
    with idlefee.reading() as connection:
        return _page(request, connection, owner_id)


def _read(connection: Connection, owner_id: str, vehicle_id: str, form: Form) -> tuple[Vehicle, dict[str, str]]:
    """The vehicle as the form has it, and what is wrong with it by field."""
    name, plate, card = form["name"], words.plate(form["plate"]), form["card"] or None
    faults = {}
    if not name:
        faults["name"] = "Give it a name by which you know it."
    if len(name) > LONGEST_NAME:
        faults["name"] = f"Shorten the name to {LONGEST_NAME} letters."
    if len(plate) > LONGEST_PLATE:
        faults["plate"] = f"A plate has at most {LONGEST_PLATE} letters and digits."
    if form["plate"] and not plate:
        faults["plate"] = "A plate has letters or digits."
    if card is not None and card not in {token.id for token in tokens_of(connection, owner_id)}:
        faults["card"] = "Choose one of your own cards."
    return Vehicle(vehicle_id, name, plate or None, card), faults


@router.post("/me/vehicles")
def new_vehicle(request: Request, idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    with idlefee.writing() as connection:
        vehicle, faults = _read(connection, owner_id, f"v-{secrets.token_hex(6)}", form)
        if faults:
            return _page(request, connection, owner_id, (NEW, form, faults))
        add_vehicle(connection, owner_id, vehicle, idlefee.clock.now())
    return RedirectResponse("/me/vehicles", 303)


@router.post("/me/vehicles/{vehicle_id}")
def changed_vehicle(
    request: Request, idlefee: Engine, owner_id: OwnerId, vehicle_id: PathId, form: SentForm
) -> Response:
    with idlefee.writing() as connection:
        vehicle, faults = _read(connection, owner_id, vehicle_id, form)
        if faults:
            return _page(request, connection, owner_id, (vehicle_id, form, faults))
        if not change_vehicle(connection, owner_id, vehicle):
            raise nothing_here()
    return RedirectResponse("/me/vehicles", 303)


@router.post("/me/vehicles/{vehicle_id}/remove", dependencies=[OwnForm])
def removed_vehicle(idlefee: Engine, owner_id: OwnerId, vehicle_id: PathId) -> Response:
    with idlefee.writing() as connection:
        if not remove_vehicle(connection, owner_id, vehicle_id, idlefee.clock.now()):
            raise nothing_here()
    return RedirectResponse("/me/vehicles", 303)


@router.post("/me/tokens/{token_id}/end", dependencies=[OwnForm])
def ended_token(idlefee: Engine, owner_id: OwnerId, token_id: PathId) -> Response:
    """The token stands for its owner no longer: what it is used for from now on is not theirs."""
    with idlefee.writing() as connection:
        if not end_token(connection, owner_id, token_id, idlefee.clock.now()):
            raise nothing_here()
    return RedirectResponse("/me/vehicles#cards", 303)
