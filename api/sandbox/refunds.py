"""Refunds: never more than what is left of a charge; some end later, some fail after they were said to succeed.

<https://docs.stripe.com/refunds>, <https://docs.stripe.com/api/refunds>. Stripe keeps its fee of what is refunded.
"""

from . import balance
from .amounts import shown as money
from .cards import CARDS
from .errors import Json, invalid, unfit
from .routes import LISTED, Call, route
from .state import State

ENDS_AFTER_S = 600
REASONS = {"duplicate", "fraudulent", "requested_by_customer"}


def create(state: State, call: Call) -> Json:
    params = call.params
    reason = params.text("reason")
    if reason not in REASONS | {None}:
        raise invalid(f"Invalid reason: must be one of {', '.join(sorted(REASONS))}", param="reason")
    wanted, metadata = params.whole("amount"), params.metadata()
    if wanted is not None and wanted < 1:
        words = "This value must be greater than or equal to 1."
        raise invalid(words, param="amount", code="parameter_invalid_integer")
    charge = _charge(state, call)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not left:
        raise unfit(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["_chargeback"]:
        words = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise unfit(words, code="charge_disputed")
    amount = left if wanted is None else wanted
    if amount > left:
        asked, rest = money(amount, charge["currency"]), money(left, charge["currency"])
        raise unfit(f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})", param="amount")
    return _new(state, charge, amount, reason, metadata)


def _charge(state: State, call: Call) -> Json:
    if (ref := call.params.text("charge")) is not None:
        return state.get("charge", ref, "charge")
    ref = call.params.text("payment_intent")
    if ref is None:
        raise invalid("One of the following params should be provided: payment_intent or charge.")
    intent = state.get("payment_intent", ref, "payment_intent")
    if intent["status"] != "succeeded":
        words = f"This PaymentIntent ({ref}) does not have a successful charge to refund."
        raise unfit(words, code="payment_intent_unexpected_state")
    return state.get("charge", intent["latest_charge"])


def _new(state: State, charge: Json, amount: int, reason: str | None, metadata: Json) -> Json:
    how = CARDS[charge["_card"]].refund
    refund = state.add(
        "refund",
        "re",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        metadata=metadata,
        payment_intent=charge["payment_intent"],
        reason=reason,
        receipt_number=None,
        source_transfer_reversal=None,
        status="pending" if how == "later" else "succeeded",
        transfer_reversal=None,
    )
    line = balance.post(state, "refund", "refund", -amount, 0, source=refund, words="")
    refund["balance_transaction"] = line["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    state.emit("refund.created", refund)
    state.emit("charge.refunded", charge)
    if how == "later":
        state.later(ENDS_AFTER_S, lambda: succeed(state, refund["id"]))
    if how == "fails":
        state.later(ENDS_AFTER_S, lambda: fail(state, refund["id"]))
    return refund


def succeed(state: State, ref: str) -> None:
    with state.lock:
        refund = state.get("refund", ref)
        if refund["status"] == "pending":
            refund["status"] = "succeeded"
            _updated(state, refund)


def fail(state: State, ref: str, why: str = "expired_or_canceled_card") -> None:
    """The owner's bank does not take it: the money is in our balance again. Also on a tester's order."""
    # https://docs.stripe.com/refunds#failed-refunds
    with state.lock:
        refund = state.get("refund", ref)
        if refund["status"] not in {"pending", "succeeded"}:
            return
        _give_back(state, refund)
        refund |= {"status": "failed", "failure_reason": why}
        state.emit("refund.failed", refund)
        _updated(state, refund)


def _give_back(state: State, refund: Json) -> None:
    line = balance.post(state, "refund_failure", "refund_failure", refund["amount"], 0, source=refund, words="")
    refund["failure_balance_transaction"] = line["id"]
    charge = state.get("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False


def _updated(state: State, refund: Json) -> None:
    state.emit("refund.updated", refund)
    state.emit("charge.refund.updated", refund)


def update(state: State, call: Call) -> Json:
    refund = state.get("refund", call.ref)
    refund["metadata"] = call.params.metadata(refund["metadata"])
    _updated(state, refund)
    return refund


def _list(state: State, call: Call) -> Json:
    return state.page("refund", call.url, call.params, "charge", "payment_intent")


ROUTES = (
    route("POST", "/v1/refunds", "payment_intent charge amount reason metadata.*", create),
    route("GET", "/v1/refunds", f"{LISTED} created.* charge payment_intent", _list),
    route("GET", "/v1/refunds/{id}", "", lambda s, c: s.get("refund", c.ref)),
    route("POST", "/v1/refunds/{id}", "metadata.*", update),
)
