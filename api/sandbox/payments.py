"""PaymentIntents: asked for, confirmed with the owner there or without, authenticated, cancelled.

<https://docs.stripe.com/api/payment_intents>, <https://docs.stripe.com/payments/paymentintents/lifecycle>,
<https://docs.stripe.com/payments/save-and-reuse>. Off-session nobody is there to authenticate: the bank's wish for it
is a decline, and the intent waits for a payment method again.
"""

from typing import Any

from .amounts import checked
from .cards import AUTHENTICATE, Decline
from .charges import charge
from .customers import alive, card_of, refuse_used, use
from .errors import Json, Refusal, declined, invalid, unfit
from .forms import Params
from .routes import LISTED, Call, route
from .state import State, shown

CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
ENDED = {"succeeded", "canceled"}
WHY_CANCELLED = {"duplicate", "fraudulent", "requested_by_customer", "abandoned"}
FAILED_AUTHENTICATION = Decline(
    "payment_intent_authentication_failure",
    "authentication_failed",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)
CONFIRMING = (
    "payment_method off_session return_url error_on_requires_action setup_future_usage allowed_payment_method_types.*"
    " payment_method_types.*"
)
FIELDS = (
    f"{CONFIRMING} amount currency customer confirm description metadata.* receipt_email statement_descriptor"
    " statement_descriptor_suffix capture_method confirmation_method automatic_payment_methods.enabled"
    " automatic_payment_methods.allow_redirects"
)


def create(state: State, call: Call) -> Json:
    params = call.params
    refuse_types(params)
    amount, currency = params.whole("amount"), params.needed("currency").lower()
    if amount is None:
        params.needed("amount")
    checked(amount or 0, currency)
    customer = params.text("customer")
    if customer is not None:
        alive(state, customer, "customer")
    confirm = params.flag("confirm")
    if not confirm:
        for only in ("off_session", "return_url", "error_on_requires_action"):
            if params.text(only) is not None:
                raise invalid(f"You can only pass `{only}` when `confirm` is `true`.", param=only)
    method = _method(state, params, customer)
    if confirm:
        _ready(params, method, redirects=_redirects(params))
    intent = _new(state, params, amount or 0, currency, customer)
    state.emit("payment_intent.created", intent)
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return _confirm(state, intent, params) if confirm else intent


def _new(state: State, params: Params, amount: int, currency: str, customer: str | None) -> Json:
    types = params.words("allowed_payment_method_types")
    made = state.add(
        "payment_intent",
        "pi",
        amount=amount,
        allowed_payment_method_types=types or None,
        amount_capturable=0,
        amount_details={"tip": {}},
        amount_received=0,
        application=None,
        application_fee_amount=None,
        automatic_payment_methods=None if types else {"allow_redirects": _allowed(params), "enabled": True},
        canceled_at=None,
        cancellation_reason=None,
        capture_method=params.text("capture_method") or "automatic_async",
        client_secret=None,
        confirmation_method=params.text("confirmation_method") or "automatic",
        currency=currency,
        customer=customer,
        description=params.text("description"),
        last_payment_error=None,
        latest_charge=None,
        metadata=params.metadata(),
        next_action=None,
        on_behalf_of=None,
        payment_method=None,
        payment_method_options={"card": {"installments": None, "network": None, "request_three_d_secure": "automatic"}},
        payment_method_types=types or ["card"],
        processing=None,
        receipt_email=params.text("receipt_email"),
        review=None,
        setup_future_usage=params.text("setup_future_usage"),
        shipping=None,
        source=None,
        statement_descriptor=params.text("statement_descriptor"),
        statement_descriptor_suffix=params.text("statement_descriptor_suffix"),
        status="requires_payment_method",
        transfer_data=None,
        transfer_group=None,
        _redirects=_redirects(params),
    )
    made["client_secret"] = f"{made['id']}_secret_{made['id'][-8:]}"
    return made


def refuse_types(params: Params) -> None:
    """Since 2026-09-30.endive: <https://docs.stripe.com/changelog/endive>."""
    if "payment_method_types" in params.fields:
        words = "`payment_method_types` is not supported any more: pass `allowed_payment_method_types`."
        raise invalid(words, "payment_method_types", "payment_method_types_no_longer_supported")


def _allowed(params: Params) -> str:
    return params.text("automatic_payment_methods.allow_redirects") or "always"


def _redirects(params: Params) -> bool:
    """Whether, without a list of its own, the intent might send the payer elsewhere."""
    return not params.words("allowed_payment_method_types") and _allowed(params) != "never"


def _method(state: State, params: Params, customer: str | None) -> Json | None:
    ref = params.text("payment_method")
    if ref is None:
        return None
    method = use(state, ref, "payment_method")
    refuse_used(method)
    if method["customer"] is not None and method["customer"] != customer:
        words = (
            "The PaymentMethod supplied belongs to a different Customer."
            if customer
            else "The payment method supplied belongs to a Customer: include it in the `customer` parameter."
        )
        raise invalid(words, param="payment_method")
    return method


