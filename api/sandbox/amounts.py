"""What Stripe takes as an amount, and what it keeps of it. <https://docs.stripe.com/currencies>

Amounts are whole units as Stripe counts them, by tables of its own that are not quite ISO 4217's. Fees are those of a
card in the United States, 2.9 % + 30 units, rounded half-up; each currency settles in itself, nothing is exchanged.
"""

from billing.money import half_up, is_currency

from .errors import invalid

# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
LEAST = {
    currency: least
    for least, currencies in {
        30: "gbp",
        50: "usd aud brl cad chf eur inr nzd sgd jpy",
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
MOST = 99_999_999
# https://docs.stripe.com/currencies#special-cases: whole units only, written with two decimals
WHOLE_UNITS = frozenset({"isk", "ugx"})
ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])

FEE_PER_MILLE = 29
FEE_FIXED = 30
DISPUTE_FEE = 1500


def checked(amount: int, currency: str) -> int:
    """The amount, if a PaymentIntent may have it. Raises `Refusal`."""
    if not is_currency(currency.upper()):
        raise invalid(f"Invalid currency: {currency}.", param="currency")
    if amount < 1:
        words = "This value must be greater than or equal to 1."
        raise invalid(words, param="amount", code="parameter_invalid_integer")
    least = LEAST.get(currency, 1)
    if amount < least:
        raise invalid(f"Amount must be at least {shown(least, currency)}", param="amount", code="amount_too_small")
    if amount > MOST:
        most = shown(MOST, currency)
        raise invalid(f"Amount must be no more than {most}", param="amount", code="amount_too_large")
    if amount % (step := 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_UNITS else 1):
        code = "invalid_charge_amount_no_decimal_compatible" if currency in WHOLE_UNITS else None
        raise invalid(f"Invalid amount: in {currency} it must be evenly divisible by {step}.", "amount", code)
    return amount


def fee_minor(amount: int, currency: str) -> int:
    """What Stripe keeps of a charge, half-up; the fixed part has a digit more where the currency has."""
    return min(amount, half_up(amount * FEE_PER_MILLE, 1000) + _scaled(FEE_FIXED, currency))


def dispute_fee_minor(currency: str) -> int:
    return _scaled(DISPUTE_FEE, currency)


def _scaled(amount: int, currency: str) -> int:
    return amount * 10 if currency in THREE_DECIMAL else amount


def shown(amount: int, currency: str) -> str:
    digits = 3 if currency in THREE_DECIMAL else 2
    if currency in ZERO_DECIMAL:
        return f"{amount} {currency}"
    whole, rest = divmod(amount, 10**digits)
    return f"{whole}.{rest:0{digits}} {currency}"
