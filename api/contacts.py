"""Where owners are told beside inbox and e-mail: `/v1/me/contacts`, and the key that a browser subscribes with."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from api.answers import READS, WRITES
from api.channels.chat import services_of
from api.channels.push import public_key, vapid_key
from api.channels.reach import refused_at_once
from api.guard import Engine, Owner
from api.inputs import Body, Moment, PathId, Text64, Text128
from api.owners import me
from api.problems import not_found
from api.wiring import Idlefee
from billing.notices.contacts import CHAT, BadContact, Contact, add_contact, contacts_of, end_contact

router = APIRouter(prefix="/v1", tags=["me"])

Url = Annotated[str, Field(max_length=2000, examples=["https://car.example/hooks/idlefee"])]


class PushKeys(Body):
    p256dh: Annotated[str, Field(max_length=128, description="the browser's public key, in base64url")]
    auth: Annotated[str, Field(max_length=64, description="16 bytes, in base64url")]


class NewPush(Body):
    """A browser, as its `PushSubscription.toJSON()` describes it."""

    channel: Literal["push"]
    label: Annotated[Text64, Field(examples=["my phone"])]
    endpoint: Annotated[Url, Field(examples=["https://push.example/send/abc"])]
    keys: PushKeys


class NewWebhook(Body):
    """A URL that takes signed JSON (standardwebhooks.com)."""

    channel: Literal["webhook"]
    label: Annotated[Text64, Field(examples=["the blue one"])]
    url: Url


class NewChat(Body):
    """A number or a name at a service that is configured here."""

    channel: Literal["chat"]
    label: Annotated[Text64, Field(examples=["SMS"])]
    service: Annotated[Text64, Field(examples=["sms"])]
    to: Annotated[Text128, Field(examples=["+4915112345678"])]


class ContactRow(BaseModel):
    """Where you are told. A browser's own address says nothing to anybody: its label has to do."""

    id: str
    channel: Literal["push", "webhook", "chat"]
    label: str
    address: str | None
    created_at: Moment


class ContactAdded(ContactRow):
    secret: Annotated[
        str | None, Field(description="of a webhook: what its signatures are checked with. Shown this once")
    ]


class PushKey(BaseModel):
    key: Annotated[str, Field(description="`applicationServerKey` of a subscription, in base64url")]


@router.get("/push-key")
def show_push_key(idlefee: Engine) -> PushKey:
    """The key that browsers subscribe with. It is public, and the same for as long as the database lives."""
    with idlefee.reading() as connection:
        return PushKey(key=public_key(vapid_key(connection)))


@router.get("/me/contacts", responses=READS)
def list_my_contacts(idlefee: Engine, principal: Owner) -> list[ContactRow]:
    """Where you are told, beside the inbox and e-mail."""
    with idlefee.reading() as connection:
        return [ContactRow(**_row(one)) for one in contacts_of(connection, me(principal))]


@router.post("/me/contacts", status_code=201, responses=WRITES)
def add_my_contact(
    idlefee: Engine, principal: Owner, new: Annotated[NewPush | NewWebhook | NewChat, Field(discriminator="channel")]
) -> ContactAdded:
    """Be told there too. The same address again takes the new label; a webhook gets a new secret each time."""
    details = new.model_dump(exclude={"channel", "label"})
    with idlefee.writing() as connection:
        contact = new_contact(idlefee, connection, me(principal), new.channel, new.label, details)
    return ContactAdded(**_row(contact), secret=contact.details.get("secret"))


@router.delete("/me/contacts/{contact_id}", status_code=204, responses=WRITES)
def remove_my_contact(idlefee: Engine, principal: Owner, contact_id: PathId) -> None:
    """Be told there no more."""
    with idlefee.writing() as connection:
        if not end_contact(connection, me(principal), contact_id, idlefee.clock.now()):
            raise not_found("such contact")


def new_contact(
    idlefee: Idlefee, connection: Connection, owner_id: str, channel: str, label: str, details: dict[str, Any]
) -> Contact:
    """`add_contact`, for what this deployment can use. Raises what that raises."""
    settings = idlefee.settings
    if channel == CHAT and details.get("service") not in services_of(settings.chat_services):
        raise BadContact("`service` must be the name of a chat service that is configured here")
    for where in ("url", "endpoint"):
        if fault := refused_at_once(str(details.get(where, "")), settings.reachable_networks):
            raise BadContact(f"`{where}` {fault}")
    return add_contact(connection, owner_id, channel, label, details, idlefee.clock.now())


def _row(contact: Contact) -> dict[str, Any]:
    return {
        "id": contact.id,
        "channel": contact.channel,
        "label": contact.label,
        "address": None if contact.channel == "push" else contact.address,
        "created_at": contact.created_at,
    }
