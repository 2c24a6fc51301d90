"""When a fee posts: each case is what the bill came to, what was decided, and what stands after each step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.events import Fact
from tests.model.posting import Step, converge

SESSION = ("st", "s")
CONFLICT = ["id_conflict"]
FINALISED = {"kind": "finalised", "session": SESSION, "fee_minor": 5_00}


def step(fee_minor: int, *facts: Fact, review: list[str] | None = None, state: str = "ended") -> Step:
    bill: dict[str, Any] = {"state": state, "to_pay_minor": fee_minor, "review": review or []}
    return bill, list(facts)


def release(fee_minor: int, n: int = 1) -> Fact:
    return {"kind": "review", "session": SESSION, "decision": "release", "n": n, "fee_minor": fee_minor}


def reject(n: int = 1) -> Fact:
    return {"kind": "review", "session": SESSION, "decision": "reject", "n": n}


def waiver(amount_minor: int | None) -> Fact:
    return {"kind": "waiver", "session": SESSION, "amount_minor": amount_minor}


CASES: dict[str, tuple[list[Step], int, bool]] = {
    "a running session posts nothing": ([step(5_00, state="running")], 0, False),
    "it posts when it has ended": ([step(5_00, state="running"), step(6_00)], 6_00, False),
    "late facts move it both ways": ([step(6_00), step(4_00), step(7_00)], 7_00, False),
    "in review nothing posts": ([step(5_00, review=CONFLICT)], 0, True),
    "in review it may not rise": ([step(5_00), step(7_00, review=CONFLICT)], 5_00, True),
    "in review it may fall": ([step(5_00), step(3_00, review=CONFLICT)], 3_00, False),
    "a fall in review holds": ([step(5_00), *[step(f, review=CONFLICT) for f in (3_00, 5_00)]], 3_00, True),
    "the reason gone, it posts": ([step(5_00, review=CONFLICT), step(5_00)], 5_00, False),
    "release posts it": ([step(5_00, release(5_00), review=CONFLICT)], 5_00, False),
    "released, it may fall": ([step(4_00, release(5_00), review=CONFLICT)], 4_00, False),
    "risen past its release it waits": ([step(6_00, release(5_00), review=CONFLICT)], 5_00, True),
    "a second release": ([step(6_00, release(5_00), release(6_00, 2), review=CONFLICT)], 6_00, False),
    "reject makes it zero": ([step(5_00), step(5_00, reject(), review=CONFLICT)], 0, False),
    "the latest decision holds": ([step(5_00, reject(2), release(5_00), review=CONFLICT)], 0, False),
    "finalised it falls by itself": ([step(5_00), step(3_00, FINALISED)], 3_00, False),
    "finalised it does not rise": ([step(5_00), step(8_00, FINALISED)], 5_00, True),
    "finalised and released": ([step(5_00), step(8_00, FINALISED, release(8_00))], 8_00, False),
    "waivers add up": ([step(5_00, waiver(1_00), waiver(1_50))], 2_50, False),
    "a waiver never pays anyone": ([step(5_00, waiver(6_00))], 0, False),
    "all waived": ([step(5_00), step(5_00, waiver(None))], 0, False),
    "waived in review": ([step(5_00), step(5_00, waiver(1_00), review=CONFLICT)], 4_00, False),
    "waived while it waits": (
        [step(5_00, waiver(1_00)), step(8_00, waiver(1_00), waiver(1_00), review=CONFLICT)],
        3_00,
        True,
    ),
    "fallen and risen past its release, what was released holds": (
        [step(f, release(5_00), review=CONFLICT) for f in (5_00, 3_00, 8_00)],
        5_00,
        True,
    ),
    "running again it may fall": ([step(5_00), step(3_00, state="running")], 3_00, False),
    "running again it may not rise": ([step(5_00), step(8_00, state="running")], 5_00, True),
    "no session after all": ([step(5_00), step(0, state="none")], 0, False),
    "waived and released": ([step(6_00, release(5_00), waiver(1_00), review=CONFLICT)], 4_00, True),
}


@pytest.mark.parametrize("case", CASES)
def test_posted(case: str) -> None:
    history, posted_minor, waits = CASES[case]
    posting = converge(history, SESSION)
    assert (posting.posted_minor, posting.waits) == (posted_minor, waits)


def test_decisions_about_another_session_change_nothing() -> None:
    elsewhere = {**reject(), "session": ("st", "other")}
    assert converge([step(5_00, elsewhere)], SESSION).posted_minor == 5_00
