"""A tariff in plain words: what anybody reads before they plug in, and what changed between two versions. Pure.

Nothing is priced here: worked examples come from the one implementation of the money rule (`billing.prices`).
"""

from decimal import Decimal
from typing import NamedTuple

from babel.numbers import format_decimal

from billing.money import format_money
from billing.tariffs.model import DAYS, NoFeeHours, Tariff
from sessions.grace import GraceMode

LOCALE = "en_US"
_DAY_NAMES = {
    "mon": "Mondays",
    "tue": "Tuesdays",
    "wed": "Wednesdays",
    "thu": "Thursdays",
    "fri": "Fridays",
    "sat": "Saturdays",
    "sun": "Sundays",
}
PPM_A_PERCENT = 10_000


class Term(NamedTuple):
    """One thing a tariff says; `topic` is the same in every tariff."""

    topic: str
    says: str


class Changed(NamedTuple):
    """A topic of which two versions say different things; an empty side says nothing of it."""

    topic: str
    before: str
    after: str


def terms_of(tariff: Tariff) -> list[Term]:
    """Everything the tariff says that bears on a bill, in the order in which it matters to who reads it."""
    found = [
        Term("Grace", _grace(tariff)),
        Term("Rate", _rate(tariff)),
        Term("Occupancy", _occupancy(tariff)),
        Term("Minutes", _fragment(tariff)),
        Term("Limit", _limit(tariff)),
        Term("Free hours", " ".join(_free_hours(hours) for hours in tariff.no_fee_hours)),
        Term("Tax", _tax(tariff)),
        Term("Notice", _notice(tariff)),
        Term("Review", _review(tariff)),
    ]
    return [term for term in found if term.says]


def changes(before: Tariff, after: Tariff) -> list[Changed]:
    """What `after` says differently, topic by topic; nothing where both bill the same."""
    was, is_now = ({term.topic: term.says for term in terms_of(one)} for one in (before, after))
    return [
        Changed(topic, was.get(topic, ""), is_now.get(topic, ""))
        for topic in dict.fromkeys((*was, *is_now))
        if was.get(topic) != is_now.get(topic)
    ]


def percent(rate_ppm: int) -> str:
    """Parts per million as people write a rate: `19 %`, `8.875 %`."""
    exact = (Decimal(rate_ppm) / PPM_A_PERCENT).normalize()
    return f"{format_decimal(exact, format='0.####', locale=LOCALE)}\N{NO-BREAK SPACE}%"


def _grace(tariff: Tariff) -> str:
    if not tariff.grace.grace_s:
        return "There is no free time: the fee runs from the moment your car is full."
    free = _length(tariff.grace.grace_s)
    again = (
        f"You get them again once the car has charged for {_length(tariff.grace.grace_again_after_s)} without a break."
    )
    if tariff.grace.mode is GraceMode.WAIVE:
        return f"Leave within {free} of being full and you pay nothing. Who stays longer pays from the first minute on."
    return f"The first {free} after your car is full are free. {again}"


def _rate(tariff: Tariff) -> str:
    if not tariff.rate_minor_per_minute:
        if tariff.tiers:
            return "Nothing, while enough stalls are free."
        return "There is no idle fee."
    return f"Then {_money(tariff, tariff.rate_minor_per_minute)} a minute until you unplug."


def _occupancy(tariff: Tariff) -> str:
    tiers = [
        f"{_money(tariff, tier.rate_minor_per_minute)} a minute "
        + (
            "when every stall is taken"
            if tier.from_percent == 100
            else f"from {tier.from_percent}\N{NO-BREAK SPACE}% of the stalls taken"
        )
        for tier in tariff.tiers
    ]
    if not tiers:
        return ""
    return f"{'; '.join(tiers)}. Of each minute the lowest rate in it counts."


def _fragment(tariff: Tariff) -> str:
    if tariff.fragment == "started":
        return "A minute that has begun counts as a whole one."
    return "Only whole minutes count: what is left over is free."


def _limit(tariff: Tariff) -> str:
    return "" if tariff.cap_minor is None else f"A session never costs more than {_money(tariff, tariff.cap_minor)}."


def _free_hours(hours: NoFeeHours) -> str:
    ends = " the next day" if hours.end_s > 86_400 else ""
    return f"No fee from {hours.start} to {hours.end}{ends}, {_days(hours)}."


def _days(hours: NoFeeHours) -> str:
    chosen = [_DAY_NAMES[day] for day in DAYS if day in hours.days]
    if len(chosen) == len(DAYS):
        return "every day"
    return " and ".join(filter(None, (", ".join(chosen[:-1]), chosen[-1])))


def _tax(tariff: Tariff) -> str:
    if tariff.tax is None:
        return ""
    named = f"{tariff.tax.code} of {percent(tariff.tax.rate_ppm)}"
    return f"These prices include {named}." if tariff.tax.included else f"{named} is added to these prices."


def _notice(tariff: Tariff) -> str:
    if not tariff.requires_notice:
        return ""
    return "Time counts only once we could tell you that your car is full. If we could not, there is no fee."


def _review(tariff: Tariff) -> str:
    if tariff.review_above_minor is None:
        return ""
    return f"A person looks at every fee above {_money(tariff, tariff.review_above_minor)} before you owe it."


def _money(tariff: Tariff, amount_minor: int) -> str:
    return format_money(amount_minor, tariff.currency, LOCALE)


def _length(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    parts = [f"{minutes} minute{'s' * (minutes != 1)}"] if minutes else []
    parts += [f"{rest} second{'s' * (rest != 1)}"] if rest or not minutes else []
    return " ".join(parts)
