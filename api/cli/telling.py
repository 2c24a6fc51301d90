"""What several commands say in the same words: what a decision changed, how a session stands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from api.cli.console import say, show_json

if TYPE_CHECKING:
    from billing.settle import Charge, Settlement


def tell_settlements(settlements: Sequence["Settlement"], as_json: bool) -> None:
    """What a recorded decision did to fees."""
    if as_json:
        show_json({"recorded": True, "settlements": [settlement_to_json(one) for one in settlements]})
        return
    moved = [one for one in settlements if one.changed_minor or _payer_changed(one)]
    if not moved:
        say("Recorded. No fee changed.")
        return
    from api.pages.words import count, money

    say(f"Recorded. {count(len(moved), 'fee')} changed:")
    for one in moved:
        before = 0 if one.before is None else one.before.fee_minor
        after = one.after
        say(
            f"  {after.key.id}: {money(before, after.currency)} → {money(after.fee_minor, after.currency)}, "
            f"{payer(after.owner_id)}"
        )


def settlement_to_json(one: "Settlement") -> dict[str, Any]:
    return {
        "session": one.after.key.id,
        "site": one.after.key.site_id,
        "owner": one.after.owner_id,
        "currency": one.after.currency,
        "before_minor": None if one.before is None else one.before.fee_minor,
        "after_minor": one.after.fee_minor,
        "in_review": list(one.after.held),
    }


def payer(owner_id: str | None) -> str:
    return "claimed by nobody" if owner_id is None else f"owner {owner_id}"


def stamp(at: int | None, zone: ZoneInfo) -> str:
    """A moment at its site, or nothing."""
    from api.pages.words import moment

    return "" if at is None else moment(at, zone)


def standing(charge: "Charge") -> str:
    """What is posted for a session, and what keeps it from being more."""
    from api.pages.words import REVIEW, money, word

    said = f"Posted: {money(charge.fee_minor, charge.currency)}, {payer(charge.owner_id)}."
    if charge.waived_minor is not None:
        waived = charge.allowed_minor - charge.fee_minor
        said += f" Waived: {money(waived, charge.currency)}."
    if charge.held:
        why = "; ".join(word(REVIEW, code) for code in charge.held)
        said += f" {money(charge.computed_minor, charge.currency)} waits in review: {why}."
    return said


def _payer_changed(one: "Settlement") -> bool:
    return one.before is not None and one.before.owner_id != one.after.owner_id
