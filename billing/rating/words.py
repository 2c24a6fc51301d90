"""A FeeReport in plain sentences: what happened, what was not counted, the arithmetic, what is to pay.

Reads a report and nothing else: whoever has the stored report can explain the bill. The sentences are in `texts`; here
is which of them are said, and in what order.
"""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from billing.rating.report import FeeReport, PriceLine
from billing.tariffs import NO_FEE_HOURS
from billing.texts import DEFAULT_LANGUAGE, texts
from sessions.grace import EXCUSED, GRACE, IDLE, GraceMode
from sessions.machine import Span

_NOT_BILLABLE = ("no_plug_in", "no_completion", "complete_after_unplug")


def explain(report: FeeReport, zone: ZoneInfo, language: str = DEFAULT_LANGUAGE) -> list[str]:
    """The report in sentences of a language, with times of `zone`."""
    return list(_Words(report, zone, language).sentences())


def duration(seconds: int) -> str:
    """`5 minutes`, `1 hour 1 second`: every part that is not zero."""
    return texts(DEFAULT_LANGUAGE).length(seconds)


class _Words:
    """The sentences about one report."""

    def __init__(self, report: FeeReport, zone: ZoneInfo, language: str) -> None:
        self.report = report
        self.zone = zone
        self.texts = texts(language)
        self.counted = [span for stay in report.stays for span in stay.spans]

    def sentences(self) -> Iterator[str]:
        yield from self._what_happened()
        yield from self._what_was_not_counted()
        yield from self._notice()
        yield from self._grace()
        yield from self._arithmetic()
        yield self._what_is_to_pay()

    # -- what happened ----------------------------------------------------------------------------------

    def _what_happened(self) -> Iterator[str]:
        report = self.report
        if report.plugged_in_at is not None:
            yield self._say("plugged_in", day=self._day(report.plugged_in_at), time=self._time(report.plugged_in_at))
        if report.not_billable:
            yield self._say(report.not_billable if report.not_billable in _NOT_BILLABLE else "not_billable")
        if self.counted:
            yield self._say("complete", time=self._time(self.counted[0].start))
        if report.ended_at is not None:
            yield self._say("unplugged", time=self._time(report.ended_at))
        elif report.until is not None:
            yield self._say("no_unplug", time=self._time(report.until))

    def _notice(self) -> Iterator[str]:
        """From when time counts, where the tariff requires a notice, and why nothing is owed without one."""
        notice = self.report.notice
        if notice is None or not self.counted:
            return
        if notice.accepted_at is None:
            yield self._say("never_told")
        elif notice.channel is None or notice.id is None:
            yield self._say("notice", time=self._time(notice.accepted_at - self.report.offset_s))
        else:
            channel = self.texts.sentences.get(f"channel.{notice.channel}", notice.channel)
            time = self._time(notice.accepted_at - self.report.offset_s)
            yield self._say("notice_by", channel=channel, id=notice.id, time=time)

    def _what_was_not_counted(self) -> Iterator[str]:
        for span in self.counted:
            if span.label.startswith(EXCUSED):
                yield self._why(span)

    def _why(self, span: Span) -> str:
        why = span.label.removeprefix(EXCUSED)
        kind, _, detail = why.partition(" ")
        if kind == "fault":
            return self._say("fault", **self._from_to(span), why=detail.replace("+", ", "))
        if kind == "operator":
            return self._say("operator", **self._from_to(span), why=detail)
        return self._say("no_fee_hours" if why == NO_FEE_HOURS else "no_notice", **self._from_to(span))

    # -- grace and price --------------------------------------------------------------------------------

    def _grace(self) -> Iterator[str]:
        report = self.report
        if report.without_exclusions:
            yield self._say("without_exclusions")
        for number, stay in enumerate(report.stays):
            free = [span for span in stay.spans if span.label == GRACE]
            if free:
                ran = self._from_to(Span(free[0].start, free[-1].end, GRACE))
                yield self._say("grace_again" if number else "grace", **ran, length=self.texts.length(stay.free_s))
            elif stay.billed_s and report.grace.mode is GraceMode.WAIVE:
                yield self._say("beyond_grace", length=self.texts.length(report.grace.grace_s))

    def _arithmetic(self) -> Iterator[str]:
        report = self.report
        for span in self.counted:
            if span.label == IDLE:
                yield self._say("idle", **self._from_to(span), length=self.texts.length(span.end - span.start))
        for line in report.lines:
            yield self._line(line)
        if report.fragment_s:
            left_over = "left_over_one" if report.fragment_s == 1 else "left_over_many"
            yield self._say(left_over, seconds=self.texts.count(report.fragment_s, "second"))
        if len(report.lines) > 1:
            yield self._say("together", amount=self._money(report.subtotal_minor))
        if report.capped_minor and report.cap_minor is not None:
            yield self._say("cap", cap=self._money(report.cap_minor), off=self._money(report.capped_minor))
        if report.tax_minor:
            tax = "tax_included" if report.tax_included else "tax_added"
            yield self._say(tax, code=report.tax_code or "", amount=self._money(report.tax_minor))

    def _line(self, line: PriceLine) -> str:
        report = self.report
        begun = report.billed_s % 60 and not report.fragment_s and line is report.lines[-1]
        sentence = ("line_one" if line.pieces == 1 else "line_many") + ("_begun" if begun else "")
        return self._say(
            sentence,
            minutes=self.texts.count(line.pieces, "minute"),
            rate=self._money(line.rate_minor),
            amount=self._money(line.amount_minor),
        )

    def _what_is_to_pay(self) -> str:
        report = self.report
        running = report.ended_at is None and report.not_billable != "no_plug_in"
        so_far = "_so_far" if running else ""
        if not report.fee_minor:
            in_time = any(stay.free_s for stay in report.stays) and not report.billed_s and not running
            return self._say("in_time" if in_time else f"nothing{so_far}")
        after_grace = report.grace.mode is GraceMode.DEDUCT and report.grace.grace_s
        sentence = f"{'pay' if after_grace else 'pay_idle'}{so_far}"
        return self._say(sentence, amount=self._money(report.fee_minor), length=self.texts.length(report.billed_s))

    # -- words and figures ------------------------------------------------------------------------------

    def _say(self, sentence: str, **words: str) -> str:
        return self.texts.say(f"bill.{sentence}", **words)

    def _money(self, amount_minor: int) -> str:
        return self.texts.money(amount_minor, self.report.currency)

    def _from_to(self, span: Span) -> dict[str, str]:
        return {"start": self._time(span.start), "end": self._time(span.end)}

    def _day(self, at: int) -> str:
        return self.texts.day(at + self.report.offset_s, self.zone)

    def _time(self, at: int) -> str:
        """The time of day; with seconds, day and zone only where the reader would go wrong without."""
        local, first = (self.texts.local(moment + self.report.offset_s, self.zone) for moment in (at, self._begin))
        text = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
        if local.utcoffset() != first.utcoffset():
            text += f" {local:%Z}"
        if local.date() == first.date():
            return self._say("clock", time=text)
        return self._say("time_and_day", time=text, day=self._day(at))

    @property
    def _begin(self) -> int:
        return self.report.plugged_in_at or 0
