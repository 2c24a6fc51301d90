"""Pure: labelled time × prices → FeeReport. The one implementation of the money rule.

Everything here is on the station's clock; what comes in UTC is converted by the session's offset first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.money import MILLION, half_up
from billing.rating.report import FeeReport, NoticeProof, PriceLine
from billing.tariffs import NO_FEE_HOURS, Tariff, no_fee_spans
from sessions.grace import IDLE, Stay, stays
from sessions.machine import Car, Span, Timeline

RULES_VERSION = 1
PIECE_S = 60


class Occupancy(NamedTuple):
    """How full the site was from `at` until the next; `occupied` includes the stall in question."""

    at: int
    occupied: int
    in_service: int


@dataclass(frozen=True, slots=True)
class Context:
    """What a bill needs beside the timeline and the tariff. All times are ours (UTC seconds)."""

    zone: ZoneInfo
    excuses: tuple[Span, ...] = ()  # operators' excuses, labelled with their reason
    notice_accepted_at: int | None = None
    notice_channel: str | None = None  # …and which that was, for the report alone
    notice_id: str | None = None
    occupancy: tuple[Occupancy, ...] = ()


def rate(timeline: Timeline, tariff: Tariff, context: Context) -> FeeReport:
    """What the session costs under the tariff, as far as the timeline goes."""
    holds, without_exclusions = _holding(timeline, tariff, context)
    return FeeReport(
        rules_version=RULES_VERSION,
        tariff=tariff.name,
        tariff_version=tariff.version,
        currency=tariff.currency,
        grace=tariff.grace,
        plugged_in_at=timeline.plugged_in_at,
        ended_at=timeline.ended_at,
        until=timeline.until,
        offset_s=timeline.offset_s,
        not_billable=timeline.not_billable,
        spans=_what_people_see(timeline.car, holds.stays),
        stays=holds.stays,
        chargeable_s=sum(stay.chargeable_s for stay in holds.stays),
        billed_s=holds.billed_s,
        lines=holds.lines,
        fragment_s=holds.fragment_s,
        subtotal_minor=holds.subtotal_minor,
        cap_minor=tariff.cap_minor,
        capped_minor=holds.subtotal_minor - holds.capped_to_minor,
        tax_code=tariff.tax.code if tariff.tax else None,
        tax_included=tariff.tax is None or tariff.tax.included,
        tax_minor=holds.tax_minor,
        fee_minor=holds.fee_minor,
        without_exclusions=without_exclusions,
        notice=_proof(context) if tariff.requires_notice else None,
    )


def _proof(context: Context) -> NoticeProof:
    return NoticeProof(context.notice_accepted_at, context.notice_channel, context.notice_id)


def fee_of(timeline: Timeline, tariff: Tariff, context: Context) -> int:
    """The fee of `rate`, in minor units, without the report: for whoever prices sessions by the million."""
    return _holding(timeline, tariff, context)[0].fee_minor


# -- what is not counted ------------------------------------------------------------------------------------


def _operators_excuses(timeline: Timeline, context: Context) -> list[Span]:
    back_s = timeline.offset_s
    # Sorted, so that of two that overlap the same one is named whichever was recorded first.
    return sorted(Span(at - back_s, end - back_s, f"operator {why}") for at, end, why in context.excuses)


def _conditions(timeline: Timeline, tariff: Tariff, context: Context) -> Iterator[Span]:
    """What the tariff itself does not count: its no-fee hours, and what came before the notice."""
    start, until, offset_s = timeline.plugged_in_at, timeline.until, timeline.offset_s
    if start is None or until is None:
        return
    if tariff.no_fee_hours:
        for free in no_fee_spans(tariff, context.zone, start + offset_s, until + offset_s):
            yield Span(free.start - offset_s, free.end - offset_s, NO_FEE_HOURS)
    if tariff.requires_notice:
        accepted_at = context.notice_accepted_at
        yield Span(start, until if accepted_at is None else accepted_at - offset_s, "no notice")


def _what_people_see(car: Iterable[Span], counted: Iterable[Stay]) -> tuple[Span, ...]:
    """The whole session, its complete time as it was counted."""
    around = [Span(start, end, str(label)) for start, end, label in car if label != Car.COMPLETE]
    return tuple(sorted([*around, *(span for stay in counted for span in stay.spans)]))


# -- what the rest costs ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bill:
    """One way to count the session."""

    stays: tuple[Stay, ...]
    billed_s: int
    lines: tuple[PriceLine, ...]
    fragment_s: int
    subtotal_minor: int
    capped_to_minor: int
    tax_minor: int
    fee_minor: int


def _holding(timeline: Timeline, tariff: Tariff, context: Context) -> tuple[_Bill, bool]:
    """The bill that holds, and whether it is the one that counts everything because that one is lower."""
    exclusions = [*_operators_excuses(timeline, context), *_conditions(timeline, tariff, context)]
    bill = _bill(timeline, tariff, context, exclusions)
    if tariff.tiers and bill.fee_minor and (timeline.excused or exclusions):
        # A minute that is not counted moves the later ones, perhaps to where they cost more.
        whole = _bill(replace(timeline, excused=()), tariff, context, [])
        if whole.fee_minor < bill.fee_minor:
            return whole, True
    return bill, False


def _bill(timeline: Timeline, tariff: Tariff, context: Context, exclusions: Sequence[Span]) -> _Bill:
    counted = stays(timeline, tariff.grace, exclusions)
    idle = [span for stay in counted for span in stay.spans if span.label == IDLE]
    billed_s = sum(end - start for start, end, _ in idle)
    priced = _priced(idle, tariff, context, timeline.offset_s)
    lines = _lines(_pieces(priced, tariff.fragment == "started"))
    subtotal_minor = sum(line.amount_minor for line in lines)
    capped_to_minor = subtotal_minor if tariff.cap_minor is None else min(subtotal_minor, tariff.cap_minor)
    tax_minor, fee_minor = _taxed(tariff, capped_to_minor)
    return _Bill(
        stays=counted,
        billed_s=billed_s,
        lines=lines,
        fragment_s=0 if tariff.fragment == "started" else billed_s % PIECE_S,
        subtotal_minor=subtotal_minor,
        capped_to_minor=capped_to_minor,
        tax_minor=tax_minor,
        fee_minor=fee_minor,
    )


def _taxed(tariff: Tariff, listed_minor: int) -> tuple[int, int]:
    """The tax, and what is paid in all. Included tax is taken out of the listed price, half-up."""
    if tariff.tax is None:
        return 0, listed_minor
    share_ppm = tariff.tax.rate_ppm
    if tariff.tax.included:
        return half_up(listed_minor * share_ppm, MILLION + share_ppm), listed_minor
    tax_minor = half_up(listed_minor * share_ppm, MILLION)
    return tax_minor, listed_minor + tax_minor


class _Priced(NamedTuple):
    """Idle time within which the rate does not change."""

    start: int
    end: int
    rate_minor: int


class _Piece(NamedTuple):
    """So many pieces in a row at one rate."""

    start: int
    end: int
    pieces: int
    rate_minor: int


def _priced(idle: Sequence[Span], tariff: Tariff, context: Context, offset_s: int) -> list[_Priced]:
    if not tariff.tiers:
        return [_Priced(start, end, tariff.rate_minor_per_minute) for start, end, _ in idle]
    samples = sorted(context.occupancy, key=lambda sample: sample.at)
    changes = [(sample.at - offset_s, _rate_at(tariff, sample)) for sample in samples]
    return [priced for span in idle for priced in _split(span, tariff.rate_minor_per_minute, changes)]


def _rate_at(tariff: Tariff, sample: Occupancy) -> int:
    """The rate of the highest threshold reached. With no stall in service none is."""
    rate_minor = tariff.rate_minor_per_minute
    for tier in tariff.tiers:
        if sample.in_service > 0 and sample.occupied * 100 >= tier.from_percent * sample.in_service:
            rate_minor = tier.rate_minor_per_minute
    return rate_minor


def _split(span: Span, rate_minor: int, changes: Iterable[tuple[int, int]]) -> Iterator[_Priced]:
    """`span` cut where the rate changes; `rate_minor` holds until the first change."""
    since = span.start
    for at, then_minor in changes:
        if at >= span.end:
            break
        if at > since:
            yield _Priced(since, at, rate_minor)
            since = at
        rate_minor = then_minor
    yield _Priced(since, span.end, rate_minor)


def _pieces(priced: Iterable[_Priced], fragment_counts: bool) -> Iterator[_Piece]:
    """Idle time glued together and cut into pieces of 60 s, each at the lowest rate at any instant in it."""
    filled_s, piece_start, piece_end, lowest_minor = 0, 0, 0, 0
    for start, end, rate_minor in priced:
        at = start
        if filled_s:
            taken_s = min(PIECE_S - filled_s, end - at)
            filled_s, at, lowest_minor = filled_s + taken_s, at + taken_s, min(lowest_minor, rate_minor)
            piece_end = at
            if filled_s < PIECE_S:
                continue
            yield _Piece(piece_start, piece_end, 1, lowest_minor)
        whole = (end - at) // PIECE_S
        if whole:
            yield _Piece(at, at + whole * PIECE_S, whole, rate_minor)
        piece_start, piece_end, lowest_minor = at + whole * PIECE_S, end, rate_minor
        filled_s = end - piece_start
    if filled_s and fragment_counts:
        yield _Piece(piece_start, piece_end, 1, lowest_minor)


def _lines(pieces: Iterable[_Piece]) -> tuple[PriceLine, ...]:
    lines: list[PriceLine] = []
    for run in pieces:
        start, count = run.start, run.pieces
        if lines and lines[-1].rate_minor == run.rate_minor:
            before = lines.pop()
            start, count = before.start, before.pieces + run.pieces
        lines.append(PriceLine(start, run.end, count, run.rate_minor, count * run.rate_minor))
    return tuple(lines)
