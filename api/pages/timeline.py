"""The timeline bar: a FeeReport as one horizontal SVG, and the same in words. Whoever has read one can read all.

Each state has its own shape besides its colour, so that the bar reads in grey: a thin line (connected), a low
band (charging), a hollow box (grace), a solid block (idle) and a dashed box (excused). Horizontal places are
percentages, so the bar fits any width while its text keeps its size. svg.py escapes nothing: everything that
came from outside goes through `markupsafe.escape` first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import svg
from markupsafe import Markup, escape

from api.pages import words
from billing.rating import FeeReport
from sessions.machine import Span

MOST_SPANS = 60  # more cannot be told apart: a thousand blips are drawn as what they mostly were
MOST_TICKS = 32
MOST_TICKS_IN_A_ROW = 16
TICK_STEPS_S = (60, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
LEAST_SCALE_S = 600  # time that costs nothing is given at least this much room beside the minutes that count
FULL = 10_000  # the bar's width: places are hundredths of a percent, so no float decides where a minute ends
LETTER = 290  # the width of a letter on the narrowest phone
EDGE = 700  # a text nearer to an end than this is set flush with it
COUNTED = ("grace", "idle")

# Top and height of each state's shape, of a bar 32 high.
SHAPES = {"connected": (14, 4), "charging": (10, 12), "grace": (1, 30), "idle": (0, 32), "excused": (5, 22)}


class Moment(NamedTuple):
    """Something that happened, on our clock."""

    at: int
    what: str


class Part(NamedTuple):
    """One stretch of the bar in words; `money` only where it cost something."""

    kind: str
    word: str
    why: str
    start: str
    end: str
    length_s: int
    money: str | None

    @property
    def text(self) -> str:
        why = f", {self.why}" if self.why else ""
        money = f", {self.money}" if self.money else ""
        return f"{self.word}{why}, {self.start} to {self.end}, {words.length(self.length_s)}{money}"


@dataclass(frozen=True)
class Bar:
    """What is drawn. The report is on the station's clock, the bar on ours."""

    title: str
    report: FeeReport
    zone: ZoneInfo
    moments: Sequence[Moment] = ()
    running: bool = False

    @cached_property
    def spans(self) -> list[Span]:
        """The report's spans on our clock, few enough to be drawn."""
        ahead_s = self.report.offset_s
        return _coarse([Span(start + ahead_s, end + ahead_s, label) for start, end, label in self.report.spans])

    @cached_property
    def _to_the_second(self) -> bool:
        """Whether minutes alone would hide what was counted."""
        return any(at % 60 for span in self.spans for at in span[:2])

    @cached_property
    def _passes_midnight(self) -> bool:
        ends = (self.spans[0].start, self.spans[-1].end) if self.spans else (0, 0)
        return len({words.day(at, self.zone) for at in ends}) > 1

    def time(self, at: int) -> str:
        """The minute, with the day where the bar passes midnight."""
        return self._dated(at, words.clock(at, self.zone))

    def exact_time(self, at: int) -> str:
        """The same, to the second where seconds matter."""
        return self._dated(at, (words.exact_clock if self._to_the_second else words.clock)(at, self.zone))

    def _dated(self, at: int, time: str) -> str:
        return f"{words.local(at, self.zone):%a} {time}" if self._passes_midnight else time


# -- in words -----------------------------------------------------------------------------------------------


def parts(bar: Bar) -> list[Part]:
    """The bar's text equivalent, a line a stretch."""
    amounts = _amount_by_span(bar.report)
    return [
        Part(
            kind=(kind := words.kind_of(span.label)),
            word=words.word(words.STATES, kind),
            why=words.why_excused(span.label) if kind == "excused" else "",
            start=bar.exact_time(span.start),
            end="now" if bar.running and place == len(bar.spans) else bar.exact_time(span.end),
            length_s=span.end - span.start,
            money=words.money(amounts[place], bar.report.currency) if amounts.get(place) else None,
        )
        for place, span in enumerate(bar.spans, start=1)
    ]


