"""Asking a bank: one charge for each time, what Stripe keeps of it, and what a disputing cardholder does at once.

<https://docs.stripe.com/api/charges>. A charge comes of a PaymentIntent; nothing here asks for one by itself.
"""

from . import balance, disputes
from .amounts import fee_minor
from .cards import Decline
from .customers import card_of
from .errors import Json
from .routes import LISTED, Call, route
from .state import State


def charge(state: State, intent: Json, method: Json, decline: Decline | None) -> Json:
    """What the bank made of it: a charge that succeeded, or one that says why not."""
    card, amount = card_of(method), intent["amount"]
    paid = decline is None
    made = state.add(
        "charge",
        "ch",
        amount=amount,
        amount_captured=amount if paid else 0,
        amount_refunded=0,
        application=None,
        application_fee=None,
        application_fee_amount=None,
        balance_transaction=None,
        billing_details=method["billing_details"],
        calculated_statement_descriptor="IDLEFEE SANDBOX",
        captured=paid,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        failure_balance_transaction=None,
        failure_code=decline.code if decline else None,
        failure_message=decline.message if decline else None,
        fraud_details={},
        metadata=dict(intent["metadata"]),
        on_behalf_of=None,
        outcome={
            "network_status": "declined_by_network" if decline else "approved_by_network",
            "reason": decline.decline_code if decline else None,
            "risk_level": "normal",
            "seller_message": "The bank did not return any further details." if decline else "Payment complete.",
            "type": "issuer_declined" if decline else "authorized",
        },
        paid=paid,
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"card": {**method["card"], "amount_authorized": amount}, "type": "card"},
        receipt_email=None,
        receipt_number=None,
        receipt_url=None,
        refunded=False,
        review=None,
        shipping=None,
        source=None,
        source_transfer=None,
        statement_descriptor=None,
        statement_descriptor_suffix=None,
        status="succeeded" if paid else "failed",
        transfer_data=None,
        transfer_group=None,
        _card=method["_card"],
        _chargeback=False,
    )
    if not paid:
        state.emit("charge.failed", made)
        return made
    line = balance.post(
        state,
        "charge",
        "charge",
        amount,
        fee_minor(amount, intent["currency"]),
        source=made,
        words="Stripe processing fees",
        at_once=card.available_at_once,
    )
    made["balance_transaction"] = line["id"]
    state.emit("charge.succeeded", made)
    if card.dispute is not None:
        # Told after whatever this request answers, as a cardholder could not be quicker.
        state.later(0, lambda: disputes.open_dispute(state, made["id"], card.dispute or "fraudulent"))
    return made


def _list(state: State, call: Call) -> Json:
    return state.page("charge", call.url, call.params, "customer", "payment_intent")


ROUTES = (
    route("GET", "/v1/charges", f"{LISTED} created.* customer payment_intent", _list),
    route("GET", "/v1/charges/{id}", "", lambda s, c: s.get("charge", c.ref)),
)
