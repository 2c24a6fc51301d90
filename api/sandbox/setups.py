"""SetupIntents, and Checkout Sessions in `setup` mode: keeping a card for later, with the owner's consent.

<https://docs.stripe.com/api/setup_intents>, <https://docs.stripe.com/payments/checkout/save-and-reuse>. The page that
a session's `url` leads to is in `hosted`.
"""

from .cards import Decline
from .customers import alive, card_of, keep, refuse_used, use
from .errors import Json, Refusal, declined, invalid, unfit
from .forms import Params
from .payments import refuse_types
from .routes import LISTED, Answer, Call, route
from .state import State, shown

CONFIRMABLE = {"requires_payment_method", "requires_confirmation", "requires_action"}
EXPIRES_AFTER_S = 86_400
CONFIRMING = "payment_method return_url allowed_payment_method_types.* payment_method_types.*"
FIELDS = (
    f"{CONFIRMING} customer confirm usage description metadata.* automatic_payment_methods.enabled"
    " automatic_payment_methods.allow_redirects"
)
SESSION_FIELDS = (
    "mode currency customer success_url cancel_url allowed_payment_method_types.* metadata.* client_reference_id locale"
    " ui_mode expires_at setup_intent_data.description setup_intent_data.metadata.*"
    " custom_text.submit.message consent_collection.payment_method_reuse_agreement.position"
)
FAILED_AUTHENTICATION = Decline(
    "setup_intent_authentication_failure",
    "authentication_failed",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)


def create(state: State, call: Call) -> Json:
    params = call.params
    refuse_types(params)
    if (customer := params.text("customer")) is not None:
        alive(state, customer, "customer")
    method = _method(state, params)
    if params.flag("confirm") and method is None:
        raise _missing_method()
    intent = _new(state, params, customer, params.metadata(), params.text("description"))
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    return _confirm(state, intent, params.text("return_url")) if params.flag("confirm") else intent


def _method(state: State, params: Params) -> Json | None:
    ref = params.text("payment_method")
    if ref is None:
        return None
    method = use(state, ref, "payment_method")
    refuse_used(method)
    return method


def _missing_method() -> Refusal:
    words = "You cannot confirm this SetupIntent because it's missing a payment method."
    return unfit(words, code="setup_intent_unexpected_state")


def _new(state: State, params: Params, customer: str | None, metadata: Json, description: str | None) -> Json:
    made = state.add(
        "setup_intent",
        "seti",
        application=None,
        automatic_payment_methods=None,
        cancellation_reason=None,
        client_secret=None,
        customer=customer,
        description=description,
        flow_directions=None,
        last_setup_error=None,
        latest_attempt=None,
        mandate=None,
        metadata=metadata,
        next_action=None,
        on_behalf_of=None,
        payment_method=None,
        payment_method_options={
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        payment_method_types=params.words("allowed_payment_method_types") or ["card"],
        single_use_mandate=None,
        status="requires_payment_method",
        usage=params.text("usage") or "off_session",
        _return_url=None,
        _session=None,
    )
    made["client_secret"] = f"{made['id']}_secret_{made['id'][-8:]}"
    state.emit("setup_intent.created", made)
    return made


def confirm(state: State, call: Call) -> Json:
    intent = state.get("setup_intent", call.ref)
    if intent["status"] not in CONFIRMABLE:
        words = f"You cannot confirm this SetupIntent because it has a status of {intent['status']}."
        raise unfit(words, "setup_intent_unexpected_state", setup_intent=shown(state, intent, ()))
    method = _method(state, call.params) or state.find(intent["payment_method"])
    if method is None:
        raise _missing_method()
    intent["payment_method"] = method["id"]
    return _confirm(state, intent, call.params.text("return_url"))


def _confirm(state: State, intent: Json, return_url: str | None) -> Json:
    """Keep the card, or send its owner to the bank first. Raises `Refusal` where the bank declines."""
    method = state.get("payment_method", intent["payment_method"])
    intent |= {"next_action": None, "last_setup_error": None, "_return_url": return_url}
    card = card_of(method)
    if card.authenticates == "never":
        return _finish(state, intent, None if card.attaches else card.decline)
    url = f"{state.url}/authenticate/{intent['id']}"
    intent |= {
        "status": "requires_action",
        "next_action": {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}},
    }
    if return_url is None:
        intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    state.emit("setup_intent.requires_action", intent)
    return intent


def _finish(state: State, intent: Json, decline: Decline | None) -> Json:
    method = state.get("payment_method", intent["payment_method"])
    if decline is not None:
        error = decline.as_error() | {"payment_method": shown(state, method, ())}
        intent |= {"status": "requires_payment_method", "payment_method": None, "last_setup_error": error}
        state.emit("setup_intent.setup_failed", intent)
        raise declined(error, setup_intent=shown(state, intent, ()))
    method["_set_up"] = True
    intent |= {"status": "succeeded", "next_action": None}
    if intent["customer"] is not None:
        keep(state, method, intent["customer"])
    state.emit("setup_intent.succeeded", intent)
    return intent


def authenticated(state: State, intent: Json, *, passed: bool) -> None:
    """The owner came back from the bank's page."""
    if intent["status"] != "requires_action":
        return
    try:
        _finish(state, intent, None if passed else FAILED_AUTHENTICATION)
    except Refusal:
        return  # nobody asked: the intent says it, and its events
    if (session := state.find(intent["_session"])) is not None:
        complete(state, session)


