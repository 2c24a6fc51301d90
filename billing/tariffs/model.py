"""What a tariff is: a grace policy, prices and conditions. Versioned, immutable, checked as a whole.

No reading of files here (`files`), no local time (`hours`), no price of anything (`billing.rating`).
"""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from billing.money import is_currency, minor_digits
from sessions.grace import GracePolicy

DAYS: tuple["Day", ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

# Limits far beyond any real price, so that no sum of a session can leave a 64-bit column.
_Rate = Annotated[int, Field(ge=0, le=10**9)]
_Amount = Annotated[int, Field(ge=0, le=10**15)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
_Prose = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$", max_length=20_000)]

_STRICT = ConfigDict(frozen=True, strict=True, extra="forbid")
_START = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_END = re.compile(r"(([01]\d|2[0-3]):[0-5]\d|24:00)", re.ASCII)


class Tier(BaseModel):
    """From this share of occupied stalls on, this rate holds instead of the base rate."""

    model_config = _STRICT

    from_percent: Annotated[int, Field(ge=1, le=100)]
    rate_minor_per_minute: _Rate


class NoFeeHours(BaseModel):
    """Hours of the site's local day in which nothing is counted; `days` are those on which they begin."""

    model_config = _STRICT

    days: tuple[Day, ...] = DAYS
    start: str
    end: str

    @field_validator("days")
    @classmethod
    def _names_a_day(cls, days: tuple[Day, ...]) -> tuple[Day, ...]:
        if not days:
            raise ValueError("must name at least one day, or be left out for every day")
        return days

    @field_validator("start")
    @classmethod
    def _start_is_a_time_of_day(cls, start: str) -> str:
        if not _START.fullmatch(start):
            raise ValueError("must be a time of day such as 22:00")
        return start

    @field_validator("end")
    @classmethod
    def _end_is_a_time_of_day(cls, end: str) -> str:
        if not _END.fullmatch(end):
            raise ValueError("must be a time of day such as 06:00, or 24:00")
        return end

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start == self.end:
            raise ValueError("start and end are equal: for a whole day write 00:00 to 24:00")
        return self

    @property
    def start_s(self) -> int:
        """Seconds since local midnight."""
        return _seconds(self.start)

    @property
    def end_s(self) -> int:
        """Seconds since the same midnight: beyond 86,400 where the hours pass the next one."""
        end_s = _seconds(self.end)
        return end_s if end_s > self.start_s else end_s + 86_400


def _seconds(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 3600 + int(minutes) * 60


class Tax(BaseModel):
    """A tax on the fee. Listed prices include it unless `included` is false."""

    model_config = _STRICT

    code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
    rate_ppm: Annotated[int, Field(ge=0, le=1_000_000)]  # parts per million: 190_000 is 19 %, 88_750 is 8.875 %
    included: bool = True


class FeeSteps(BaseModel):
    """While a fee runs, its owner is told again after so many billed minutes, or so much more to pay, whichever comes
    first. No bill depends on it.
    """

    model_config = _STRICT

    every_minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    every_minor: Annotated[int | None, Field(ge=1, le=10**15)] = None  # none: five of the currency's major unit


class Tariff(BaseModel):
    """One version of a tariff. Amounts are minor units of `currency`."""

    model_config = _STRICT

    name: _Name
    version: Annotated[int, Field(ge=1, le=10**6)] = 1
    currency: str
    rate_minor_per_minute: _Rate
    grace: GracePolicy = GracePolicy()
    fragment: Literal["completed", "started"] = "completed"  # is the last part of a minute free, or a minute?
    cap_minor: _Amount | None = None
    tiers: tuple[Tier, ...] = ()
    no_fee_hours: tuple[NoFeeHours, ...] = ()
    requires_notice: bool = False
    review_above_minor: _Amount | None = None
    tax: Tax | None = None
    fee_steps: FeeSteps = FeeSteps()
    sources: _Prose = ""  # where the tariff comes from: a law, an announcement, a decision

    @field_validator("currency")
    @classmethod
    def _currency_exists(cls, currency: str) -> str:
        if not is_currency(currency):
            raise ValueError("must be an ISO 4217 currency such as USD")
        return currency

    @field_validator("tiers")
    @classmethod
    def _tiers_ascend(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        thresholds = [tier.from_percent for tier in tiers]
        if thresholds != sorted(set(thresholds)):
            raise ValueError("must be in ascending order of from_percent, each once")
        return tiers

    @property
    def fee_step_minor(self) -> int:
        """How much more to pay is worth a notice."""
        every_minor = self.fee_steps.every_minor
        return 5 * 10 ** minor_digits(self.currency) if every_minor is None else every_minor
