"""What stands on the owner's account, step by step, given the bills of one session as they came about.

A bill depends on facts alone; what is posted also depends on what was posted before, because a fee that
waits for review may fall but not rise. All amounts are net of waivers.
"""

from __future__ import annotations

from typing import Any

from tests.model.events import Fact, SessionKey

ABOUT_POSTING = ("review", "waiver", "finalised")
Step = tuple[dict[str, Any], list[Fact]]


def post(posted_minor: int, bill: dict[str, Any], facts: list[Fact], session: SessionKey) -> dict[str, Any]:
    """The amount posted now, and whether more of the fee waits for a person.

    `facts` are those known at this step; a release among them carries the `fee_minor` it was given for.
    """
    if bill["state"] == "running":
        return {"posted_minor": posted_minor, "waits": False}
    mine = [fact for fact in facts if fact["kind"] in ABOUT_POSTING and tuple(fact["session"]) == session]
    decision = max((f for f in mine if f["kind"] == "review"), key=lambda f: int(f["n"]), default=None)
    computed = after_waivers(bill["fee_minor"], mine)
    if decision is not None and decision["decision"] == "reject":
        return {"posted_minor": 0, "waits": False}
    if decision is not None:
        allowed = after_waivers(decision["fee_minor"], mine)
    elif bill["review"] or any(fact["kind"] == "finalised" for fact in mine):
        allowed = posted_minor
    else:
        allowed = computed
    return {"posted_minor": min(computed, allowed), "waits": computed > allowed}


def after_waivers(fee_minor: int, mine: list[Fact]) -> int:
    waived_minor = 0
    for fact in mine:
        if fact["kind"] == "waiver":
            waived_minor += fee_minor if fact["amount_minor"] is None else fact["amount_minor"]
    return max(0, fee_minor - waived_minor)


def converge(history: list[Step], session: SessionKey) -> dict[str, Any]:
    """The posting after the last step of (bill, facts known then); nothing was posted before the first."""
    posting: dict[str, Any] = {"posted_minor": 0, "waits": False}
    for bill, facts in history:
        posting = post(posting["posted_minor"], bill, facts, session)
    return posting
