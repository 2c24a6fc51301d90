"""`/v1/webhooks/stripe`: word from the card processor. Its signature is its key.

Stored first, answered, handled later by a step (`billing.payments.looking`): Stripe waits for no work of ours, and what
it says is looked up before anything follows.
"""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.answers import WRITES
from api.gate import too_large
from api.guard import Engine
from api.problems import Problem, not_found
from api.wiring import Idlefee
from billing.payments import objects, signatures
from billing.payments.looking import store_events
from billing.payments.processor import EventSeen

LARGEST_BYTES = 256 * 1024  # Stripe's are a few KiB

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


class Received(BaseModel):
    """What became of an event."""

    received: Annotated[bool, Field(description="false: it was here before")]


@router.post("/stripe", responses=WRITES)
async def hear(request: Request, idlefee: Engine) -> Received:
    """An event of Stripe's, signed with the endpoint's secret; the same event twice is kept once."""
    secret = idlefee.settings.stripe_webhook_secret
    if secret is None or idlefee.processor is None:
        raise not_found("card processor")
    body = await _body(request)
    try:
        secrets = [one.strip() for one in secret.split(",")]
        signatures.check(body, request.headers.get("stripe-signature", ""), secrets, idlefee.clock.now())
    except signatures.Forged as forged:
        raise Problem(
            400, "bad_signature", "This is not signed by the card processor", f"Nothing was kept: {forged}."
        ) from None
    event = _event(body)
    return Received(received=await run_in_threadpool(_keep, idlefee, event))


async def _body(request: Request) -> bytes:
    """The bytes as they came, which are what is signed."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_BYTES:
            raise too_large(LARGEST_BYTES)
    return bytes(body)


def _event(body: bytes) -> EventSeen:
    try:
        read: Any = json.loads(body)
        return objects.event(read)
    except (ValueError, KeyError, TypeError):
        raise Problem(
            400, "bad_event", "This is no event", "An event is a JSON object with an object in its data."
        ) from None


def _keep(idlefee: Idlefee, event: EventSeen) -> bool:
    with idlefee.writing() as connection:
        return store_events(connection, [event], idlefee.clock.now()) == 1
