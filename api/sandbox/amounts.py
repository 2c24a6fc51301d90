"""What Stripe takes as an amount, and what it keeps of it. <https://docs.stripe.com/currencies>

Amounts are whole minor units. Fees are those of a card in the United States, 2.9 % + 30 minor units, rounded half-up;
each currency settles in itself, nothing is exchanged.
"""

from billing.money import half_up, is_currency, minor_digits

from .errors import invalid

# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUM_MINOR = {
    currency: least
    for least, currencies in {
        30: "gbp",
        50: "usd aud brl cad chf eur inr nzd sgd jpy",
        100: "bgn",
        200: "aed myr pln ron",
        250: "dkk",
        300: "nok sek",
        400: "hkd",
        1000: "mxn thb",
        1500: "czk",
        17500: "huf",
    }.items()
    for currency in currencies.split()
}
MOST_MINOR = 99_999_999
# https://docs.stripe.com/currencies#special-cases: whole units only, written with two decimals
WHOLE_UNITS = frozenset({"isk", "ugx"})

FEE_PER_MILLE = 29
FEE_FIXED = 30
DISPUTE_FEE_MINOR = 1500


def checked(amount_minor: int, currency: str) -> int:
    """The amount, if a PaymentIntent may have it. Raises `Refusal`."""
    if not is_currency(currency.upper()):
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    if amount_minor < 1:
        words = "This value must be greater than or equal to 1."
        raise invalid(words, param="amount", code="parameter_invalid_integer")
    least = MINIMUM_MINOR.get(currency, 1)
    if amount_minor < least:
        raise invalid(f"Amount must be at least {shown(least, currency)}", param="amount", code="amount_too_small")
    if amount_minor > MOST_MINOR:
        most = shown(MOST_MINOR, currency)
        raise invalid(f"Amount must be no more than {most}", param="amount", code="amount_too_large")
    step = 10 if minor_digits(currency.upper()) == 3 else 100 if currency in WHOLE_UNITS else 1
    if amount_minor % step:
        raise invalid(f"Invalid amount: {currency} takes multiples of {step}.", param="amount")
    return amount_minor


def fee_minor(amount_minor: int, currency: str) -> int:
    """What Stripe keeps of a charge, half-up; the fixed part has a digit more where the currency has."""
    return min(amount_minor, half_up(amount_minor * FEE_PER_MILLE, 1000) + _scaled(FEE_FIXED, currency))


def dispute_fee_minor(currency: str) -> int:
    return _scaled(DISPUTE_FEE_MINOR, currency)


def _scaled(amount_minor: int, currency: str) -> int:
    return amount_minor * 10 if minor_digits(currency.upper()) == 3 else amount_minor


def shown(amount_minor: int, currency: str) -> str:
    digits = minor_digits(currency.upper())
    if not digits:
        return f"{amount_minor} {currency}"
    whole, rest = divmod(amount_minor, 10**digits)
    return f"{whole}.{rest:0{digits}} {currency}"
