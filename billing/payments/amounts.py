"""Amounts as the card processor counts them, and which it takes at all. Pure.

Ours are ISO 4217's minor units. Stripe's differ in a few currencies, it takes some only in steps, and none below a
minimum: https://docs.stripe.com/currencies (minor units, special cases, minimum and maximum charge amounts).
"""

from typing import NamedTuple

from billing.money import minor_digits

# Where Stripe counts whole units (all but MGA are without minor units in ISO 4217, too).
ZERO_DECIMAL = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
# ISK and UGX have no small coins and are counted in hundredths all the same, which are 00: as two digits against none.
# Three digits, of which the last has to be 0.
THREE_DECIMAL = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))

# The least that Stripe charges, in our minor units. It has no figure for other currencies: there it converts the amount
# and refuses what is below the settlement currency's minimum (`amount_too_small`), which is as good as carried.
MINIMUM = {
    "AED": 2_00,
    "AUD": 50,
    "BRL": 50,
    "CAD": 50,
    "CHF": 50,
    "CZK": 15_00,
    "DKK": 2_50,
    "EUR": 50,
    "GBP": 30,
    "HKD": 4_00,
    "HUF": 175_00,
    "INR": 50,
    "JPY": 50,
    "MXN": 10_00,
    "MYR": 2_00,
    "NOK": 3_00,
    "NZD": 50,
    "PLN": 2_00,
    "RON": 2_00,
    "SEK": 3_00,
    "SGD": 50,
    "THB": 10_00,
    "USD": 50,
}
# The dinars and the rial have been held to the dollar for decades: half a dollar, and the next step above it.
MINIMUM |= {"BHD": 190, "JOD": 360, "KWD": 160, "OMR": 200, "TND": 1_700}
LARGEST = 99_999_999  # eight digits, as Stripe counts
_TENS = (1, 10, 100, 1_000, 10_000)


class NotCounted(ValueError):
    """The amount cannot be said to the processor, or by it, in whole units of its own."""


class Split(NamedTuple):
    """What can be charged of an amount now, and what waits for the next invoice. Both in our minor units."""

    now_minor: int
    carried_minor: int


def stripe_digits(currency: str) -> int:
    """How many digits of Stripe's amount are behind the point."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def to_stripe(amount_minor: int, currency: str) -> int:
    """The amount as Stripe counts it. Raises `NotCounted` for what it would not take for its digits."""
    ours, theirs = minor_digits(currency), stripe_digits(currency)
    step = step_minor(currency)
    if amount_minor % step:
        raise NotCounted(f"{amount_minor} {currency}: it takes multiples of {step}")
    return amount_minor * _TENS[theirs - ours] if theirs >= ours else amount_minor // _TENS[ours - theirs]


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's amount in our minor units, signed as it is. Raises `NotCounted` for a fraction of one."""
    ours, theirs = minor_digits(currency), stripe_digits(currency)
    if ours >= theirs:
        return amount * _TENS[ours - theirs]
    minor, rest = divmod(amount, _TENS[theirs - ours])
    if rest:
        raise NotCounted(f"{amount} of the processor's {currency} is no whole number of ours")
    return minor


def step_minor(currency: str) -> int:
    """Amounts are charged in multiples of this, in our minor units."""
    if currency in THREE_DECIMAL:
        return 10
    return _TENS[max(0, minor_digits(currency) - stripe_digits(currency))]


def minimum_minor(currency: str) -> int:
    """The least that is charged at once, in our minor units; where nobody publishes one, the least step."""
    return MINIMUM.get(currency, step_minor(currency))


def chargeable(amount_minor: int, currency: str) -> Split:
    """The most of `amount_minor` that the processor takes, and what is left to carry.

    >>> chargeable(40, "USD"), chargeable(1234, "JOD")
    (Split(now_minor=0, carried_minor=40), Split(now_minor=1230, carried_minor=4))
    """
    step = step_minor(currency)
    largest = from_stripe(LARGEST - LARGEST % to_stripe(step, currency), currency)
    now_minor = min(amount_minor - amount_minor % step, largest)
    if now_minor < minimum_minor(currency):
        return Split(0, amount_minor)
    return Split(now_minor, amount_minor - now_minor)
