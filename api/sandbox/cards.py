"""Stripe's test cards, as far as the sandbox knows them, and what each does. <https://docs.stripe.com/testing>"""

from dataclasses import dataclass
from typing import Literal

from .errors import Json


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a bank says no: Stripe's code, its finer word, and what the customer reads."""

    # https://docs.stripe.com/declines/codes
    code: str
    decline_code: str
    message: str

    def as_error(self) -> Json:
        return {"code": self.code, "decline_code": self.decline_code, "message": self.message, "type": "card_error"}


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")
NO_FUNDS = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Decline("card_declined", "lost_card", "Your card was declined.")
STOLEN = Decline("card_declined", "stolen_card", "Your card was declined.")
EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
BAD_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
ERROR = Decline(
    "processing_error", "processing_error", "An error occurred while processing your card. Try again later."
)
AUTHENTICATE = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One test card. `attaches`: a customer can keep it, whatever comes of charging it."""

    words: str
    number: str
    brand: str = "visa"
    decline: Decline | None = None
    attaches: bool = True
    authenticates: Literal["never", "always", "unless_set_up"] = "never"
    dispute: Literal["fraudulent", "product_not_received", "inquiry"] | None = None
    refund: Literal["at_once", "later", "fails"] = "at_once"
    available_at_once: bool = False


def _refused(words: str, number: str, decline: Decline) -> Card:
    return Card(words=words, number=number, decline=decline, attaches=False)


CARDS: dict[str, Card] = {
    "pm_card_visa": Card(words="Succeeds", number="4242424242424242"),
    "pm_card_mastercard": Card(words="Succeeds (Mastercard)", number="5555555555554444", brand="mastercard"),
    "pm_card_visa_chargeDeclined": _refused("Declined", "4000000000000002", GENERIC),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _refused("Insufficient funds", "4000000000009995", NO_FUNDS),
    "pm_card_visa_chargeDeclinedLostCard": _refused("Lost card", "4000000000009987", LOST),
    "pm_card_visa_chargeDeclinedStolenCard": _refused("Stolen card", "4000000000009979", STOLEN),
    "pm_card_chargeDeclinedExpiredCard": _refused("Expired card", "4000000000000069", EXPIRED),
    "pm_card_chargeDeclinedIncorrectCvc": _refused("Incorrect security code", "4000000000000127", BAD_CVC),
    "pm_card_chargeDeclinedProcessingError": _refused("Processing error", "4000000000000119", ERROR),
    "pm_card_chargeCustomerFail": Card(
        words="Can be saved, is declined when charged", number="4000000000000341", decline=GENERIC
    ),
    "pm_card_authenticationRequired": Card(
        words="Asks for authentication every time", number="4000002760003184", authenticates="always"
    ),
    "pm_card_authenticationRequiredOnSetup": Card(
        words="Asks for authentication until it is set up", number="4000002500003155", authenticates="unless_set_up"
    ),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        words="Asks for authentication, then has insufficient funds",
        number="4000008260003178",
        authenticates="unless_set_up",
        decline=NO_FUNDS,
    ),
    "pm_card_createDispute": Card(words="Disputed as fraud", number="4000000000000259", dispute="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card(
        words="Disputed as not received", number="4000000000002685", dispute="product_not_received"
    ),
    "pm_card_createDisputeInquiry": Card(words="An inquiry", number="4000000000001976", dispute="inquiry"),
    "pm_card_pendingRefund": Card(words="Refunds are pending first", number="4000000000007726", refund="later"),
    "pm_card_refundFail": Card(words="Refunds succeed, then fail", number="4000000000005126", refund="fails"),
    "pm_card_bypassPending": Card(words="Available at once", number="4000000000000077", available_at_once=True),
}

# Stripe's own other names for the same cards.
ALIASES = {
    "pm_card_chargeDeclined": "pm_card_visa_chargeDeclined",
    "pm_card_chargeDeclinedInsufficientFunds": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedLostCard": "pm_card_visa_chargeDeclinedLostCard",
    "pm_card_chargeDeclinedStolenCard": "pm_card_visa_chargeDeclinedStolenCard",
}


def card_named(name: str) -> str | None:
    """The test card that a PaymentMethod's name stands for, none if it is no test card's."""
    known = ALIASES.get(name, name)
    return known if known in CARDS else None
