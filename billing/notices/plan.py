"""Pure: the moments at which the owner of a full car is to be told, and which of them to tell now.

Of several that have come only the latest is told: a worker that was down tells the present, not the past. No words
here, no database; what a moment means for the bill is `moments`' and the rating's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from billing.notices.kinds import CHARGE_COMPLETE, FEE_BEGUN, FEE_STEP, ONE_MINUTE_LEFT
from billing.notices.moments import first_charged
from billing.rating import PIECE_S, FeeReport
from billing.tariffs import Tariff
from sessions.grace import IDLE
from sessions.machine import Span

MINUTE_S = 60
STANDING = (CHARGE_COMPLETE, ONE_MINUTE_LEFT, FEE_BEGUN, FEE_STEP)
"""What is told of a car that stands full; a later one says all that an earlier one does."""


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """Something to tell at `at` (UTC seconds, our clock)."""

    at: int
    kind: str


@dataclass(frozen=True, slots=True)
class Told:
    """A notice of a full car that its owner already has."""

    kind: str
    at: int


def moments(ahead: FeeReport, tariff: Tariff) -> list[Moment]:
    """The moments of the stay that a car stands in, in order; `ahead` is the bill of one that never moves."""
    stay = ahead.stays[-1]
    begins = first_charged(stay, ahead.grace)
    if begins is None:
        return []
    steps = [Moment(at + ahead.offset_s, FEE_STEP) for at in _steps(ahead, tariff, begins)]
    begun = begins + ahead.offset_s
    last_minute = [Moment(begun - MINUTE_S, ONE_MINUTE_LEFT)] if begins - MINUTE_S >= stay.start else []
    return [*last_minute, Moment(begun, FEE_BEGUN), *steps]


def _steps(ahead: FeeReport, tariff: Tariff, begins: int) -> Iterator[int]:
    """When, after the fee began, each further step of it is reached: so many minutes billed, or so much more to pay."""
    minutes, so_far_minor = 0, 0
    told_minutes, told_minor = 0, 0
    for at, rate_minor in zip(_billed_minutes(ahead), _rates(ahead), strict=False):
        minutes, so_far_minor = minutes + 1, so_far_minor + rate_minor
        if at <= begins:
            told_minutes, told_minor = minutes, so_far_minor
        elif (
            minutes - told_minutes >= tariff.fee_steps.every_minutes
            or so_far_minor - told_minor >= tariff.fee_step_minor
        ):
            told_minutes, told_minor = minutes, so_far_minor
            yield at


def _billed_minutes(ahead: FeeReport) -> Iterator[int]:
    """The moment, on the station's clock, at which each billed minute is complete."""
    billed_s = 0
    for start, end, _ in _idle(ahead):
        missing_s = PIECE_S - billed_s % PIECE_S
        yield from range(start + missing_s, end + 1, PIECE_S)
        billed_s += end - start


def _idle(ahead: FeeReport) -> Iterator[Span]:
    return (span for stay in ahead.stays for span in stay.spans if span.label == IDLE)


def _rates(ahead: FeeReport) -> Iterator[int]:
    return (line.rate_minor for line in ahead.lines for _ in range(line.pieces))


@dataclass(frozen=True, slots=True)
class Due:
    """What a look at a full car comes to: what to tell now, and when to look again; none: nothing, never."""

    tell: Moment | None
    next_at: int | None


def due(plan: Sequence[Moment], told: Sequence[Told], now: int, charged_from: int | None) -> Due:
    """`charged_from` is the next second that costs (none: none in sight), as `Outlook` has it."""
    if charged_from is None:
        return Due(None, None)
    come = [one for one in plan if one.at <= now]
    later = next((one.at for one in plan if one.at > now), None)
    last = come[-1] if come else None
    if last is None or _is_told(last, told):
        return Due(None, later)
    if last.kind != ONE_MINUTE_LEFT and charged_from > now:
        # The fee pauses: a fault, an excuse, free hours. It is told of when it runs again.
        return Due(None, charged_from if later is None else min(later, charged_from))
    return Due(last, later)


def _is_told(moment: Moment, told: Sequence[Told]) -> bool:
    """Facts that come late move a moment by seconds: a notice less than a minute before it was about it."""
    for one in told:
        about = one.at > moment.at - MINUTE_S
        if moment.kind == FEE_BEGUN and one.kind in (CHARGE_COMPLETE, ONE_MINUTE_LEFT):
            about = one.kind == CHARGE_COMPLETE and one.at >= moment.at  # before, it named a deadline
        if moment.kind == FEE_STEP and one.kind == ONE_MINUTE_LEFT:
            about = False
        if about:
            return True
    return False
