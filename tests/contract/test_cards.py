"""Customers, and the cards they keep for later."""

from typing import Any

import pytest
import stripe

from tests.contract.targets import cites

HERE = "https://example.com/back"


@cites("api/customers")
def test_a_customer_is_made_changed_and_deleted(api: Any) -> None:
    made = api.customers.create({"email": "mara@example.com", "metadata": {"idlefee_owner": "mara", "old": "1"}})
    api.customers.update(made.id, {"metadata": {"old": "", "new": "2"}})
    assert api.customers.retrieve(made.id).metadata.to_dict() == {"idlefee_owner": "mara", "new": "2"}
    assert api.customers.delete(made.id).deleted
    assert api.customers.retrieve(made.id).deleted


@cites("api/payment_methods/attach")
def test_a_card_is_kept_by_a_customer(api: Any, customer: str, card: str) -> None:
    kept = api.payment_methods.list({"customer": customer, "type": "card"}).data
    assert [one.id for one in kept] == [card]
    assert (kept[0].card.last4, kept[0].card.brand, kept[0].customer) == ("4242", "visa", customer)


@cites("api/payment_methods/detach")
def test_a_detached_card_is_of_no_use_again(api: Any, customer: str, card: str) -> None:
    assert api.payment_methods.detach(card).customer is None
    with pytest.raises(stripe.InvalidRequestError):
        api.payment_methods.attach(card, {"customer": customer})


@cites("testing#declined-payments")
def test_a_card_that_its_bank_declines_is_not_kept(api: Any, customer: str) -> None:
    with pytest.raises(stripe.CardError) as no:
        api.payment_methods.attach("pm_card_visa_chargeDeclined", {"customer": customer})
    assert (no.value.http_status, no.value.code) == (402, "card_declined")


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
@cites("declines/codes")
def test_a_bank_that_says_no_says_why(api: Any, card: str, code: str, decline_code: str | None) -> None:
    with pytest.raises(stripe.CardError) as no:
        api.payment_intents.create(
            {
                "amount": 320,
                "currency": "usd",
                "payment_method": card,
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
    error = no.value.error
    assert error is not None
    assert error.code == code
    assert decline_code is None or error.decline_code == decline_code


@cites("api/setup_intents/confirm")
def test_a_setup_keeps_a_card_for_later(api: Any, customer: str) -> None:
    setup = api.setup_intents.create({"customer": customer, "usage": "off_session"})
    assert (setup.status, setup.payment_method) == ("requires_payment_method", None)
    done = api.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"} | back(api, setup))
    assert done.status == "succeeded"
    assert done.payment_method.startswith("pm_")


def back(api: Any, setup: Any) -> dict[str, str]:
    """Where to come back to, for those that might send the owner elsewhere."""
    return {"return_url": HERE} if getattr(setup, "automatic_payment_methods", None) else {}


@cites("api/setup_intents/create")
def test_a_setup_is_confirmed_at_once_where_nothing_stands_in_its_way(api: Any, customer: str) -> None:
    setup = api.setup_intents.create(
        {
            "customer": customer,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "usage": "off_session",
            "allowed_payment_method_types": ["card"],
        }
    )
    assert (setup.status, setup.usage) == ("succeeded", "off_session")
    kept = api.payment_methods.retrieve(setup.payment_method)
    assert kept.customer == customer


@cites("payments/3d-secure/authentication-flow")
def test_a_card_may_want_its_owner_before_it_is_kept(api: Any, customer: str) -> None:
    setup = api.setup_intents.create(
        {
            "customer": customer,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "confirm": True,
            "allowed_payment_method_types": ["card"],
            "return_url": HERE,
        }
    )
    assert setup.status == "requires_action"
    assert setup.next_action.redirect_to_url.return_url == HERE
    assert setup.next_action.redirect_to_url.url.startswith("http")


@cites("payments/checkout/save-and-reuse")
def test_a_session_to_keep_a_card_is_a_page(api: Any, customer: str) -> None:
    session = api.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": customer,
            "success_url": HERE,
            "cancel_url": HERE,
            "allowed_payment_method_types": ["card"],
            "metadata": {"idlefee_setup": "set_1"},
            "custom_text": {"submit": {"message": "We charge it after each session."}},
        }
    )
    assert (session.status, session.payment_status) == ("open", "no_payment_required")
    assert session.url.startswith("http")
    setup = api.setup_intents.retrieve(session.setup_intent)
    assert (setup.customer, setup.usage) == (customer, "off_session")
    over = api.checkout.sessions.expire(session.id)
    assert (over.status, over.url) == ("expired", None)
