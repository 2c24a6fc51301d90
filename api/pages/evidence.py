"""How a fee came about: the arithmetic, a line a step, and every event with what we made of it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from api.pages import words
from billing.rating import FeeReport, duration
from billing.settle import ALL, Charge
from sessions.events import EventType
from sessions.folding import Folded
from sessions.grace import EXCUSED, GraceMode
from sessions.machine import Judged


@dataclass(frozen=True, slots=True)
class Sum:
    """One line of the arithmetic: what, how it came about, what it comes to."""

    what: str
    how: str
    amount: str
    total: bool = False


def arithmetic(report: FeeReport, charge: Charge | None) -> list[Sum]:
    """From seconds to the amount that is posted, a line a step."""

    def money(amount_minor: int) -> str:
        return words.money(amount_minor, report.currency)

    counted = sum(span.end - span.start for stay in report.stays for span in stay.spans)
    sums: list[Sum] = []
    if counted:
        sums += [
            Sum("Full and plugged in", "", words.length(counted)),
            *_not_counted(report, counted - report.chargeable_s),
            Sum("Grace", _grace_how(report), f"-{words.length(report.chargeable_s - report.billed_s)}"),
            Sum("Idle time", "", words.length(report.billed_s)),
        ]
    sums += [
        Sum("Price", f"{words.count(line.pieces, 'minute')} × {money(line.rate_minor)}", money(line.amount_minor))
        for line in report.lines
    ]
    if report.fragment_s:
        sums.append(Sum("Left over", f"{words.length(report.fragment_s)}, no whole minute", money(0)))
    if report.capped_minor:
        sums.append(
            Sum("Limit", f"no session costs more than {money(report.cap_minor or 0)}", money(-report.capped_minor))
        )
    if report.tax_minor:
        how = "included" if report.tax_included else "added"
        sums.append(Sum(f"Tax {report.tax_code}", how, money(report.tax_minor)))
    return sums + _posted(report, charge, money(report.fee_minor))


def _not_counted(report: FeeReport, seconds: int) -> Iterator[Sum]:
    if seconds:
        labels = {span.label for stay in report.stays for span in stay.spans if span.label.startswith(EXCUSED)}
        why = sorted(words.why_excused(label) for label in labels)
        yield Sum("Not counted", "; ".join(why), f"-{words.length(seconds)}")


def _posted(report: FeeReport, charge: Charge | None, computed: str) -> list[Sum]:
    """What became of the computed fee: held back, waived, posted."""
    if charge is None:
        return [Sum("So far", "a projection until the car leaves", computed, total=True)]
    sums = [Sum("Fee by the facts", "", computed)]
    if charge.allowed_minor != charge.computed_minor:
        how = "rejected in review" if charge.decision == "reject" else "waits in review"
        sums.append(Sum("Held back", how, words.money(charge.allowed_minor - charge.computed_minor, report.currency)))
    if charge.waived_minor is not None:
        how = "all of it" if charge.waived_minor == ALL else ""
        sums.append(Sum("Waived", how, words.money(charge.fee_minor - charge.allowed_minor, report.currency)))
    return [*sums, Sum("To pay", "", words.money(charge.fee_minor, report.currency), total=True)]


def _grace_how(report: FeeReport) -> str:
    free = duration(report.grace.grace_s)
    if report.grace.mode is GraceMode.WAIVE:
        return f"up to {free}, only for those who leave within it"
    return f"the first {free} of each stay"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event of the session and what we made of it; `at` on the station's clock corrected to ours."""

    id: str
    at: int
    type: str
    cause: str
    used: bool
    why: str


def evidence(folded: Folded) -> list[Evidence]:
    """Every event that bears on the session, in the order of the fold. A stall's faults of other days do not."""
    return [
        Evidence(
            id=event.id,
            at=event.at + folded.timeline.offset_s,
            type=words.word(words.EVENTS, event.type),
            cause=words.word({}, event.cause or ""),
            used=ignored is None,
            why="" if ignored is None else words.word(words.IGNORED, ignored),
        )
        for event, ignored in bearing(folded)
    ]


def bearing(folded: Folded) -> list[Judged]:
    """The session's own events; of the stall's and the station's faults those of its time, or open when it began."""
    timeline, own = folded.timeline, folded.key.id.partition("/")[2]
    start, end = timeline.plugged_in_at, timeline.ended_at
    if start is None:
        return [one for one in timeline.judged if one.event.session == own]
    open_before: dict[tuple[str | None, str | None], Judged] = {}
    for one in timeline.judged:
        event = one.event
        if event.session != own and event.at < start and one.ignored is None:
            if event.type is EventType.STATION_FAULT:
                open_before[event.stall, event.cause] = one
            else:
                open_before.pop((event.stall, event.cause), None)
    kept = {id(one) for one in open_before.values()}
    return [
        one
        for one in timeline.judged
        if one.event.session == own
        or id(one) in kept
        or (one.event.at >= start and (end is None or one.event.at <= end))
    ]
