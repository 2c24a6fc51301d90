"""Customers and the cards they keep. <https://docs.stripe.com/api/customers>,
<https://docs.stripe.com/api/payment_methods>
"""

from .cards import ALIASES, CARDS, Card, card_named
from .errors import Json, Refusal, declined, invalid, missing, unfit
from .forms import Params
from .routes import LISTED, Call, route
from .state import State

EXPIRES = (12, 2034)
ADDRESS = " ".join(f"address.{part}" for part in ("city", "country", "line1", "line2", "postal_code", "state"))
FIELDS = (
    f"email name phone description metadata.* preferred_locales.* invoice_settings.default_payment_method {ADDRESS}"
)


def create(state: State, call: Call) -> Json:
    made = state.add(
        "customer",
        "cus",
        address=None,
        balance=0,
        currency=None,
        default_source=None,
        delinquent=False,
        description=None,
        email=None,
        invoice_settings={"custom_fields": None, "default_payment_method": None, "footer": None},
        metadata={},
        name=None,
        phone=None,
        preferred_locales=[],
        shipping=None,
        tax_exempt="none",
        test_clock=None,
    )
    _set(state, made, call.params)
    state.emit("customer.created", made)
    return made


def update(state: State, call: Call) -> Json:
    customer = alive(state, call.ref)
    _set(state, customer, call.params)
    state.emit("customer.updated", customer)
    return customer


def _set(state: State, customer: Json, params: Params) -> None:
    for field in ("email", "name", "phone", "description"):
        if field in params.fields:
            customer[field] = params.text(field)
    if "preferred_locales" in params.fields:
        customer["preferred_locales"] = params.words("preferred_locales")
    if "address" in params.fields:
        customer["address"] = (customer["address"] or {}) | params.fields["address"]
    if (method := params.text("invoice_settings.default_payment_method")) is not None:
        if own_method(state, method, "invoice_settings[default_payment_method]")["customer"] != customer["id"]:
            raise invalid("The customer does not have a payment method with that ID.", code="resource_missing")
        customer["invoice_settings"]["default_payment_method"] = method
    customer["metadata"] = params.metadata(customer["metadata"])


def alive(state: State, ref: str, param: str | None = None) -> Json:
    """A customer that was not deleted."""
    customer = state.get("customer", ref, param)
    if customer.get("deleted"):
        raise missing("customer", ref, param)
    return customer


def retrieve(state: State, call: Call) -> Json:
    customer = state.get("customer", call.ref)
    return _gone(customer) if customer.get("deleted") else customer


def delete(state: State, call: Call) -> Json:
    customer = alive(state, call.ref)
    for method in methods_of(state, customer["id"]):
        method["customer"] = None
    customer |= {"deleted": True}
    state.emit("customer.deleted", customer)
    return _gone(customer)


def _gone(customer: Json) -> Json:
    return {"id": customer["id"], "object": "customer", "deleted": True}


# Payment methods.


def use(state: State, ref: str, param: str) -> Json:
    """The PaymentMethod of that name; a test card's name makes a new one, as Stripe's test mode does."""
    card = card_named(ref)
    if card is None:
        return own_method(state, ref, param)
    return _new_method(state, card)


def own_method(state: State, ref: str, param: str | None) -> Json:
    found = state.find(ref)
    if found is None or found["object"] != "payment_method":
        raise missing("PaymentMethod", ref, param)
    return found


