"""No-fee hours in a site's local time, as UTC spans. Both DST nights come out as the clock on the wall says:
an hour that occurs twice is free twice, one that never occurs is free never.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from billing.tariffs.model import DAYS, NoFeeHours, Tariff
from sessions.machine import Span

NO_FEE_HOURS = "no-fee hours"

_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday


def no_fee_spans(tariff: Tariff, zone: ZoneInfo, start_utc: int, end_utc: int) -> list[Span]:
    """The no-fee hours within [start_utc, end_utc), disjoint and in order; UTC seconds."""
    return hours_spans(tariff.no_fee_hours, zone, start_utc, end_utc)


def hours_spans(hours: Sequence[NoFeeHours], zone: ZoneInfo, start_utc: int, end_utc: int) -> list[Span]:
    """The same of any such hours."""
    found = [
        Span(max(start, start_utc), min(end, end_utc), NO_FEE_HOURS)
        for day in range(start_utc // _DAY_S, -(-end_utc // _DAY_S))
        for run in _constant_offsets(zone, day)
        for start, end in _free(hours, *run)
        if start < end_utc and end > start_utc
    ]
    return _joined(sorted(found)) if found else found


def _free(hours: Sequence[NoFeeHours], start: int, end: int, offset_s: int) -> Iterator[tuple[int, int]]:
    """Within [start, end), where local time is UTC plus `offset_s`: the UTC spans of `hours`."""
    first_day, last_day = (start + offset_s) // _DAY_S - 1, (end + offset_s - 1) // _DAY_S
    for day in range(first_day, last_day + 1):
        weekday = DAYS[(day + _EPOCH_WEEKDAY) % 7]
        midnight = day * _DAY_S - offset_s
        for one in hours:
            free_from, free_to = max(midnight + one.start_s, start), min(midnight + one.end_s, end)
            if weekday in one.days and free_from < free_to:
                yield free_from, free_to


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined = [spans[0]]
    for span in spans[1:]:
        if span.start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end), span.label)
        else:
            joined.append(span)
    return joined


@lru_cache(maxsize=4096)
def _constant_offsets(zone: ZoneInfo, day: int) -> tuple[tuple[int, int, int], ...]:
    """The UTC day number `day` in runs of one local offset: (start, end, offset_s). No zone has a day of three."""
    start, end = day * _DAY_S, (day + 1) * _DAY_S
    first, last = _offset_s(zone, start), _offset_s(zone, end - 1)
    if first == last:
        return ((start, end, first),)
    before, after = start, end - 1
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset_s(zone, middle) == first else (before, middle)
    return (start, after, first), (after, end, last)


def _offset_s(zone: ZoneInfo, at: int) -> int:
    offset = (_EPOCH + timedelta(seconds=at)).astimezone(zone).utcoffset()
    if offset is None:
        raise ValueError(f"{zone} has no offset")
    return offset // timedelta(seconds=1)
