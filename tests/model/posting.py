"""What stands on the owner's account, step by step, given the bills of one session as they came about.

A bill depends on facts alone; what is posted also depends on what was let through before, because a fee that
waits for review may fall but not rise. Waivers come off what is let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.model.events import Fact, SessionKey

ABOUT_POSTING = ("review", "waiver", "finalised")
Step = tuple[dict[str, Any], list[Fact]]


@dataclass(frozen=True)
class Posting:
    """`allowed_minor` of the fee is let through, `posted_minor` stands after waivers; `waits`: a person must decide."""

    settled: bool = False
    allowed_minor: int = 0
    posted_minor: int = 0
    waits: bool = False


NOTHING_POSTED = Posting()


def post(before: Posting, bill: dict[str, Any], facts: list[Fact], session: SessionKey) -> Posting:
    """The posting now. `facts` are those known at this step; a release carries the `fee_minor` it was given for.

    A session that was settled and is running again, or is none any more, is as if in review until it ends.
    """
    if bill["state"] != "ended" and not before.settled:
        return before
    mine = [fact for fact in facts if fact["kind"] in ABOUT_POSTING and tuple(fact["session"]) == session]
    decision = max((f for f in mine if f["kind"] == "review"), key=lambda f: int(f["n"]), default=None)
    fee_minor = bill["to_pay_minor"]
    in_doubt = bill["review"] or bill["state"] != "ended" or any(fact["kind"] == "finalised" for fact in mine)
    if decision is not None and decision["decision"] == "reject":
        limit_minor, waits = 0, False
    elif decision is not None:
        limit_minor, waits = decision["fee_minor"], fee_minor > decision["fee_minor"]
    elif in_doubt:
        limit_minor, waits = before.allowed_minor, fee_minor > before.allowed_minor
    else:
        limit_minor, waits = fee_minor, False
    allowed_minor = min(fee_minor, limit_minor)
    return Posting(True, allowed_minor, after_waivers(allowed_minor, mine), waits)


def after_waivers(fee_minor: int, mine: list[Fact]) -> int:
    waived_minor = 0
    for fact in mine:
        if fact["kind"] == "waiver":
            waived_minor += fee_minor if fact["amount_minor"] is None else fact["amount_minor"]
    return max(0, fee_minor - waived_minor)


def converge(history: list[Step], session: SessionKey) -> Posting:
    """The posting after the last step of (bill, facts known then); nothing was posted before the first."""
    posting = NOTHING_POSTED
    for bill, facts in history:
        posting = post(posting, bill, facts, session)
    return posting