def _ready(params: Params, method: Json | None, *, redirects: bool) -> None:
    if method is None:
        raise unfit(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    if redirects and not params.flag("off_session") and params.text("return_url") is None:
        raise invalid(
            "This PaymentIntent may use payment methods that redirect: pass a `return_url`, or set"
            " `automatic_payment_methods[allow_redirects]` to `never`.",
            param="return_url",
        )


def confirm(state: State, call: Call) -> Json:
    intent = state.get("payment_intent", call.ref)
    if intent["status"] not in CONFIRMABLE:
        words = f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}."
        raise _unexpected(state, intent, words)
    refuse_types(call.params)
    method = _method(state, call.params, intent["customer"]) or state.find(intent["payment_method"])
    _ready(call.params, method, redirects=intent["_redirects"])
    if method is not None:
        intent["payment_method"] = method["id"]
    return _confirm(state, intent, call.params)


def _confirm(state: State, intent: Json, params: Params) -> Json:
    """Ask the bank, or send the owner there. Raises `Refusal` where the bank declines: the intent stays."""
    method = state.get("payment_method", intent["payment_method"])
    intent |= {"next_action": None, "last_payment_error": None, "_return_url": params.text("return_url")}
    if params.text("setup_future_usage") is not None:
        intent["setup_future_usage"] = params.text("setup_future_usage")
    if not _wants_owner(method):
        return _ask(state, intent, method, card_of(method).decline)
    if params.flag("off_session") or params.flag("error_on_requires_action"):
        return _ask(state, intent, method, AUTHENTICATE)
    intent |= {"status": "requires_action", "next_action": next_action(state, intent)}
    state.emit("payment_intent.requires_action", intent)
    return intent


def _wants_owner(method: Json) -> bool:
    wanted = card_of(method).authenticates
    return wanted == "always" or (wanted == "unless_set_up" and not method["_set_up"])


def next_action(state: State, intent: Json) -> Json:
    """With a `return_url` a page to go to, else what Stripe.js would handle."""
    if intent["_return_url"] is None:
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    url = f"{state.url}/authenticate/{intent['id']}"
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": intent["_return_url"], "url": url}}


def _ask(state: State, intent: Json, method: Json, decline: Decline | None) -> Json:
    made = charge(state, intent, method, decline)
    intent["latest_charge"] = made["id"]
    method["_used"] = True
    if decline is None:
        intent |= {"status": "succeeded", "amount_received": intent["amount"]}
        if intent["setup_future_usage"] == "off_session":
            method["_set_up"] = True
        state.emit("payment_intent.succeeded", intent)
        return intent
    raise _failed(state, intent, method, decline, made["id"])


def _failed(state: State, intent: Json, method: Json, decline: Decline, charge_id: str | None) -> Refusal:
    error = decline.as_error() | {"payment_method": shown(state, method, ())}
    more: dict[str, Any] = {"charge": charge_id} if charge_id else {}
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": error | more}
    state.emit("payment_intent.payment_failed", intent)
    return declined(error, **more, payment_intent=shown(state, intent, ()))


def authenticated(state: State, intent: Json, *, passed: bool) -> None:
    """The owner came back from the bank's page. <https://docs.stripe.com/payments/3d-secure>"""
    if intent["status"] != "requires_action":
        return
    method = state.get("payment_method", intent["payment_method"])
    intent["next_action"] = None
    try:
        if passed:
            _ask(state, intent, method, card_of(method).decline)
        else:
            raise _failed(state, intent, method, FAILED_AUTHENTICATION, None)
    except Refusal:
        pass  # nobody asked: the intent says it, and its events


def cancel(state: State, call: Call) -> Json:
    intent = state.get("payment_intent", call.ref)
    if intent["status"] in ENDED:
        words = f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}."
        raise _unexpected(state, intent, words)
    why = call.params.text("cancellation_reason")
    if why not in WHY_CANCELLED | {None}:
        raise invalid(f"Invalid cancellation_reason: must be one of {sorted(WHY_CANCELLED)}", "cancellation_reason")
    intent |= {"status": "canceled", "canceled_at": state.now(), "cancellation_reason": why, "next_action": None}
    state.emit("payment_intent.canceled", intent)
    return intent


def update(state: State, call: Call) -> Json:
    intent, params = state.get("payment_intent", call.ref), call.params
    if intent["status"] in ENDED and set(params.fields) - {"metadata", "description", "expand"}:
        words = f"This PaymentIntent could not be updated because it has a status of {intent['status']}."
        raise _unexpected(state, intent, words)
    if (amount := params.whole("amount")) is not None:
        intent["amount"] = checked(amount, intent["currency"])
    if (method := _method(state, params, intent["customer"])) is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if "description" in params.fields:
        intent["description"] = params.text("description")
    intent["metadata"] = params.metadata(intent["metadata"])
    return intent


def _unexpected(state: State, intent: Json, words: str) -> Refusal:
    return unfit(words, "payment_intent_unexpected_state", payment_intent=shown(state, intent, ()))


def _list(state: State, call: Call) -> Json:
    return state.page("payment_intent", call.url, call.params, "customer")


ROUTES = (
    route("POST", "/v1/payment_intents", FIELDS, create),
    route("GET", "/v1/payment_intents", f"{LISTED} customer created.*", _list),
    route("GET", "/v1/payment_intents/{id}", "client_secret", lambda s, c: s.get("payment_intent", c.ref)),
    route("POST", "/v1/payment_intents/{id}", "amount description metadata.* payment_method", update),
    route("POST", "/v1/payment_intents/{id}/confirm", CONFIRMING, confirm),
    route("POST", "/v1/payment_intents/{id}/cancel", "cancellation_reason", cancel),
)
