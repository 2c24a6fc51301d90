"""Pure: a Timeline and a GracePolicy give the stays, each second of them grace, idle or excused.

No prices here. What is excluded besides station faults (operators' excuses, no-fee hours, a missing notice)
is handed in by whoever knows it, on the station's clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from sessions.machine import Car, Span, Timeline

GRACE = "grace"
IDLE = "idle"
EXCUSED = "excused:"


class GraceMode(StrEnum):
    """What the free minutes are worth to those who stay longer."""

    DEDUCT = "deduct"  # the first `grace_s` are free for everybody
    WAIVE = "waive"  # a stay within `grace_s` is free, a longer one is charged from its first second


@dataclass(frozen=True, slots=True)
class GracePolicy:
    """How long a full car may stay, and when the right to stay begins anew. All in seconds."""

    # Read by pydantic where a policy is part of a tariff file; nothing here depends on it.
    __pydantic_config__: ClassVar[dict[str, object]] = {"strict": True, "extra": "forbid"}

    mode: GraceMode = GraceMode.DEDUCT
    grace_s: int = 300
    grace_again_after_s: int = 600
    min_resume_s: int = 120

    def __post_init__(self) -> None:
        faults = []
        if self.grace_s < 0:
            faults.append(f"grace_s must not be negative, but is {self.grace_s}")
        if self.min_resume_s <= 0:
            faults.append(f"min_resume_s must be above 0, but is {self.min_resume_s}")
        if self.grace_again_after_s < self.min_resume_s:
            faults.append(f"grace_again_after_s must be at least min_resume_s, but is {self.grace_again_after_s}")
        if faults:
            raise ValueError("; ".join(faults))


@dataclass(frozen=True, slots=True)
class Stay:
    """The time that the car was complete between two grants of grace."""

    spans: tuple[Span, ...]  # "grace", "idle" or "excused:<why>"; exactly the complete time, in order

    @property
    def start(self) -> int:
        return self.spans[0].start

    @property
    def end(self) -> int:
        return self.spans[-1].end

    @property
    def free_s(self) -> int:
        return self._lasting(GRACE)

    @property
    def billed_s(self) -> int:
        return self._lasting(IDLE)

    @property
    def chargeable_s(self) -> int:
        return self.free_s + self.billed_s

    def _lasting(self, label: str) -> int:
        return sum(span.end - span.start for span in self.spans if span.label == label)


def stays(timeline: Timeline, policy: GracePolicy, exclusions: Sequence[Span] = ()) -> tuple[Stay, ...]:
    """The stays of a session. Faults of `timeline` and `exclusions` are not counted and use up no grace.

    Where exclusions overlap, a fault is named before the others, and those in the order given.
    """
    faults = [Span(start, end, f"fault {causes}") for start, end, causes in timeline.excused]
    excluded = [*faults, *exclusions]
    return tuple(
        Stay(tuple(_with_grace(policy, _without(complete, excluded))))
        for complete in _granted(timeline.car, policy.grace_again_after_s)
    )


def _granted(car: Sequence[Span], grace_again_after_s: int) -> list[list[Span]]:
    """The complete spans, to be counted until grace says otherwise, cut into stays where grace is granted."""
    grants: list[list[Span]] = []
    charged_s = 0
    for start, end, label in car:
        if label == Car.CHARGING:
            charged_s = end - start
        elif label == Car.COMPLETE:
            if not grants or charged_s >= grace_again_after_s:
                grants.append([])
            grants[-1].append(Span(start, end, IDLE))
    return grants


def _without(pieces: list[Span], exclusions: Sequence[Span]) -> list[Span]:
    """`pieces` with what is excluded cut out and labelled `excused:<why>`; the first exclusion names it."""
    for exclusion in exclusions:
        pieces = [part for piece in pieces for part in _cut(piece, exclusion)]
    return pieces


def _cut(piece: Span, exclusion: Span) -> Iterator[Span]:
    start, end = max(piece.start, exclusion.start), min(piece.end, exclusion.end)
    if start >= end or piece.label != IDLE:
        yield piece
        return
    if piece.start < start:
        yield Span(piece.start, start, IDLE)
    yield Span(start, end, EXCUSED + exclusion.label)
    if end < piece.end:
        yield Span(end, piece.end, IDLE)


def _with_grace(policy: GracePolicy, pieces: Sequence[Span]) -> Iterator[Span]:
    """Turn the first chargeable seconds into grace, as many as the policy gives to a stay of this length."""
    grace_s = policy.grace_s
    if policy.mode is GraceMode.WAIVE:
        chargeable_s = sum(end - start for start, end, label in pieces if label == IDLE)
        grace_s = chargeable_s if chargeable_s <= grace_s else 0
    for piece in pieces:
        if piece.label != IDLE or not grace_s:
            yield piece
            continue
        free_until = min(piece.start + grace_s, piece.end)
        grace_s -= free_until - piece.start
        yield Span(piece.start, free_until, GRACE)
        if free_until < piece.end:
            yield Span(free_until, piece.end, IDLE)
