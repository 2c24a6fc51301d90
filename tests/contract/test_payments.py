"""PaymentIntents, asked for when nobody is there, and when somebody is."""

from typing import Any

import pytest
import stripe

from tests.contract.targets import Target, cites

HERE = "https://example.com/back"
NEVER = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


def pay(api: Any, customer: str, card: str, amount: int = 320, **more: Any) -> Any:
    """Off-session, as a session's end does."""
    asked = {"amount": amount, "currency": "usd", "customer": customer, "payment_method": card}
    return api.payment_intents.create({**asked, "confirm": True, "off_session": True, **more})


@cites("payments/save-and-reuse")
def test_a_kept_card_pays_when_nobody_is_there(api: Any, customer: str, card: str) -> None:
    paid = pay(api, customer, card, metadata={"idlefee_payment": "pay_1"})
    seen = api.payment_intents.retrieve(paid.id)
    assert (seen.status, seen.amount, seen.currency, seen.customer) == ("succeeded", 320, "usd", customer)
    assert seen.metadata.to_dict() == {"idlefee_payment": "pay_1"}
    assert seen.latest_charge is not None


@cites("api/balance_transactions/object")
def test_a_payment_shows_what_is_kept_of_it(api: Any, customer: str, card: str, target: Target) -> None:
    paid = pay(api, customer, card, expand=["latest_charge"])

    def line() -> Any:
        return api.charges.retrieve(paid.latest_charge.id, {"expand": ["balance_transaction"]}).balance_transaction

    found = target.until(line)
    assert found.net == found.amount - found.fee
    assert found.fee > 0
    assert (found.type, found.reporting_category, found.source) == ("charge", "charge", paid.latest_charge.id)
    assert found.fee == sum(part.amount for part in found.fee_details)


@cites("payments/paymentintents/lifecycle")
def test_a_declined_payment_waits_for_another_method(api: Any, customer: str) -> None:
    poor = api.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer}).id
    with pytest.raises(stripe.CardError) as no:
        pay(api, customer, poor)
    assert (no.value.http_status, no.value.code) == (402, "card_declined")


@cites("declines/card")
def test_the_same_payment_may_be_tried_again_with_another_card(api: Any, customer: str, card: str) -> None:
    poor = api.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer}).id
    with pytest.raises(stripe.CardError) as no:
        pay(api, customer, poor)
    assert no.value.error is not None
    waiting = no.value.error.payment_intent
    assert waiting is not None
    assert (waiting.status, waiting.payment_method) == ("requires_payment_method", None)
    assert waiting.last_payment_error is not None
    assert waiting.last_payment_error.decline_code == "generic_decline"
    paid = api.payment_intents.confirm(waiting.id, {"payment_method": card, "off_session": True})
    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    assert sorted(one.status for one in api.charges.list({"payment_intent": paid.id}).data) == ["failed", "succeeded"]


@cites("payments/save-and-reuse#charge-saved-payment-method")
def test_off_session_a_wish_for_the_owner_is_a_decline(api: Any, customer: str) -> None:
    wary = api.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer}).id
    with pytest.raises(stripe.CardError) as no:
        pay(api, customer, wary)
    error = no.value.error
    assert error is not None
    assert (error.code, error.decline_code) == ("authentication_required", "authentication_required")
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"
    assert error.payment_method is not None


@cites("payments/3d-secure/authentication-flow#when-to-use-3d-secure")
def test_with_a_return_url_the_owner_is_sent_to_the_bank(api: Any, customer: str) -> None:
    wary = api.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer}).id
    waiting = api.payment_intents.create(
        {
            "amount": 320,
            "currency": "usd",
            "customer": customer,
            "payment_method": wary,
            "confirm": True,
            "return_url": HERE,
            "allowed_payment_method_types": ["card"],
        }
    )
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "redirect_to_url")
    assert waiting.next_action.redirect_to_url.return_url == HERE


@cites("api/payment_intents/cancel")
def test_what_waits_can_be_cancelled(api: Any, customer: str) -> None:
    waiting = api.payment_intents.create({"amount": 320, "currency": "usd", "customer": customer})
    assert waiting.status == "requires_payment_method"
    assert api.payment_intents.cancel(waiting.id).status == "canceled"


@cites("error-codes#payment-intent-unexpected-state")
def test_what_has_succeeded_is_neither_confirmed_nor_cancelled(api: Any, customer: str, card: str) -> None:
    paid = pay(api, customer, card)
    for act in (api.payment_intents.confirm, api.payment_intents.cancel):
        with pytest.raises(stripe.InvalidRequestError) as no:
            act(paid.id)
        assert (no.value.http_status, no.value.code) == (400, "payment_intent_unexpected_state")
        assert no.value.error is not None
        assert no.value.error.payment_intent is not None


@pytest.mark.parametrize(("currency", "least"), [("usd", 50), ("eur", 50), ("gbp", 30), ("jpy", 50), ("sek", 300)])
@cites("currencies#minimum-and-maximum-charge-amounts")
def test_an_amount_below_the_minimum_is_refused(api: Any, currency: str, least: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as no:
        api.payment_intents.create({"amount": least - 1, "currency": currency, **NEVER})
    assert (no.value.http_status, no.value.code) == (400, "amount_too_small")


@pytest.mark.parametrize(("currency", "amount"), [("jod", 5125), ("kwd", 5124), ("isk", 50_010), ("ugx", 500_050)])
@cites("currencies#special-cases")
def test_amounts_go_in_the_steps_of_their_currency(api: Any, currency: str, amount: int) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        api.payment_intents.create({"amount": amount, "currency": currency, **NEVER})
    step = 10 if currency in {"jod", "kwd"} else 100
    made = api.payment_intents.create({"amount": amount - amount % step, "currency": currency, **NEVER})
    assert made.amount % step == 0
