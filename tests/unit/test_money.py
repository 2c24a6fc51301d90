"""Money: whole minor units, rounding, digits of currencies."""

import pytest

from billing.money import CurrencyMismatch, Money, format_money, half_up, is_currency, minor_digits


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(0, 3, 0), (1, 2, 1), (1, 3, 0), (2, 3, 1), (149, 100, 1), (150, 100, 2), (151, 100, 2), (5, 1, 5)],
)
def test_a_half_goes_up_and_down_alike(numerator: int, denominator: int, expected: int) -> None:
    assert half_up(numerator, denominator) == expected
    assert half_up(-numerator, denominator) == -expected


def test_rounding_is_exact_where_a_float_is_not() -> None:
    large = 10**18 + 1
    assert half_up(large * 2, 2) == large


@pytest.mark.parametrize("denominator", [0, -1])
def test_a_fraction_has_a_denominator_above_zero(denominator: int) -> None:
    with pytest.raises(ValueError, match="above 0"):
        half_up(1, denominator)


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("USD", 2), ("CAD", 2), ("EUR", 2), ("GBP", 2), ("NOK", 2), ("JPY", 0), ("JOD", 3), ("BHD", 3)],
)
def test_minor_digits(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("code", ["usd", "US", "ZZZ", "", "USDX"])
def test_what_is_no_currency(code: str) -> None:
    assert not is_currency(code)
    with pytest.raises(ValueError, match="no ISO 4217 currency"):
        minor_digits(code)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "locale", "expected"),
    [
        (40, "USD", "en_US", "$0.40"),
        (1_934_00, "USD", "en_US", "$1,934.00"),
        (-2_00, "USD", "en_US", "-$2.00"),
        (0, "USD", "en_US", "$0.00"),
        (550, "JPY", "en_US", "¥550"),
        (1_400, "JOD", "en_US", "JOD\xa01.400"),
        (1_234_50, "EUR", "de_DE", "1.234,50\xa0€"),
        (10**17 + 1, "USD", "en_US", "$1,000,000,000,000,000.01"),
    ],
)
def test_an_amount_as_people_write_it(amount_minor: int, currency: str, locale: str, expected: str) -> None:
    assert format_money(amount_minor, currency, locale) == expected


def test_amounts_of_one_currency_add_up() -> None:
    assert Money(2_00, "USD") + Money(40, "USD") - Money(1_40, "USD") == Money(1_00, "USD")
    assert str(-Money(1_00, "USD")) == "-$1.00"


def test_amounts_of_two_currencies_do_not() -> None:
    with pytest.raises(CurrencyMismatch, match="cannot add EUR to USD") as caught:
        Money(1, "USD") + Money(1, "EUR")
    assert (caught.value.left, caught.value.right) == ("USD", "EUR")
