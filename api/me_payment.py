"""`/v1/me/payment-methods` and `/v1/me/payments`: the cards an owner lets sellers charge, and what was asked of them.

A card is added on the processor's own page: ask for one, open its `url`, come back. Numbers of cards never come here.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.answers import READS, WRITES
from api.guard import Engine, Owner
from api.inputs import Body, Moment, PathId
from api.owners import me
from api.problems import Problem
from api.wiring import Idlefee
from billing.payments import paying, rows, setups
from billing.payments.methods import Method, methods_of, remove
from billing.payments.processor import Processor

router = APIRouter(prefix="/v1/me", tags=["me"])


class MethodRow(BaseModel):
    """A card that a seller may charge."""

    id: str
    seller: str
    kind: Annotated[str, Field(examples=["card"])]
    brand: Annotated[str | None, Field(examples=["visa"])]
    last4: Annotated[str | None, Field(examples=["4242"])]
    expires: Annotated[str | None, Field(examples=["2029-04"])]
    default: Annotated[bool, Field(description="this one is charged")]
    consent: Annotated[str, Field(description="what you agreed to, in these words")]
    consent_at: Moment


class NewMethod(Body):
    """Who may charge it."""

    seller: Annotated[str, Field(examples=["acme"], max_length=120)]


class SetupRow(BaseModel):
    """A card on its way: open `url`, agree there, and come back."""

    id: str
    state: Annotated[str, Field(examples=["open"], description="open, complete or expired")]
    url: str | None
    consent: str


class PaymentRow(BaseModel):
    """What was asked of you for an invoice. Amounts in minor units."""

    id: str
    seller: str
    invoice: str | None
    currency: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    state: Annotated[str, Field(examples=["succeeded"])]
    why: Annotated[str | None, Field(description="why it did not come")]
    url: Annotated[str | None, Field(description="the bank's page, where it waits for you")]
    created_at: Moment
    succeeded_at: Moment | None


def processor_of(idlefee: Idlefee) -> Processor:
    """The card processor, or a `Problem` where none is set up."""
    if idlefee.processor is None:
        detail = "Invoices are paid by bank transfer or by hand here."
        raise Problem(409, "no_card_processor", "No cards are charged here", detail)
    return idlefee.processor


@router.get("/payment-methods", responses=READS)
def list_my_methods(idlefee: Engine, principal: Owner) -> list[MethodRow]:
    """Your cards, by seller, the one that is charged first."""
    with idlefee.reading() as connection:
        found = methods_of(connection, me(principal))
    return [_method_row(one, found) for one in found]


@router.post("/payment-methods", status_code=201, responses=WRITES)
def begin_my_method(idlefee: Engine, principal: Owner, new: NewMethod) -> SetupRow:
    """Add a card: open the `url` that is answered. The words there are what you agree to."""
    home = f"{idlefee.settings.home}/me/payment/back/{{setup}}"
    setup = setups.begin_setup(idlefee.engine, idlefee.clock, processor_of(idlefee), me(principal), new.seller, home)
    return _setup_row(idlefee, setup)


@router.get("/payment-methods/setups/{setup_id}", responses=READS)
def show_my_setup(idlefee: Engine, principal: Owner, setup_id: PathId) -> SetupRow:
    """How far you got with a card."""
    return _setup_row(idlefee, setups.setup_of_id(idlefee.engine, me(principal), setup_id))


@router.put("/payment-methods/{method_id}/default", status_code=204, responses=WRITES)
def prefer_my_method(idlefee: Engine, principal: Owner, method_id: PathId) -> None:
    """Charge this card from now on, and for what waits."""
    with idlefee.writing() as connection:
        setups.make_default(connection, me(principal), method_id, idlefee.clock.now())


@router.delete("/payment-methods/{method_id}", status_code=204, responses=WRITES)
def remove_my_method(idlefee: Engine, principal: Owner, method_id: PathId) -> None:
    """Charge this card no more."""
    with idlefee.writing() as connection:
        remove(connection, me(principal), method_id, idlefee.clock.now())


@router.get("/payments", responses=READS)
def list_my_payments(idlefee: Engine, principal: Owner) -> list[PaymentRow]:
    """What was asked of you, the newest first."""
    with idlefee.reading() as connection:
        return [_payment_row(one) for one in rows.payments_of(connection, me(principal))]


@router.post("/payments/{payment_id}/confirm", responses=WRITES)
def confirm_my_payment(idlefee: Engine, principal: Owner, payment_id: PathId) -> PaymentRow:
    """Pay what waits for you, now: where your bank wants you to confirm it, open the `url` that is answered."""
    paying.known_payment(idlefee.engine, me(principal), payment_id)
    back = f"{idlefee.settings.home}/me/payment/paid/{payment_id}"
    processor = processor_of(idlefee)
    paid = paying.pay_here(idlefee.engine, idlefee.clock, processor, me(principal), payment_id, back)
    return _payment_row(paid)


def _method_row(method: Method, all_: list[Method]) -> MethodRow:
    first = next(one for one in all_ if one.seller_id == method.seller_id)
    return MethodRow(
        id=method.id,
        seller=method.seller_id,
        kind=method.kind,
        brand=method.brand,
        last4=method.last4,
        expires=method.expires,
        default=method is first,
        consent=method.consent,
        consent_at=method.consent_at,
    )


def _setup_row(idlefee: Idlefee, setup: setups.Setup) -> SetupRow:
    seen = setups.look_at_setup(idlefee.engine, idlefee.clock, processor_of(idlefee), setup)
    state, url = (setup.state, None) if seen is None else (seen.status, seen.url)
    return SetupRow(id=setup.id, state=state, url=url, consent=setup.consent)


def _payment_row(payment: rows.Payment) -> PaymentRow:
    return PaymentRow(
        id=payment.id,
        seller=payment.seller_id,
        invoice=payment.invoice_id,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        captured_minor=payment.captured_minor,
        refunded_minor=payment.refunded_minor,
        state=payment.state,
        why=payment.failure_text,
        url=payment.action_url,
        created_at=payment.created_at,
        succeeded_at=payment.succeeded_at,
    )