def cancel(state: State, call: Call) -> Json:
    intent = state.get("setup_intent", call.ref)
    if intent["status"] in {"succeeded", "canceled"}:
        words = f"You cannot cancel this SetupIntent because it has a status of {intent['status']}."
        raise unfit(words, "setup_intent_unexpected_state", setup_intent=shown(state, intent, ()))
    intent |= {
        "status": "canceled",
        "cancellation_reason": call.params.text("cancellation_reason"),
        "next_action": None,
    }
    state.emit("setup_intent.canceled", intent)
    return intent


# Checkout Sessions: https://docs.stripe.com/api/checkout/sessions


def create_session(state: State, call: Call) -> Json:
    params = call.params
    if (mode := params.needed("mode")) != "setup":
        raise invalid(f"The sandbox keeps cards, with mode `setup`, and sells nothing with {mode!r}.", param="mode")
    success_url, cancel_url = params.needed("success_url"), params.text("cancel_url")
    for name, url in (("success_url", success_url), ("cancel_url", cancel_url)):
        if url is not None and not url.startswith(("http://", "https://")):
            raise invalid("Not a valid URL", param=name, code="url_invalid")
    if not params.words("allowed_payment_method_types") and params.text("currency") is None:
        raise invalid("Missing required param: currency.", param="currency", code="parameter_missing")
    if (customer := params.text("customer")) is not None:
        alive(state, customer, "customer")
    data = Params({"metadata": params.fields.get("setup_intent_data", {}).get("metadata")})
    intent = _new(state, params, customer, data.metadata(), params.text("setup_intent_data.description"))
    session = _new_session(state, params, customer, intent)
    intent["_session"] = session["id"]
    session["url"] = f"{state.url}/c/pay/{session['id']}"
    state.later(session["expires_at"] - state.now(), lambda: _expire(state, session))
    return session


def _new_session(state: State, params: Params, customer: str | None, intent: Json) -> Json:
    expires_at = params.whole("expires_at") or state.now() + EXPIRES_AFTER_S
    if not 1800 <= expires_at - state.now() <= EXPIRES_AFTER_S:
        raise invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.", param="expires_at"
        )
    return state.add(
        "checkout.session",
        "cs_test",
        amount_subtotal=None,
        amount_total=None,
        cancel_url=params.text("cancel_url"),
        client_reference_id=params.text("client_reference_id"),
        currency=params.text("currency"),
        custom_text={
            "submit": {"message": message} if (message := params.text("custom_text.submit.message")) else None
        },
        customer=customer,
        customer_creation=None,
        customer_email=None,
        expires_at=expires_at,
        locale=params.text("locale"),
        metadata=params.metadata(),
        mode="setup",
        payment_intent=None,
        payment_method_types=params.words("allowed_payment_method_types") or ["card"],
        payment_status="no_payment_required",
        setup_intent=intent["id"],
        status="open",
        submit_type=None,
        success_url=params.needed("success_url"),
        ui_mode=params.text("ui_mode") or "hosted_page",
        url=None,
    )


def choose(state: State, session: Json, card: str) -> Json:
    """The owner gave a card on the session's page; answers the SetupIntent. Raises `Refusal` where it is declined."""
    intent = state.get("setup_intent", session["setup_intent"])
    if session["status"] != "open":
        raise unfit("This session is over.")
    intent["payment_method"] = use(state, card, "payment_method")["id"]
    _confirm(state, intent, back_of(session))
    if intent["status"] == "succeeded":
        complete(state, session)
    return intent


def back_of(session: Json) -> str:
    """Where the owner goes from here: Stripe writes the session's id in."""
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def complete(state: State, session: Json) -> None:
    session |= {"status": "complete", "url": None}
    state.emit("checkout.session.completed", session)


def _expire(state: State, session: Json) -> None:
    if session["status"] == "open":
        session |= {"status": "expired", "url": None}
        state.emit("checkout.session.expired", session)


def expire(state: State, call: Call) -> Json:
    session = state.get("checkout.session", call.ref)
    if session["status"] != "open":
        raise unfit('Only Checkout Sessions with a status in ["open"] can be expired.')
    _expire(state, session)
    return session


def _list(kind: str, *filters: str) -> Answer:
    return lambda state, call: state.page(kind, call.url, call.params, *filters)


ROUTES = (
    route("POST", "/v1/setup_intents", FIELDS, create),
    route("GET", "/v1/setup_intents", f"{LISTED} customer payment_method created.*", _list("setup_intent", "customer")),
    route("GET", "/v1/setup_intents/{id}", "client_secret", lambda s, c: s.get("setup_intent", c.ref)),
    route("POST", "/v1/setup_intents/{id}/confirm", CONFIRMING, confirm),
    route("POST", "/v1/setup_intents/{id}/cancel", "cancellation_reason", cancel),
    route("POST", "/v1/checkout/sessions", SESSION_FIELDS, create_session),
    route(
        "GET",
        "/v1/checkout/sessions",
        f"{LISTED} customer setup_intent created.* status",
        _list("checkout.session", "customer", "setup_intent", "status"),
    ),
    route("GET", "/v1/checkout/sessions/{id}", "", lambda s, c: s.get("checkout.session", c.ref)),
    route("POST", "/v1/checkout/sessions/{id}/expire", "", expire),
)