def describe(bar: Bar) -> str:
    """One sentence for those who cannot see the bar."""
    told = "; ".join(part.text for part in parts(bar)) or "nothing yet"
    return f"{bar.title}: {told}."


def _amount_by_span(report: FeeReport) -> dict[int, int]:
    """What each idle span cost, by its place counted from 1; only where the lines fall into one span each."""
    if report.capped_minor or len(report.spans) > MOST_SPANS:
        return {}
    found: dict[int, int] = {}
    for line in report.lines:
        inside = [
            place
            for place, span in enumerate(report.spans, start=1)
            if span.label == "idle" and span.start <= line.start and line.end <= span.end
        ]
        if not inside:
            return {}
        found[inside[0]] = found.get(inside[0], 0) + line.amount_minor
    return found


# -- geometry -----------------------------------------------------------------------------------------------


class Scale:
    """From moments to places. Long stretches that cost nothing are folded: the minutes that count stay legible."""

    def __init__(self, spans: Sequence[Span], most_ticks: int = MOST_TICKS) -> None:
        self.spans = spans
        self._most_ticks = most_ticks
        lengths = [span.end - span.start for span in spans]
        self._room_s = _folded(spans, lengths)
        least_s = -(-sum(self._room_s) // 100)  # nothing that happened is too thin to be seen
        drawn_s = [max(room_s, least_s) for room_s in self._room_s]
        total_s = sum(drawn_s) or 1
        self.edges = [at * FULL // total_s for at in accumulate(drawn_s, initial=0)]
        self.folded = [room_s < length_s for room_s, length_s in zip(self._room_s, lengths, strict=True)]

    def place(self, at: int) -> int:
        """Where a moment is, 0 to 10,000; moments outside lie at the ends."""
        for span, (left, right) in zip(self.spans, pairwise(self.edges), strict=True):
            if at < span.end:
                return left + (right - left) * max(at - span.start, 0) // (span.end - span.start)
        return FULL

    @property
    def tick_s(self) -> int:
        """A minute where there is room for minutes."""
        to_scale_s = sum(room_s for room_s, fold in zip(self._room_s, self.folded, strict=True) if not fold)
        return next((step for step in TICK_STEPS_S if to_scale_s <= step * self._most_ticks), TICK_STEPS_S[-1])

    def ticks(self) -> Iterator[int]:
        """Whole steps from the beginning of every stretch that is drawn to scale."""
        step_s = self.tick_s
        for span, fold in zip(self.spans, self.folded, strict=True):
            if not fold:
                whole = range(span.start + step_s, min(span.end, span.start + (self._most_ticks + 1) * step_s), step_s)
                yield from map(self.place, whole)


def _folded(spans: Sequence[Span], lengths: Sequence[int]) -> list[int]:
    """The room each span gets, in seconds: grace and idle all of theirs, the rest together no more than those."""
    counted_s = sum(length for span, length in zip(spans, lengths, strict=True) if span.label in COUNTED)
    others = sorted(length for span, length in zip(spans, lengths, strict=True) if span.label not in COUNTED)
    budget_s = max(counted_s, LEAST_SCALE_S)
    if not counted_s or sum(others) <= budget_s:
        return list(lengths)
    most_s = 0
    for place, length in enumerate(others):
        most_s = budget_s // (len(others) - place)  # an equal share of what is left for those not yet served
        if length > most_s:
            break
        budget_s -= length
    return [
        length if span.label in COUNTED else max(min(length, most_s), 1)
        for span, length in zip(spans, lengths, strict=True)
    ]


def _coarse(spans: Sequence[Span]) -> list[Span]:
    """At most `MOST_SPANS` stretches, each labelled with what it mostly was."""
    if len(spans) <= MOST_SPANS:
        return list(spans)
    start, end = spans[0].start, spans[-1].end
    step_s = -(-(end - start) // MOST_SPANS)
    seconds: list[dict[str, int]] = [{} for _ in range(MOST_SPANS)]
    for span in spans:
        at = span.start
        while at < span.end:
            bucket = (at - start) // step_s
            until = min(span.end, start + (bucket + 1) * step_s)
            seconds[bucket][span.label] = seconds[bucket].get(span.label, 0) + until - at
            at = until
    merged: list[Span] = []
    for bucket, lasted in enumerate(seconds):
        if lasted:
            label = max(sorted(lasted), key=lambda name: lasted[name])
            since = start + bucket * step_s
            if merged and merged[-1].label == label:
                since = merged.pop().start
            merged.append(Span(since, min(start + (bucket + 1) * step_s, end), label))
    return merged


# -- drawing ------------------------------------------------------------------------------------------------


def draw(bar: Bar) -> Markup:
    """The whole bar: moments above, the stretches, ticks, and the money under the idle part."""
    scale = Scale(bar.spans)
    runs = _runs(bar, scale)
    body = [
        *_moments(bar, scale),
        svg.SVG(y=26, height=32, overflow="visible", elements=[*_shapes(scale), *_breaks(scale)]),
        *_ticks(scale, 60, 64),
        *_lengths(scale, runs),
        *_money(bar, scale, runs),
    ]
    if bar.running:
        body.append(_line("now", FULL, 20, FULL, 64))
    return _picture(bar, "bar", 92, body)


def draw_row(bar: Bar) -> Markup:
    """The same bar for a row of a table: shapes and ticks only."""
    scale = Scale(bar.spans, MOST_TICKS_IN_A_ROW)
    now = [_line("now", FULL, 0, FULL, 37)] if bar.running else []
    return _picture(bar, "bar", 38, [*_shapes(scale), *_breaks(scale), *_ticks(scale, 34, 37), *now])


def _picture(bar: Bar, kind: str, height: int, body: list[svg.Element]) -> Markup:
    picture = svg.SVG(
        width=svg.Length(100, "%"),
        height=height,
        overflow="visible",
        class_=[kind],
        extra={"role": "img", "aria-label": str(escape(describe(bar)))},
        elements=body,
    )
    return Markup(picture.as_str())  # noqa: S704 - built here; what came from outside was escaped


def _shapes(scale: Scale) -> list[svg.Element]:
    return [
        svg.Rect(
            x=_percent(left), width=_percent(right - left), y=SHAPES[kind][0], height=SHAPES[kind][1], class_=[kind]
        )
        for span, (left, right) in zip(scale.spans, pairwise(scale.edges), strict=True)
        for kind in [words.kind_of(span.label)]
    ]


def _ticks(scale: Scale, top: int, bottom: int) -> list[svg.Element]:
    return [_line("tick", at, top, at, bottom) for at in scale.ticks()]


def _breaks(scale: Scale) -> Iterator[svg.Element]:
    """A folded stretch has two strokes across it: the scale says where it stops being one."""
    for fold, (left, right) in zip(scale.folded, pairwise(scale.edges), strict=True):
        if fold:
            strokes = svg.Path(d=[svg.M(-6, 36), svg.L(0, -4), svg.M(0, 36), svg.L(6, -4)])
            yield svg.SVG(x=_percent((left + right) // 2), overflow="visible", class_=["break"], elements=[strokes])


def _lengths(scale: Scale, runs: Sequence["_Run"]) -> Iterator[svg.Element]:
    """Under a folded stretch, how long it was, where no money needs the place."""
    for span, fold, (left, right) in zip(scale.spans, scale.folded, pairwise(scale.edges), strict=True):
        text = words.length(span.end - span.start)
        free = all(run.right <= left or right <= run.left for run in runs)
        if fold and free and right - left >= len(text) * LETTER:
            yield _text((left + right) // 2, 78, text, "length")


def _moments(bar: Bar, scale: Scale) -> Iterator[svg.Element]:
    """A mark for every event, and the time where there is room for it: the ends first, then where the money changes."""
    for at, moment in _apart(sorted({(scale.place(moment.at), moment) for moment in bar.moments})):
        title = svg.Title(text=str(escape(f"{moment.what}, {bar.exact_time(moment.at)}")))
        mark = svg.Path(d=[svg.M(-4, 18), svg.L(4, 18), svg.L(0, 24), svg.Z()], elements=[title])
        yield svg.SVG(x=_percent(at), overflow="visible", class_=["moment"], elements=[mark])
    for at, text in _labels(bar, scale):
        yield _text(at, 13, text, "time")


def _apart(placed: list[tuple[int, Moment]]) -> Iterator[tuple[int, Moment]]:
    """All of a few moments; of many only those that can be told apart."""
    least = FULL // MOST_SPANS if len(placed) > MOST_SPANS else 0
    last = -FULL
    for at, moment in placed:
        if at - last >= least:
            last = at
            yield at, moment


def _labels(bar: Bar, scale: Scale) -> Iterator[tuple[int, str]]:
    spans = scale.spans
    if not spans:
        return
    fee_begins = [span.start for span in spans if span.label == "idle"]
    complete = [span.start for span in spans if span.label in COUNTED]
    others = [span.start for span in spans if words.kind_of(span.label) == "excused"]
    taken: list[tuple[int, int]] = []
    for moment in (spans[-1].end, spans[0].start, *fee_begins[:1], *complete[:1], *others, *fee_begins, *complete):
        text = "now" if bar.running and moment == spans[-1].end else bar.time(moment)
        at = scale.place(moment)
        left, right = _extent(at, text)
        if all(right + LETTER <= start or end + LETTER <= left for start, end in taken):
            taken.append((left, right))
            yield at, text


class _Run(NamedTuple):
    """Minutes at one rate: from where to where on the bar, and what they came to."""

    left: int
    right: int
    amount_minor: int


def _runs(bar: Bar, scale: Scale) -> list[_Run]:
    """A run for each price line that cost something; one for all of them where a cap holds."""
    report, ahead_s = bar.report, bar.report.offset_s
    lines = [(line.start, line.end, line.amount_minor) for line in report.lines if line.amount_minor]
    if report.capped_minor and lines:
        lines = [(lines[0][0], lines[-1][1], report.subtotal_minor - report.capped_minor)]
    return [
        _Run(scale.place(start + ahead_s), scale.place(end + ahead_s), amount_minor)
        for start, end, amount_minor in lines[:MOST_SPANS]
    ]


def _money(bar: Bar, scale: Scale, runs: Sequence[_Run]) -> Iterator[svg.Element]:
    """A bracket under each run, solid where time was billed and dotted between, with what it came to."""
    idle = [edges for span, edges in zip(scale.spans, pairwise(scale.edges), strict=True) if span.label == "idle"]
    taken_until = 0
    for left, right, amount_minor in runs:
        yield _line("between", left, 71, right, 71)
        for start, end in idle:
            if start < right and left < end:
                yield _line("bracket", max(start, left), 71, min(end, right), 71)
        yield _line("bracket", left, 67, left, 75)
        yield _line("bracket", right, 67, right, 75)
        text = words.money(amount_minor, bar.report.currency)
        middle = (left + right) // 2
        start, end = _extent(middle, text)
        if start >= taken_until:
            taken_until = end + LETTER
            yield _text(middle, 89, text, "amount")


def _extent(at: int, text: str) -> tuple[int, int]:
    """What a text takes of the bar's width."""
    width = len(text) * LETTER
    left = {"start": at, "middle": at - width // 2, "end": at - width}[_anchor(at)]
    return left, left + width


def _anchor(at: int) -> str:
    return "start" if at < EDGE else "end" if at > FULL - EDGE else "middle"


def _text(at: int, y: int, text: str, kind: str) -> svg.Text:
    return svg.Text(x=_percent(at), y=y, text=str(escape(text)), class_=[kind, _anchor(at)])


def _line(kind: str, x1: int, y1: int, x2: int, y2: int) -> svg.Line:
    return svg.Line(x1=_percent(x1), y1=y1, x2=_percent(x2), y2=y2, class_=[kind])


def _percent(at: int) -> svg.Length:
    return svg.Length(Decimal(at).scaleb(-2), "%")
