"""A tariff in plain words, and what two versions say differently; the amounts beside them are the rating's own."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.prices import STAYS_S, examples
from billing.tariffs import Tariff, Tax, Tier, preset, preset_names
from billing.tariffs.words import Changed, changes, percent, terms_of
from sessions.grace import GraceMode, GracePolicy

BERLIN = ZoneInfo("Europe/Berlin")
NOON = 1_800_000_000


def tariff(**more: object) -> Tariff:
    return Tariff.model_validate({"name": "t", "currency": "EUR", "rate_minor_per_minute": 40} | more)


@pytest.mark.parametrize(
    ("ppm", "said"), [(190_000, "19"), (88_750, "8.875"), (1, "0.0001"), (1_000_000, "100"), (0, "0")]
)
def test_a_tax_rate_is_written_as_people_write_it(ppm: int, said: str) -> None:
    assert percent(ppm) == f"{said}\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_said(name: str) -> None:
    terms = terms_of(preset(name))
    assert {"Grace", "Rate", "Minutes"} <= {term.topic for term in terms}
    assert all(term.says.endswith(".") for term in terms)


def test_only_what_differs_has_changed() -> None:
    before, after = tariff(), tariff(cap_minor=500, tax=Tax(code="VAT", rate_ppm=70_000))
    assert changes(before, before.model_copy(update={"version": 2, "sources": "a letter"})) == []
    assert changes(before, after) == [
        Changed("Limit", "", "A session never costs more than €5.00."),
        Changed("Tax", "", "These prices include VAT of 7\N{NO-BREAK SPACE}%."),
    ]
    assert [one.after for one in changes(after, before)] == ["", ""]


def test_those_who_stay_under_a_waiver_pay_from_the_first_minute_on() -> None:
    waives = tariff(grace=GracePolicy(mode=GraceMode.WAIVE, grace_s=90))
    assert terms_of(waives)[0].says.startswith("Leave within 1 minute 30 seconds of being full and you pay nothing.")
    assert terms_of(tariff(grace=GracePolicy(grace_s=0)))[0].says.startswith("There is no free time")


@given(
    rate_minor=st.integers(0, 500),
    grace_s=st.integers(0, 3600),
    cap_minor=st.none() | st.integers(0, 10_000),
    tiers=st.lists(st.integers(1, 100), unique=True, max_size=3).map(sorted),
)
def test_leaving_within_the_grace_is_free_and_staying_longer_is_never_cheaper(
    rate_minor: int, grace_s: int, cap_minor: int | None, tiers: list[int]
) -> None:
    steps = tuple(Tier(from_percent=share, rate_minor_per_minute=rate_minor + share) for share in tiers)
    asked = tariff(
        rate_minor_per_minute=rate_minor, grace=GracePolicy(grace_s=grace_s), cap_minor=cap_minor, tiers=steps
    )
    rows = [[one.report.fee_minor for one in row] for row in examples(asked, BERLIN, NOON)]
    assert len(rows) == 1 + len(STAYS_S)
    assert set(rows[0]) == {0}
    for level in zip(*rows, strict=True):
        assert list(level) == sorted(level)
    for row in rows:
        assert row == sorted(row)
    assert rows[2][0] == min(12 * rate_minor, 10**9 if cap_minor is None else cap_minor)
