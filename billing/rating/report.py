"""What rating answers: the FeeReport, every second and every minor unit accounted for, and its JSON form.

Times are UTC seconds on the station's clock; `offset_s` more is ours. Nothing is computed here.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

from sessions.grace import GraceMode, GracePolicy, Stay
from sessions.machine import Span


@dataclass(frozen=True, slots=True)
class PriceLine:
    """A run of pieces (60 billed seconds each) at one rate; billed time may have gaps between start and end."""

    start: int
    end: int
    pieces: int
    rate_minor: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NoticeProof:
    """From when time counts where the tariff requires a notice: what was accepted, by which channel, when."""

    accepted_at: int | None  # on our clock; none: no channel has accepted one
    channel: str | None = None
    id: str | None = None  # the message id, on every channel


@dataclass(frozen=True, slots=True)
class FeeReport:
    """A session's idle fee and how it came about."""

    rules_version: int
    tariff: str
    tariff_version: int
    currency: str
    grace: GracePolicy
    plugged_in_at: int | None
    ended_at: int | None  # the unplug; None while none is known
    until: int | None  # where the spans stop
    offset_s: int
    not_billable: str | None
    spans: tuple[Span, ...]  # covers [plugged_in_at, until): connected, charging, grace, idle, excused:<why>
    stays: tuple[Stay, ...]
    chargeable_s: int  # complete and not excluded: grace and idle
    billed_s: int  # idle
    lines: tuple[PriceLine, ...]
    fragment_s: int  # billed seconds that are no whole piece and cost nothing
    subtotal_minor: int
    cap_minor: int | None
    capped_minor: int  # what the cap took off
    tax_code: str | None
    tax_included: bool
    tax_minor: int
    fee_minor: int  # what the owner pays, tax included, before any waiver
    without_exclusions: bool  # the bill that counts everything was lower, so it is the one that holds
    notice: NoticeProof | None = None  # none: the tariff requires none


_FIELDS = tuple(field.name for field in fields(FeeReport))
_GRACE_FIELDS = tuple(field.name for field in fields(GracePolicy))
_LINE_FIELDS = tuple(field.name for field in fields(PriceLine))


def report_to_json(report: FeeReport) -> dict[str, Any]:
    """The report as plain JSON values; `report_from_json` reads it back."""
    # Field by field: `asdict` would copy every span before it is written, at five times the cost.
    plain = {name: getattr(report, name) for name in _FIELDS if name != "notice"}
    if report.notice is not None:
        plain["notice"] = asdict(report.notice)
    return plain | {
        "grace": {name: getattr(report.grace, name) for name in _GRACE_FIELDS} | {"mode": report.grace.mode.value},
        "spans": [_span_to_json(span) for span in report.spans],
        "stays": [_stay_to_json(stay) for stay in report.stays],
        "lines": [{name: getattr(line, name) for name in _LINE_FIELDS} for line in report.lines],
    }


def _span_to_json(span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "label": str(span.label)}


def _stay_to_json(stay: Stay) -> dict[str, Any]:
    return {
        "start": stay.start,
        "end": stay.end,
        "chargeable_s": stay.chargeable_s,
        "free_s": stay.free_s,
        "billed_s": stay.billed_s,
        "spans": [_span_to_json(span) for span in stay.spans],
    }


def report_from_json(stored: dict[str, Any]) -> FeeReport:
    """The report that was stored with a charge, as it was."""
    grace = stored["grace"]
    read = {
        "grace": GracePolicy(**grace | {"mode": GraceMode(grace["mode"])}),
        "spans": _spans_from_json(stored["spans"]),
        "stays": tuple(Stay(_spans_from_json(stay["spans"])) for stay in stored["stays"]),
        "lines": tuple(PriceLine(**line) for line in stored["lines"]),
        "notice": NoticeProof(**stored["notice"]) if "notice" in stored else None,
    }
    return FeeReport(**stored | read)


def _spans_from_json(spans: list[dict[str, Any]]) -> tuple[Span, ...]:
    return tuple(Span(**span) for span in spans)
