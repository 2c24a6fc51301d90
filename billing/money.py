"""Money: whole minor units of an ISO 4217 currency. Nothing in here, or that uses it, is a float."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from babel import Locale
from babel.numbers import NumberPattern, parse_pattern
from iso4217 import Currency

MILLION = 1_000_000  # tax rates are parts per million

# The locale data asks for a space between letters and digits, and its library leaves it out.
_TOUCHING = re.compile(r"(?<=[^\W\d_])(?=\d)")


class CurrencyMismatch(Exception):
    """Two amounts of different currencies cannot be added."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"cannot add {right} to {left}")
        self.left = left
        self.right = right


@dataclass(frozen=True, slots=True)
class Money:
    """An amount and its currency. Adding two currencies raises CurrencyMismatch."""

    amount_minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + -other

    def __str__(self) -> str:
        return format_money(self.amount_minor, self.currency)


@cache
def is_currency(code: str) -> bool:
    """Whether `code` is a currency of ISO 4217 that has minor digits (gold and test codes have none)."""
    return _exponent(code) is not None


def _exponent(code: str) -> int | None:
    """ISO 4217's own number of minor digits. Locale data would say 0 where a currency's small coins are out of use."""
    try:
        return Currency(code).exponent
    except ValueError:
        return None


@cache
def minor_digits(currency: str) -> int:
    """How many digits of the amount are minor units: USD 2, JPY 0, JOD 3."""
    exponent = _exponent(currency)
    if exponent is None:
        raise ValueError(f"{currency!r} is no ISO 4217 currency")
    return exponent


def decimal_text(amount_minor: int, currency: str) -> str:
    """`-2.40`, `55`: the amount in whole units."""
    digits = minor_digits(currency)
    whole, part = divmod(abs(amount_minor), 10**digits)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{whole}.{part:0{digits}}" if digits else f"{sign}{whole}"


def half_up(numerator: int, denominator: int) -> int:
    """The nearest integer to the fraction; a half goes away from zero, as people round money."""
    if denominator <= 0:
        raise ValueError(f"the denominator must be above 0, but is {denominator}")
    nearest = (2 * abs(numerator) + denominator) // (2 * denominator)
    return nearest if numerator >= 0 else -nearest


def format_money(amount_minor: int, currency: str, locale: str = "en_US") -> str:
    """The amount as people of `locale` write it: `$0.40`, `¥55`, `JOD 0.350`."""
    digits = minor_digits(currency)
    amount = Decimal((amount_minor < 0, tuple(int(digit) for digit in str(abs(amount_minor))), -digits))
    pattern = _pattern(locale, digits)
    return _TOUCHING.sub("\N{NO-BREAK SPACE}", pattern.apply(amount, locale, currency=currency, currency_digits=False))


@cache
def _pattern(locale: str, digits: int) -> NumberPattern:
    """How `locale` writes an amount, with ISO's number of minor digits instead of its own."""
    pattern = parse_pattern(Locale.parse(locale).currency_formats["standard"].pattern)
    pattern.frac_prec = (digits, digits)
    return pattern
