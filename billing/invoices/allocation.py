"""Which payments and credits pay which invoices: computed each time, stored nowhere. Pure.

Whatever names an invoice goes to that one first: a credit note to what it corrects, a payment to what it was asked for.
What is left over of all of them then goes to the oldest open invoice. What is open of each invoice, and how much credit
is left, depends on no order of arrival.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Claim(NamedTuple):
    """What an owner was asked for, or owes besides. `amount_minor` above zero."""

    id: str
    at: int
    amount_minor: int


class Relief(NamedTuple):
    """What takes from it: a credit note, a payment less what was paid back of it, a credit, a write-off."""

    id: str
    at: int
    amount_minor: int
    claim_id: str | None = None


class Share(NamedTuple):
    """So much of a relief went to a claim."""

    relief_id: str
    claim_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who paid what. Every amount above zero: claims that are paid and reliefs that are used up are left out."""

    shares: Sequence[Share]
    open_minor: dict[str, int]
    credit_minor: dict[str, int]  # what is left of each relief

    @property
    def owed_minor(self) -> int:
        """What is owed on the whole; below zero: the owner's credit. Both never stand side by side."""
        return sum(self.open_minor.values()) - sum(self.credit_minor.values())


def allocate(claims: Iterable[Claim], reliefs: Iterable[Relief]) -> Allocation:
    """Spread the reliefs over the claims; the sum of both is kept to the last minor unit."""
    oldest = sorted(claims, key=lambda claim: (claim.at, claim.id))
    given = sorted(reliefs, key=lambda relief: (relief.at, relief.id))
    open_minor = {claim.id: claim.amount_minor for claim in oldest}
    left = {relief.id: relief.amount_minor for relief in given}
    shares: list[Share] = []

    def spend(relief: Relief, claim_id: str) -> None:
        amount = min(left[relief.id], open_minor[claim_id])
        if amount > 0:
            left[relief.id] -= amount
            open_minor[claim_id] -= amount
            shares.append(Share(relief.id, claim_id, amount))

    for relief in given:
        if relief.claim_id in open_minor:
            spend(relief, relief.claim_id)
    waiting = [claim.id for claim in oldest]
    for relief in given:
        while waiting and left[relief.id]:
            if not open_minor[waiting[0]]:
                waiting.pop(0)
            else:
                spend(relief, waiting[0])
    return Allocation(
        shares,
        {name: amount for name, amount in open_minor.items() if amount},
        {name: amount for name, amount in left.items() if amount},
    )
