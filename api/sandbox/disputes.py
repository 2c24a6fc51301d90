"""Disputes: the amount and a fee are taken at once, and come back, or not, when the bank has decided.

<https://docs.stripe.com/disputes/how-disputes-work>, <https://docs.stripe.com/api/disputes>. The fee stays with Stripe
either way; an inquiry takes nothing. A tester decides by order, or with the evidence that Stripe's test mode reads.
"""

from . import balance
from .amounts import dispute_fee_minor
from .errors import Json, unfit
from .routes import LISTED, Call, route
from .state import State

DUE_AFTER_S = 7 * 86_400
DECIDED_AFTER_S = 600
OPEN = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}


def open_dispute(state: State, charge_or_intent: str, reason: str = "fraudulent") -> Json:
    """A cardholder disputes all that is left of a charge; `inquiry` asks first and withdraws nothing."""
    with state.lock:
        charge = _charge(state, charge_or_intent)
        if charge["disputed"]:
            raise unfit(f"Charge {charge['id']} is disputed already.")
        inquiry = reason == "inquiry"
        dispute = _new(state, charge, "general" if inquiry else reason, inquiry=inquiry)
        charge |= {"disputed": True, "_chargeback": not inquiry}
        if not inquiry:
            fee = dispute_fee_minor(dispute["currency"])
            _move(state, dispute, "dispute", -dispute["amount"], fee)
        state.emit("charge.dispute.created", dispute)
        if not inquiry:
            state.emit("charge.dispute.funds_withdrawn", dispute)
        state.later(DUE_AFTER_S, lambda: _time_is_up(state, dispute["id"]))
        return dispute


def _charge(state: State, ref: str) -> Json:
    found = state.find(ref)
    if found is not None and found["object"] == "payment_intent":
        ref = found["latest_charge"] or ref
    charge = state.get("charge", ref, "charge")
    if not charge["paid"]:
        raise unfit(f"Charge {charge['id']} did not succeed.")
    return charge


def _new(state: State, charge: Json, reason: str, *, inquiry: bool) -> Json:
    due_by = state.now() + DUE_AFTER_S
    return state.add(
        "dispute",
        "du",
        amount=charge["amount"] - charge["amount_refunded"],
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        enhanced_eligibility_types=[],
        evidence={"uncategorized_text": None},
        evidence_details={"due_by": due_by, "has_evidence": False, "past_due": False, "submission_count": 0},
        is_charge_refundable=inquiry,
        metadata={},
        payment_intent=charge["payment_intent"],
        payment_method_details={
            "card": {
                "brand": "visa",
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        reason=reason,
        status="warning_needs_response" if inquiry else "needs_response",
    )


def _move(state: State, dispute: Json, category: str, amount: int, fee: int) -> None:
    line = balance.post(state, "adjustment", category, amount, fee, source=dispute, words="Dispute fee")
    dispute["balance_transactions"].append(line)


def close_dispute(state: State, ref: str, *, won: bool) -> Json:
    """The bank's decision."""
    with state.lock:
        dispute = state.get("dispute", ref)
        if dispute["status"] not in OPEN:
            raise unfit(f"This dispute is already closed: {dispute['status']}.")
        charge = state.get("charge", dispute["charge"])
        if dispute["status"].startswith("warning"):
            dispute["status"] = "warning_closed"
        else:
            dispute["status"] = "won" if won else "lost"
            if won:
                _move(state, dispute, "dispute_reversal", dispute["amount"], 0)
                charge["_chargeback"] = False  # it may be refunded again, and says for ever that it was disputed
        state.emit("charge.dispute.closed", dispute)
        if dispute["status"] == "won":
            state.emit("charge.dispute.funds_reinstated", dispute)
        return dispute


def _time_is_up(state: State, ref: str) -> None:
    dispute = state.get("dispute", ref)
    if dispute["status"] in {"needs_response", "warning_needs_response"}:
        dispute["evidence_details"]["past_due"] = True
        close_dispute(state, ref, won=False)


def update(state: State, call: Call) -> Json:
    """Evidence; submitted, it goes to the bank. <https://docs.stripe.com/testing#disputes>"""
    dispute = state.get("dispute", call.ref)
    if dispute["status"] not in OPEN:
        raise unfit("This dispute is already closed.")
    text = call.params.text("evidence.uncategorized_text")
    if text is not None:
        dispute["evidence"]["uncategorized_text"] = text
        dispute["evidence_details"]["has_evidence"] = True
    dispute["metadata"] = call.params.metadata(dispute["metadata"])
    if call.params.text("submit") != "false" and text is not None:
        dispute["status"] = dispute["status"].replace("needs_response", "under_review")
        dispute["evidence_details"]["submission_count"] += 1
        if text in {"winning_evidence", "losing_evidence"}:
            won = text == "winning_evidence"
            state.later(DECIDED_AFTER_S, lambda: _decide(state, dispute["id"], won=won))
    state.emit("charge.dispute.updated", dispute)
    return dispute


def _decide(state: State, ref: str, *, won: bool) -> None:
    if state.get("dispute", ref)["status"] in OPEN:
        close_dispute(state, ref, won=won)


def _list(state: State, call: Call) -> Json:
    return state.page("dispute", call.url, call.params, "charge", "payment_intent")


ROUTES = (
    route("GET", "/v1/disputes", f"{LISTED} created.* charge payment_intent", _list),
    route("GET", "/v1/disputes/{id}", "", lambda s, c: s.get("dispute", c.ref)),
    route("POST", "/v1/disputes/{id}", "evidence.uncategorized_text submit metadata.*", update),
    route("POST", "/v1/disputes/{id}/close", "", lambda s, c: close_dispute(s, c.ref, won=False)),
)
