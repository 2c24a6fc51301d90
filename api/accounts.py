"""Owners as support and operators look after them: accounts, the tokens that stand for them, their vehicles."""

import secrets
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection

from api.answers import READS, WRITES, Change, changes_of
from api.guard import Engine, Staff, SupportOrOperator
from api.inputs import Body, Id, Moment, PathId, Text64, Text128
from api.paging import Cursor, Limit, Page, page_of, place_of
from api.problems import Problem, not_found
from billing import keeping
from billing.decisions import token_given
from billing.ledger import owner_balances
from billing.owners import (
    EMAIL_PATTERN,
    LONGEST_EMAIL,
    HeldToken,
    Owner,
    Vehicle,
    change_vehicle,
    give_token,
    owner,
    owners_after,
    tokens_of,
    vehicles_of,
)
from sessions.events.wire import Stamp

router = APIRouter(prefix="/v1", tags=["owners"])

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$"), Field(examples=["en", "de"])]
Email = Annotated[str, StringConstraints(max_length=LONGEST_EMAIL, pattern=EMAIL_PATTERN)]


class OwnerRow(BaseModel):
    """Who pays. Name and address may be erased, the id stays in the books."""

    id: Annotated[str, Field(examples=["ann"])]
    name: str | None
    email: str | None
    language: str


class TokenRow(BaseModel):
    """A token and when it stands for the owner. The books know its surrogate `id` alone."""

    id: str
    token: Annotated[str | None, Field(description="its own number; null once it was erased")]
    valid_from: Annotated[Moment | None, Field(description="null: since ever")]
    valid_to: Annotated[Moment | None, Field(description="null: until further notice")]


class VehicleRow(BaseModel):
    id: str
    name: str
    plate: str | None
    token_id: Annotated[str | None, Field(description="the token that stands for this car")]


class Balance(BaseModel):
    """What an owner owes a seller; below zero where the seller owes."""

    seller: str
    currency: str
    amount_minor: int


class Account(OwnerRow):
    """An owner with everything that hangs on them."""

    tokens: list[TokenRow]
    vehicles: list[VehicleRow]
    balances: list[Balance]


def owner_row(one: Owner) -> OwnerRow:
    return OwnerRow(id=one.id, name=one.name, email=one.email, language=one.language)


def token_row(held: HeldToken) -> TokenRow:
    return TokenRow(id=held.id, token=held.uid, valid_from=held.valid_from or None, valid_to=held.valid_to)


def vehicle_row(vehicle: Vehicle) -> VehicleRow:
    return VehicleRow(id=vehicle.id, name=vehicle.name, plate=vehicle.plate, token_id=vehicle.token_id)


def balances(connection: Connection, owner_id: str) -> list[Balance]:
    return [
        Balance(seller=seller, currency=currency, amount_minor=amount)
        for (seller, currency), amount in sorted(owner_balances(connection, owner_id).items())
    ]


def account_of(connection: Connection, owner_id: str) -> Account:
    """Raises `OwnerUnknown`."""
    return Account(
        **dict(owner_row(owner(connection, owner_id))),
        tokens=[token_row(held) for held in tokens_of(connection, owner_id)],
        vehicles=[vehicle_row(vehicle) for vehicle in vehicles_of(connection, owner_id)],
        balances=balances(connection, owner_id),
    )


class NewOwner(Body):
    id: Annotated[Id | None, Field(description="left out: one is made. It outlives erasure: no name, no address")] = (
        None
    )
    name: Text128 | None = None
    email: Email | None = None
    language: Language = "en"


@router.get("/owners", responses=READS)
def list_owners(idlefee: Engine, _principal: Staff, cursor: Cursor = None, limit: Limit = 50) -> Page[OwnerRow]:
    """Owners in the order of their ids."""
    place = place_of(cursor, (str,)) or ("",)
    with idlefee.reading() as connection:
        found = owners_after(connection, place[0], limit + 1)
    return page_of(found, limit, lambda one: (one.id,), owner_row)


@router.post("/owners", status_code=201, responses=WRITES)
def create_owner(idlefee: Engine, principal: SupportOrOperator, new: NewOwner) -> OwnerRow:
    """Add somebody who pays."""
    one = Owner(new.id or f"o-{secrets.token_hex(8)}", new.name, new.email, new.language)
    with idlefee.writing() as connection:
        keeping.add_owner(connection, one, author=principal.author, now=idlefee.clock.now())
    return owner_row(one)


@router.get("/owners/{owner_id}", responses=READS)
def show_owner(idlefee: Engine, _principal: Staff, owner_id: PathId) -> Account:
    """An owner, their tokens, vehicles and balances."""
    with idlefee.reading() as connection:
        return account_of(connection, owner_id)


