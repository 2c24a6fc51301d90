"""Amounts as people type them into a form or an address, read without a float."""

from decimal import Decimal, InvalidOperation

from api.problems import Problem
from billing.money import minor_digits

MOST_MINOR = 10**15


def amount_minor(text: str, currency: str, *, least_minor: int = 1) -> int:
    """`2.40` or `2,40` in minor units; no more digits than the currency has. Raises a `Problem` (422)."""
    digits = minor_digits(currency)
    try:
        amount = Decimal(text.replace(",", ".")).scaleb(digits)
        whole = int(amount)
    except (InvalidOperation, ValueError, OverflowError):
        raise _no_amount(text, currency, least_minor) from None
    if whole != amount or not least_minor <= whole < MOST_MINOR:
        raise _no_amount(text, currency, least_minor)
    return whole


def _no_amount(text: str, currency: str, least_minor: int) -> Problem:
    above = "above zero, " if least_minor else ""
    detail = f"“{text[:40]}” is no amount of {currency} {above}with at most {minor_digits(currency)} decimals."
    return Problem(422, "bad_amount", "The amount cannot be read", detail)
