"""Stripe's objects, as its answers and webhooks hold them in JSON, read as plain values of ours. Pure; its library is
known to `gateway` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.payments.amounts import from_stripe
from billing.payments.processor import (
    BalanceLine,
    DisputeSeen,
    EventSeen,
    MethodSeen,
    PaymentSeen,
    PayoutSeen,
    RefundSeen,
    SetupSeen,
    Status,
)

Read = Mapping[str, Any]

KEPT = ("amount", "amount_received", "amount_refunded", "currency", "customer", "livemode", "reason", "status")


def _id(value: Any) -> str | None:
    """The name of what may have been expanded."""
    return value if value is None or isinstance(value, str) else str(value["id"])


def payment(intent: Read, refunds: Sequence[Read], disputes: Sequence[Read]) -> PaymentSeen:
    """A PaymentIntent with its latest charge and that one's balance transaction expanded."""
    currency = intent["currency"].upper()
    charge: Read = intent["latest_charge"] or {}
    balance = charge.get("balance_transaction")
    redirect = (intent.get("next_action") or {}).get("redirect_to_url") or {}
    error: Read = (intent["status"] != "succeeded" and intent.get("last_payment_error")) or {}
    return PaymentSeen(
        ref=intent["id"],
        status=Status(intent["status"]),
        amount_minor=from_stripe(intent["amount"], currency),
        captured_minor=from_stripe(intent["amount_received"], currency),
        currency=currency,
        created_at=intent["created"],
        customer_ref=_id(intent["customer"]),
        method_ref=_id(intent["payment_method"]),
        charge_ref=charge.get("id"),
        metadata=dict(intent["metadata"]),
        failure_code=error.get("decline_code") or error.get("code"),
        failure_text=error.get("message"),
        action_url=redirect.get("url"),
        fee_minor=None if balance is None else _fee(balance, currency),
        refunds=tuple(refund(one) for one in refunds),
        disputes=tuple(dispute(one) for one in disputes),
    )


def _fee(balance: Read, currency: str) -> int | None:
    """What was kept of a payment, if the balance is held in the payment's own currency."""
    return from_stripe(balance["fee"], currency) if balance["currency"].upper() == currency else None


def refund(read: Read) -> RefundSeen:
    """A Refund."""
    currency = read["currency"].upper()
    amount_minor = from_stripe(read["amount"], currency)
    stands = read["status"] not in ("failed", "canceled") and read.get("failure_balance_transaction") is None
    took = read.get("balance_transaction") is not None
    return RefundSeen(
        ref=read["id"],
        payment_ref=_id(read.get("payment_intent")) or "",
        amount_minor=amount_minor,
        currency=currency,
        status=read["status"],
        created_at=read["created"],
        metadata=dict(read.get("metadata") or {}),
        failure_code=read.get("failure_reason"),
        withdrawn_minor=amount_minor if took and stands else 0,
    )


def dispute(read: Read) -> DisputeSeen:
    """A Dispute. What it moved on the balance is in its balance transactions; in the balance's currency, if that is
    another, so that then the dispute's own amount has to do.
    """
    currency, lines = read["currency"].upper(), read["balance_transactions"]
    amount_minor = from_stripe(read["amount"], currency)
    same = all(line["currency"].upper() == currency for line in lines)
    taken = -sum(line["amount"] for line in lines)
    return DisputeSeen(
        ref=read["id"],
        payment_ref=_id(read.get("payment_intent")) or "",
        amount_minor=amount_minor,
        currency=currency,
        status=read["status"],
        reason=read["reason"],
        created_at=read["created"],
        evidence_due_at=(read.get("evidence_details") or {}).get("due_by"),
        fee_minor=from_stripe(sum(line["fee"] for line in lines), currency) if same else 0,
        withdrawn_minor=from_stripe(taken, currency) if same else amount_minor if taken > 0 else 0,
    )


def setup(session: Read) -> SetupSeen:
    """A Checkout session in setup mode. Its method counts once it may be charged off-session."""
    intent = session.get("setup_intent")
    expanded: Read = intent if isinstance(intent, Mapping) else {}
    done = (
        session["status"] == "complete"
        and expanded.get("status") == "succeeded"
        and expanded.get("usage") == "off_session"
    )
    return SetupSeen(
        ref=session["id"],
        setup_ref=_id(intent),
        status=session["status"],
        url=session.get("url"),
        method=method(expanded["payment_method"]) if done else None,
    )


def method(read: Read) -> MethodSeen:
    """A PaymentMethod."""
    card: Read = read.get("card") or {}
    return MethodSeen(
        ref=read["id"],
        kind=read["type"],
        brand=card.get("brand"),
        last4=card.get("last4"),
        expires=f"{card['exp_year']:04}-{card['exp_month']:02}" if card else None,
    )


def balance_line(read: Read) -> BalanceLine:
    """A balance transaction, its source expanded."""
    currency, source = read["currency"].upper(), read["source"]
    expanded: Read = source if isinstance(source, Mapping) else {}
    return BalanceLine(
        ref=read["id"],
        kind=read["type"],
        source_ref=_id(source),
        amount_minor=from_stripe(read["amount"], currency),
        fee_minor=from_stripe(read["fee"], currency),
        currency=currency,
        created_at=read["created"],
        available_at=read["available_on"],
        payment_ref=_id(expanded.get("payment_intent")),
        payout_ref=_id(source) if read["type"].startswith("payout") else None,
    )


def payout(read: Read) -> PayoutSeen:
    """A Payout."""
    currency = read["currency"].upper()
    return PayoutSeen(
        ref=read["id"],
        amount_minor=from_stripe(read["amount"], currency),
        currency=currency,
        status=read["status"],
        created_at=read["created"],
        arrives_at=read["arrival_date"],
    )


def event(read: Read) -> EventSeen:
    """An Event of the first API: it names an object, which is looked up before anything is believed.

    Raises `KeyError` or `TypeError` for what is none.
    """
    about: Read = read["data"]["object"]
    kind = str(about["object"])
    ref = str(about.get("id") or "")
    return EventSeen(
        id=str(read["id"]),
        kind=str(read["type"]),
        object_kind=kind,
        object_ref=ref,
        payment_ref=ref if kind == "payment_intent" else _id(about.get("payment_intent")),
        created_at=int(read["created"]),
        kept={"object": kind}
        | {name: _id(about[name]) if name == "customer" else about[name] for name in KEPT if name in about},
    )