class NewToken(Body):
    """A token that stands for the owner during [valid_from, valid_to)."""

    token: Annotated[Text128, Field(description="its number, as the station reads it", examples=["04A2B3C4D5E680"])]
    valid_from: Annotated[Stamp | None, Field(description="null: since ever")] = None
    valid_to: Annotated[Stamp | None, Field(description="null: until further notice")] = None


class TokenGiven(BaseModel):
    """The token, by its surrogate, and the sessions that found their owner with it."""

    id: str
    changed: list[Change]


@router.post("/owners/{owner_id}/tokens", status_code=201, responses=WRITES)
def add_token(idlefee: Engine, principal: SupportOrOperator, owner_id: PathId, new: NewToken) -> TokenGiven:
    """Let a token stand for an owner: sessions that named it, and that nobody claimed, become theirs."""
    valid_from = new.valid_from or 0
    if new.valid_to is not None and new.valid_to <= valid_from:
        raise Problem(422, "empty_interval", "An interval ends after it begins", "`valid_to` is after `valid_from`.")
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        token_id = give_token(
            connection,
            idlefee.names,
            uid=new.token,
            owner_id=owner_id,
            author=principal.author,
            now=now,
            valid_from=valid_from,
            valid_to=new.valid_to,
        )
        settlements = token_given(connection, token_id, valid_from, new.valid_to, now)
    return TokenGiven(id=token_id, changed=changes_of(settlements))


@router.delete("/owners/{owner_id}/tokens/{token_id}", status_code=204, responses=WRITES)
def remove_token(idlefee: Engine, principal: SupportOrOperator, owner_id: PathId, token_id: PathId) -> None:
    """The token stands for the owner no longer, from now on; what it was used for before stays theirs."""
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        if not keeping.end_token(connection, owner_id, token_id, author=principal.author, now=now):
            raise not_found("token that stands for this owner now")


class NewVehicle(Body):
    name: Annotated[Text64, Field(examples=["the blue one"])]
    plate: Text64 | None = None
    token_id: Annotated[Id | None, Field(description="one of the owner's tokens that stands for this car")] = None


@router.post("/owners/{owner_id}/vehicles", status_code=201, responses=WRITES)
def add_vehicle_of_owner(
    idlefee: Engine, principal: SupportOrOperator, owner_id: PathId, new: NewVehicle
) -> VehicleRow:
    """Add a car of the owner's."""
    return new_vehicle(idlefee, owner_id, new, staff=principal.author)


@router.delete("/owners/{owner_id}/vehicles/{vehicle_id}", status_code=204, responses=WRITES)
def remove_vehicle_of_owner(
    idlefee: Engine, principal: SupportOrOperator, owner_id: PathId, vehicle_id: PathId
) -> None:
    """The owner has this car no longer."""
    drop_vehicle(idlefee, owner_id, vehicle_id, staff=principal.author)


def new_vehicle(idlefee: Engine, owner_id: str, new: NewVehicle, *, staff: str | None = None) -> VehicleRow:
    """Add a car, for its owner or as one of the staff; raises a `Problem` for a token that is not its owner's."""
    vehicle = Vehicle(f"v-{secrets.token_hex(6)}", new.name, new.plate, new.token_id)
    with idlefee.writing() as connection:
        _check_token(connection, owner_id, new)
        keeping.add_vehicle(connection, owner_id, vehicle, author=staff, now=idlefee.clock.now())
    return vehicle_row(vehicle)


def changed_vehicle(idlefee: Engine, owner_id: str, vehicle_id: str, new: NewVehicle) -> VehicleRow:
    """Put this in the place of what was kept of the car; raises a `Problem` as `new_vehicle` does."""
    vehicle = Vehicle(vehicle_id, new.name, new.plate, new.token_id)
    with idlefee.writing() as connection:
        _check_token(connection, owner_id, new)
        if not change_vehicle(connection, owner_id, vehicle):
            raise not_found("such vehicle")
    return vehicle_row(vehicle)


def _check_token(connection: Connection, owner_id: str, new: NewVehicle) -> None:
    if new.token_id is not None and new.token_id not in {held.id for held in tokens_of(connection, owner_id)}:
        detail = "Leave `token_id` out, or name one of the owner's tokens by its `id`."
        raise Problem(422, "not_their_token", "The token stands for somebody else", detail)


def drop_vehicle(idlefee: Engine, owner_id: str, vehicle_id: str, *, staff: str | None = None) -> None:
    with idlefee.writing() as connection:
        now = idlefee.clock.now()
        if not keeping.remove_vehicle(connection, owner_id, vehicle_id, author=staff, now=now):
            raise not_found("such vehicle")
