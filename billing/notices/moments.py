"""Pure: from when on a full car costs, given the facts so far and a moment. No words here, no database."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.rating import FeeReport
from billing.tariffs import Tariff
from sessions.events import Event, EventType
from sessions.grace import EXCUSED, GraceMode, GracePolicy, Stay
from sessions.machine import Car, Span, Timeline, fold

NOT_USED = ("conflict", "voided")  # what the fold keeps and leaves aside


@dataclass(frozen=True, slots=True)
class Outlook:
    """What staying costs. Moments are ours (UTC seconds); amounts are minor units of `currency`."""

    charged_from: int | None  # the next second that is charged; none: none in sight
    running_since: int | None  # since when the fee has been running; none: it is not
    so_far_minor: int
    currency: str
    lowest_minor: int
    highest_minor: int
    tax_on_top: bool


def unmoved(heard: Timeline, session: str, until: int) -> Timeline:
    """The session as it is at `until`, on the station's clock, if nothing more happens after the last word."""
    used = (one.event for one in heard.judged if one.ignored not in NOT_USED)
    return fold(used, session=session, until=max(until, heard.until or until))


def completed(heard: Timeline, session: str, at: int, until: int) -> Timeline:
    """The session as it would be at `until` if its car were full from `at` on, both on the station's clock."""
    used = [one.event for one in heard.judged if one.ignored not in NOT_USED]
    full = Event(at, None, EventType.CHARGE_COMPLETE, "estimate", heard.stall, session, None, None, None, b"")
    return fold([*used, full], session=session, until=until)


def restarts_notices(car: Sequence[Span], min_resume_s: int) -> bool:
    """Whether the car's last completion is news: the first, or after at least `min_resume_s` of charging.

    A shorter blip (balancing, preconditioning) restarts no notices.
    """
    *earlier, last = car
    if last.label != Car.COMPLETE:
        return False
    if not any(span.label == Car.COMPLETE for span in earlier):
        return True
    resumed = earlier[-1]
    return resumed.label == Car.CHARGING and resumed.end - resumed.start >= min_resume_s


def outlook_at(so_far: FeeReport, ahead: FeeReport, tariff: Tariff, now: int) -> Outlook:
    """`so_far` is the bill up to `now`, `ahead` the one of a car that never moves, as long as anybody can tell."""
    rates = [tariff.rate_minor_per_minute, *(tier.rate_minor_per_minute for tier in tariff.tiers)]
    at, stay = now - ahead.offset_s, ahead.stays[-1]
    costs = any(rates) and (tariff.cap_minor is None or so_far.subtotal_minor < tariff.cap_minor)
    begins = first_charged(stay, ahead.grace) if costs else None
    charged_from = None if begins is None else _charged_next(stay, max(begins, at))
    running = begins is not None and charged_from is not None and charged_from <= at
    return Outlook(
        charged_from=None if charged_from is None else charged_from + ahead.offset_s,
        running_since=_running_since(stay, begins, ahead.grace, at) + ahead.offset_s if running and begins else None,
        so_far_minor=so_far.fee_minor,
        currency=ahead.currency,
        lowest_minor=min(rates),
        highest_minor=max(rates),
        tax_on_top=tariff.tax is not None and not tariff.tax.included,
    )


def first_charged(stay: Stay, policy: GracePolicy) -> int | None:
    """The first second of the stay beyond its grace: until then leaving costs nothing, in either mode."""
    left_s = policy.grace_s
    for start, end, label in stay.spans:
        if label.startswith(EXCUSED):
            continue
        if end - start > left_s:
            return start + left_s
        left_s -= end - start
    return None


def _charged_next(stay: Stay, at: int) -> int | None:
    """The first second from `at` on that is not excluded."""
    return next((max(start, at) for start, end, why in stay.spans if end > at and not why.startswith(EXCUSED)), None)


def _running_since(stay: Stay, begins: int, policy: GracePolicy, at: int) -> int:
    """Since when the fee has been running without a break, `at` among it."""
    since = stay.start if policy.mode is GraceMode.WAIVE else begins
    unbroken = [span for span in stay.spans if span.start <= at and not span.label.startswith(EXCUSED)]
    start = unbroken[-1].start
    for earlier in reversed(unbroken[:-1]):
        if earlier.end != start:
            break
        start = earlier.start
    return max(since, start)
