"""A FeeReport in plain sentences: what happened, what was not counted, the arithmetic, what is to pay.

Reads a report and nothing else: whoever has the stored report can explain the bill.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date

from billing.money import format_money
from billing.rating.report import FeeReport, PriceLine
from billing.tariffs import NO_FEE_HOURS
from sessions.grace import EXCUSED, GRACE, IDLE, GraceMode
from sessions.machine import Span

_NOT_BILLABLE = {
    "no_plug_in": "The station never reported that a car was plugged in.",
    "no_completion": "The station reported no completed charge.",
    "complete_after_unplug": "The charge was reported complete only after the car had left.",
}


def explain(report: FeeReport, zone: ZoneInfo, locale: str = "en_US") -> list[str]:
    """The report in sentences, with times of `zone` and money as `locale` writes it."""
    return list(_Words(report, zone, locale).sentences())


def duration(seconds: int) -> str:
    """`5 minutes`, `1 hour 1 second`: every part that is not zero."""
    parts = ((seconds // 3600, "hour"), (seconds // 60 % 60, "minute"), (seconds % 60, "second"))
    return " ".join(_count(number, unit) for number, unit in parts if number) or "0 seconds"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


class _Words:
    """The sentences about one report."""

    def __init__(self, report: FeeReport, zone: ZoneInfo, locale: str) -> None:
        self.report = report
        self.zone = zone
        self.locale = locale
        self.counted = [span for stay in report.stays for span in stay.spans]

    def sentences(self) -> Iterator[str]:
        yield from self._what_happened()
        yield from self._what_was_not_counted()
        yield from self._grace()
        yield from self._arithmetic()
        yield self._what_is_to_pay()

    # -- what happened ----------------------------------------------------------------------------------

    def _what_happened(self) -> Iterator[str]:
        report = self.report
        if report.plugged_in_at is not None:
            yield f"Plugged in on {self._day(report.plugged_in_at)} at {self._time(report.plugged_in_at)}."
        if report.not_billable:
            yield _NOT_BILLABLE.get(report.not_billable, "This session cannot be billed.")
        if self.counted:
            yield f"The charge was complete at {self._time(self.counted[0].start)}."
        if report.ended_at is not None:
            yield f"Unplugged at {self._time(report.ended_at)}."
        elif report.until is not None:
            yield f"No unplug is known. We counted until {self._time(report.until)}."

    def _what_was_not_counted(self) -> Iterator[str]:
        for span in self.counted:
            if span.label.startswith(EXCUSED):
                yield f"{self._why(span)} We did not count that time."

    def _why(self, span: Span) -> str:
        why = span.label.removeprefix(EXCUSED)
        kind, _, detail = why.partition(" ")
        when = f"from {self._time(span.start)} to {self._time(span.end)}"
        if kind == "fault":
            return f"The charger had a fault {when} ({detail.replace('+', ', ')})."
        if kind == "operator":
            return f"The operator excused the time {when} ({detail})."
        if why == NO_FEE_HOURS:
            return f"There is no fee {when}."
        return f"No notice had reached you {when}."

    # -- grace and price --------------------------------------------------------------------------------

    def _grace(self) -> Iterator[str]:
        report = self.report
        if report.without_exclusions:
            yield "Leaving out excused time would have made the bill higher, so all time was counted."
        for number, stay in enumerate(report.stays):
            free = [span for span in stay.spans if span.label == GRACE]
            if free:
                which = "A new grace period" if number else "Your grace period"
                ran = f"from {self._time(free[0].start)} to {self._time(free[-1].end)}"
                yield f"{which} ran {ran}: {duration(stay.free_s)} free."
            elif stay.billed_s and report.grace.mode is GraceMode.WAIVE:
                limit = duration(report.grace.grace_s)
                yield f"The car stayed longer than the {limit} of grace, so the time counts from its start."

    def _arithmetic(self) -> Iterator[str]:
        report = self.report
        for span in self.counted:
            if span.label == IDLE:
                ran = f"from {self._time(span.start)} to {self._time(span.end)}"
                yield f"The idle fee ran {ran}: {duration(span.end - span.start)}."
        for line in report.lines:
            yield self._line(line)
        if report.fragment_s:
            verb = "was" if report.fragment_s == 1 else "were"
            yield f"{_count(report.fragment_s, 'second')} {verb} left over and cost nothing."
        if len(report.lines) > 1:
            yield f"Together that makes {self._money(report.subtotal_minor)}."
        if report.capped_minor and report.cap_minor is not None:
            cap, off = self._money(report.cap_minor), self._money(report.capped_minor)
            yield f"A session never costs more than {cap}, so {off} is left out."
        if report.tax_minor:
            verb = "is in that price" if report.tax_included else "is added"
            yield f"Tax ({report.tax_code}) of {self._money(report.tax_minor)} {verb}."

    def _line(self, line: PriceLine) -> str:
        report = self.report
        begun = report.billed_s % 60 and not report.fragment_s and line is report.lines[-1]
        minutes = _count(line.pieces, "minute") + (", the last one begun," if begun else "")
        verb = "makes" if line.pieces == 1 else "make"
        return f"{minutes} at {self._money(line.rate_minor)} {verb} {self._money(line.amount_minor)}."

    def _what_is_to_pay(self) -> str:
        report = self.report
        so_far = report.ended_at is None and report.not_billable != "no_plug_in"
        if not report.fee_minor:
            in_time = any(stay.free_s for stay in report.stays) and not report.billed_s and not so_far
            return ("You left in time. " if in_time else "") + f"Nothing to pay{' so far' if so_far else ''}."
        after_grace = report.grace.mode is GraceMode.DEDUCT and report.grace.grace_s
        billed = f"{duration(report.billed_s)} {'after the grace period' if after_grace else 'of idle time'}"
        return f"You pay {self._money(report.fee_minor)}{' so far' if so_far else ''} for {billed}."

    # -- figures ----------------------------------------------------------------------------------------

    def _money(self, amount_minor: int) -> str:
        return format_money(amount_minor, self.report.currency, self.locale)

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at + self.report.offset_s, UTC).astimezone(self.zone)

    def _day(self, at: int) -> str:
        return format_date(self._local(at).date(), "medium", self.locale)

    def _time(self, at: int) -> str:
        """The time of day; with seconds, day and zone only where the reader would go wrong without."""
        local, first = self._local(at), self._local(self._begin)
        text = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
        if local.utcoffset() != first.utcoffset():
            text += f" {local:%Z}"
        return text if local.date() == first.date() else f"{text} on {self._day(at)}"

    @property
    def _begin(self) -> int:
        return self.report.plugged_in_at or 0
