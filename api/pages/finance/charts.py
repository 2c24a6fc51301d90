"""Charts of sums by day: a bar a day, as one SVG with its text equivalent. Widths are percentages, as in the timeline.

svg.py escapes nothing: what came from outside goes through `markupsafe.escape` first. No float decides anything: places
are thousandths.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import svg
from markupsafe import Markup, escape

from api.pages import words

HEIGHT = 72
WHOLE = 100_000  # the chart's width in thousandths of a percent
GAP = 5  # of a day's width, one part in so many is left free


class Day(NamedTuple):
    """A day and what it came to, in minor units; below zero: more went than came."""

    day: str
    amount_minor: int


def chart(title: str, kind: str, days: Sequence[Day], currency: str) -> Markup:
    """Bars from the line of zero, the highest as high as the chart. `kind` is the class they are coloured by."""
    highest = max((day.amount_minor for day in days), default=0)
    lowest = min((day.amount_minor for day in days), default=0)
    highest, lowest = max(highest, 0), min(lowest, 0)
    span = max(1, highest - lowest)
    zero = HEIGHT * highest // span if highest else (0 if lowest else HEIGHT)
    width = WHOLE // max(1, len(days))
    bars: list[svg.Element] = []
    for at, day in enumerate(days):
        tall = max(1, abs(day.amount_minor) * HEIGHT // span) if day.amount_minor else 0
        top = zero - tall if day.amount_minor > 0 else zero
        bars.append(
            svg.Rect(
                x=_percent(at * width + width // GAP // 2),
                width=_percent(width - width // GAP),
                y=top,
                height=tall,
                class_=[kind],
                elements=[svg.Title(text=f"{day.day}: {escape(words.money(day.amount_minor, currency))}")],
            )
        )
    line = svg.Line(x1=_percent(0), x2=_percent(WHOLE), y1=zero, y2=zero, class_=["zero"])
    picture = svg.SVG(
        width=svg.Length(100, "%"),
        height=HEIGHT,
        overflow="visible",
        class_=["chart"],
        extra={"role": "img", "aria-label": str(escape(describe(title, days, currency)))},
        elements=[*bars, line],
    )
    return Markup(picture.as_str())  # noqa: S704 - built here; what came from outside was escaped


def describe(title: str, days: Sequence[Day], currency: str) -> str:
    """The chart in a sentence; the table beside it has every day."""
    if not days:
        return f"{title}: no day."
    total = words.money(sum(day.amount_minor for day in days), currency)
    best = max(days, key=lambda day: day.amount_minor)
    most = f", most on {best.day} with {words.money(best.amount_minor, currency)}" if best.amount_minor > 0 else ""
    return f"{title} from {days[0].day} to {days[-1].day}: {total} in all{most}."


def _percent(thousandths: int) -> svg.Length:
    return svg.Length(Decimal(thousandths).scaleb(-3), "%")
