"""Amounts as the processor counts them: a row a boundary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.payments.amounts import (
    MINIMUM,
    NotCounted,
    Split,
    chargeable,
    from_stripe,
    minimum_minor,
    step_minor,
    to_stripe,
)

CURRENCIES = ("USD", "EUR", "HUF", "TWD", "JPY", "KRW", "MGA", "ISK", "UGX", "JOD", "KWD", "TND")


@pytest.mark.parametrize(
    ("amount_minor", "currency", "theirs"),
    [
        (40, "USD", 40),
        (55, "JPY", 55),
        (500, "ISK", 50_000),  # no small coins, and two digits for them all the same
        (500, "UGX", 50_000),
        (17_500, "HUF", 17_500),  # whole forints are for payouts only
        (17_501, "TWD", 17_501),
        (12_300, "MGA", 123),  # ISO counts its fifths in two digits, Stripe in none
        (1_230, "JOD", 1_230),
        (0, "USD", 0),
        (-40, "USD", -40),
    ],
)
def test_an_amount_is_counted_as_the_processor_counts(amount_minor: int, currency: str, theirs: int) -> None:
    assert to_stripe(amount_minor, currency) == theirs
    assert from_stripe(theirs, currency) == amount_minor


@pytest.mark.parametrize(("amount_minor", "currency"), [(1_234, "JOD"), (12_345, "MGA"), (5, "KWD")])
def test_what_it_would_refuse_for_its_last_digit_is_not_sent(amount_minor: int, currency: str) -> None:
    with pytest.raises(NotCounted):
        to_stripe(amount_minor, currency)


def test_a_fraction_of_a_krona_is_an_error_rather_than_rounded() -> None:
    with pytest.raises(NotCounted):
        from_stripe(12_345, "ISK")


@pytest.mark.parametrize(
    ("amount_minor", "currency", "split"),
    [
        (0, "USD", (0, 0)),
        (49, "USD", (0, 49)),
        (50, "USD", (50, 0)),
        (29, "GBP", (0, 29)),
        (30, "GBP", (30, 0)),
        (49, "JPY", (0, 49)),
        (50, "JPY", (50, 0)),
        (17_499, "HUF", (0, 17_499)),
        (17_500, "HUF", (17_500, 0)),
        (350, "JOD", (0, 350)),  # one minute of the Jordanian preset: below half a dollar
        (359, "JOD", (0, 359)),
        (364, "JOD", (360, 4)),
        (1_400, "JOD", (1_400, 0)),
        (1_405, "JOD", (1_400, 5)),
        (12_345, "MGA", (12_300, 45)),
        (99_999_999, "USD", (99_999_999, 0)),
        (100_000_000, "USD", (99_999_999, 1)),
        (1_000_000, "ISK", (999_999, 1)),
        (100_000_000, "JOD", (99_999_990, 10)),
    ],
)
def test_what_can_be_charged_now_and_what_is_carried(amount_minor: int, currency: str, split: tuple[int, int]) -> None:
    assert chargeable(amount_minor, currency) == Split(*split)


@given(st.integers(0, 10**12), st.sampled_from(CURRENCIES))
def test_no_part_of_an_amount_is_lost_and_what_is_charged_can_be_said(amount_minor: int, currency: str) -> None:
    now_minor, carried_minor = chargeable(amount_minor, currency)
    assert now_minor + carried_minor == amount_minor
    assert now_minor == 0 or now_minor >= minimum_minor(currency)
    assert from_stripe(to_stripe(now_minor, currency), currency) == now_minor
    assert carried_minor < max(minimum_minor(currency), step_minor(currency)) or now_minor > 0


def test_every_minimum_can_be_charged() -> None:
    for currency, minimum in MINIMUM.items():
        assert chargeable(minimum, currency) == Split(minimum, 0)