def _new_method(state: State, name: str) -> Json:
    card, (month, year) = CARDS[name], EXPIRES
    return state.add(
        "payment_method",
        "pm",
        allow_redisplay="unspecified",
        billing_details={"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        card={
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": month,
            "exp_year": year,
            "fingerprint": f"fp{card.number[-8:]}",
            "funding": "credit",
            "last4": card.number[-4:],
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        customer=None,
        metadata={},
        type="card",
        _card=name,
        _set_up=False,
        _used=False,
    )


def card_of(method: Json) -> Card:
    return CARDS[method["_card"]]


def create_method(state: State, call: Call) -> Json:
    token = call.params.needed("card.token")
    name = card_named(token.replace("tok_", "pm_card_", 1)) or card_named(token.replace("tok_", "pm_card_visa_", 1))
    if call.params.needed("type") != "card" or name is None:
        raise invalid(f"No such token: '{token}'", param="card[token]", code="resource_missing")
    made = _new_method(state, name)
    made["metadata"] = call.params.metadata()
    return made


def retrieve_method(state: State, call: Call) -> Json:
    return use(state, call.ref, "") if call.ref in CARDS | ALIASES else own_method(state, call.ref, None)


def attach(state: State, call: Call) -> Json:
    customer = alive(state, call.params.needed("customer"), "customer")
    method = use(state, call.ref, "payment_method")
    keep(state, method, customer["id"])
    return method


def keep(state: State, method: Json, customer: str) -> None:
    """Attach a card to a customer; the bank is asked, and may say no. Raises `Refusal`."""
    if method["customer"] == customer:
        return
    if method["customer"] is not None:
        raise unfit("The payment method you provided has already been attached to a customer.")
    refuse_used(method)
    card = card_of(method)
    if not card.attaches and card.decline is not None:
        raise declined(card.decline.as_error())
    state.join(method, "customer", customer)
    state.emit("payment_method.attached", method)


def refuse_used(method: Json) -> None:
    """A card that was used alone, or taken from its customer, is of no use again."""
    if method["_used"] and method["customer"] is None:
        raise unfit(
            "This PaymentMethod was previously used without being attached to a Customer or was detached from a"
            " Customer, and may not be used again.",
            code="payment_method_unexpected_state",
        )


def detach(state: State, call: Call) -> Json:
    method = own_method(state, call.ref, None)
    if method["customer"] is None:
        raise unfit("The payment method you provided is not attached to a customer so detachment is impossible.")
    customer = state.get("customer", method["customer"])
    if customer["invoice_settings"]["default_payment_method"] == method["id"]:
        customer["invoice_settings"]["default_payment_method"] = None
    method |= {"customer": None, "_used": True}
    state.emit("payment_method.detached", method)
    return method


def methods_of(state: State, customer: str) -> list[Json]:
    return [one for one in state.having("payment_method", "customer", customer) if one["customer"] == customer]


def list_methods(state: State, call: Call) -> Json:
    return state.page("payment_method", call.url, call.params, "customer", "type")


def list_customers_methods(state: State, call: Call) -> Json:
    customer = alive(state, call.ref)
    return state.page("payment_method", call.url, Params(call.params.fields | {"customer": customer["id"]}), "customer")


def retrieve_customers_method(state: State, call: Call) -> Json:
    customer, _, method = call.url.removeprefix("/v1/customers/").partition("/payment_methods/")
    found = own_method(state, method, None)
    if found["customer"] != customer:
        raise Refusal(404, "invalid_request_error", f"No such PaymentMethod: '{method}'", code="resource_missing")
    return found


ROUTES = (
    route("POST", "/v1/customers", FIELDS, create),
    route(
        "GET", "/v1/customers", f"{LISTED} email created.*", lambda s, c: s.page("customer", c.url, c.params, "email")
    ),
    route("GET", "/v1/customers/{id}", "", retrieve),
    route("POST", "/v1/customers/{id}", FIELDS, update),
    route("DELETE", "/v1/customers/{id}", "", delete),
    route("GET", "/v1/customers/{id}/payment_methods", f"{LISTED} type", list_customers_methods),
    route("GET", r"/v1/customers/{id}/payment_methods/\w+", "", retrieve_customers_method),
    route("POST", "/v1/payment_methods", "type card.token metadata.*", create_method),
    route("GET", "/v1/payment_methods", f"{LISTED} customer type", list_methods),
    route("GET", "/v1/payment_methods/{id}", "", retrieve_method),
    route("POST", "/v1/payment_methods/{id}/attach", "customer", attach),
    route("POST", "/v1/payment_methods/{id}/detach", "", detach),
)
