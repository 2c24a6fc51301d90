"""`/v1/me/email`: an owner asks for another e-mail address. It is theirs once the link that goes there was opened."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.access.letters import ask_to_confirm
from api.access.limits import ADDRESS_CHANGES
from api.accounts import Email
from api.answers import WRITES
from api.guard import Engine, Owner, allow
from api.inputs import Body
from api.problems import Problem
from api.wiring import Idlefee
from billing.owners import is_email

router = APIRouter(prefix="/v1/me", tags=["me"])


class NewAddress(Body):
    """Where your mail is to go."""

    email: Annotated[Email, Field(examples=["mara@example.com"])]


@router.post("/email", status_code=202, responses=WRITES)
def change_my_address(idlefee: Engine, principal: Owner, new: NewAddress) -> None:
    """A link goes to the new address; nothing changes before it is opened."""
    ask_for_address(idlefee, principal.owner_id or "", new.email)


def ask_for_address(idlefee: Idlefee, owner_id: str, email: str) -> None:
    """Raises a `Problem` for what is no address, and for one change too many."""
    if not is_email(email):
        raise Problem(422, "bad_email", "This is no e-mail address", "An address looks like name@example.com.")
    allow(idlefee, ADDRESS_CHANGES, owner_id)
    with idlefee.writing() as connection:
        ask_to_confirm(connection, idlefee.secret, owner_id, email, idlefee.clock.now())
