"""What a bank's line may be: a payout that was awaited, or a payment of an invoice it names. Pure.

What is beyond doubt is matched; everything else is proposed to a person, who decides.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from billing.reconcile.bank.reading import BankLine

DAY_S = 24 * 3600
EARLY_S, LATE_S = 3 * DAY_S, 7 * DAY_S  # around the day the processor announced, at which a payout may be booked
MOST_PROPOSED = 5
LARGEST_NUMBER = 2**31 - 1


class Awaited(NamedTuple):
    """A payout that is not at the bank yet."""

    id: str
    currency: str
    amount_minor: int
    arrives_at: int


class Bill(NamedTuple):
    """An invoice and what of it is still open."""

    owner_id: str
    invoice_id: str
    name: str
    currency: str
    open_minor: int


class Held(NamedTuple):
    """A payment that was recorded by hand and that no bank line stands behind yet."""

    owner_id: str
    payment_id: str
    currency: str
    amount_minor: int
    received_at: int
    reference: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a line may be. `kind` is `payout`, `payment` (to be recorded, for `owner_id` and `invoice_id`) or `recorded`
    (a payment by hand that is there). `because` is for the person who decides.
    """

    kind: str
    because: str
    id: str | None = None
    owner_id: str | None = None
    invoice_id: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of a line: `sure` where there is no doubt, else what is proposed, likeliest first."""

    line: BankLine
    sure: Proposal | None
    proposed: Sequence[Proposal]


@lru_cache(maxsize=10_000)
def _written(name: str) -> re.Pattern[str]:
    """An invoice's name however a bank spaced or hyphenated it; a longer number is another's."""
    letters = [re.escape(letter) for letter in name if letter.isalnum()]
    return re.compile(r"(?<![^\W_])" + r"[\W_]*".join(letters) + r"(?!\d)", re.IGNORECASE)


def numbers_in(text: str) -> set[int]:
    """Every number that stands in a text, also one that the bank's line end cut in two: to look invoices up by."""
    runs = re.findall(r"\d+", text)
    whole = [*runs, *(one + other for one, other in pairwise(runs))]
    return {number for run in whole if len(run) <= 15 and (number := int(run)) <= LARGEST_NUMBER}


def judge(
    lines: Iterable[BankLine], awaited: Sequence[Awaited], bills: Sequence[Bill], held: Sequence[Held] = ()
) -> list[Judged]:
    """What each line is or may be. No payout, bill or record is given to two lines without a person."""
    found: list[Judged] = []
    taken: set[tuple[str, str | None]] = set()
    for line in sorted(lines, key=lambda line: (line.booked_at, line.id)):
        here = [bill for bill in bills if bill.currency == line.currency and _written(bill.name).search(line.text)]
        options = [*_payouts(line, awaited), *_named(line, here), *_recorded(line, held), *_by_amount(line, bills)]
        sure = _beyond_doubt(line, options, here, taken)
        if sure is not None:
            taken.add(_thing(sure))
        first: dict[tuple[str | None, ...], Proposal] = {}
        for option in options:
            first.setdefault((option.kind, option.id, option.owner_id, option.invoice_id), option)
        found.append(Judged(line, sure, list(first.values())[:MOST_PROPOSED]))
    return found


def _thing(option: Proposal) -> tuple[str, str | None]:
    return option.kind, option.id or option.invoice_id


def _beyond_doubt(
    line: BankLine, options: Sequence[Proposal], here: Sequence[Bill], taken: Collection[tuple[str, str | None]]
) -> Proposal | None:
    """The only payout of that amount in its days, or the invoices that the text names, of one owner, to the cent."""
    payouts = [option for option in options if option.kind == "payout"]
    if len(payouts) == 1 and not here and _thing(payouts[0]) not in taken:
        return payouts[0]
    owners = {bill.owner_id for bill in here}
    if payouts or len(owners) != 1 or line.amount_minor <= 0 or any(option.kind == "recorded" for option in options):
        return None
    exact = sum(bill.open_minor for bill in here) == line.amount_minor
    first = next(option for option in options if option.kind == "payment")
    return first if exact and _thing(first) not in taken else None


def _payouts(line: BankLine, awaited: Sequence[Awaited]) -> list[Proposal]:
    return [
        Proposal("payout", f"payout {payout.id}, awaited around that day", id=payout.id)
        for payout in awaited
        if (payout.currency, payout.amount_minor) == (line.currency, line.amount_minor)
        and payout.arrives_at - EARLY_S <= line.booked_at <= payout.arrives_at + LATE_S
    ]


def _named(line: BankLine, here: Sequence[Bill]) -> list[Proposal]:
    if line.amount_minor <= 0:
        return []
    found = []
    for owner_id in sorted({bill.owner_id for bill in here}):
        theirs = [bill for bill in here if bill.owner_id == owner_id]
        names = ", ".join(bill.name for bill in theirs)
        invoice_id = theirs[0].invoice_id if len(theirs) == 1 else None
        found.append(Proposal("payment", f"names {names}", owner_id=owner_id, invoice_id=invoice_id))
    return found


def _recorded(line: BankLine, held: Sequence[Held]) -> list[Proposal]:
    return [
        Proposal("recorded", f"recorded by hand as {one.reference}", id=one.payment_id, owner_id=one.owner_id)
        for one in held
        if (one.currency, one.amount_minor) == (line.currency, line.amount_minor)
        and abs(one.received_at - line.booked_at) <= LATE_S
    ]


def _by_amount(line: BankLine, bills: Sequence[Bill]) -> list[Proposal]:
    if line.amount_minor <= 0:
        return []
    same = [bill for bill in bills if (bill.currency, bill.open_minor) == (line.currency, line.amount_minor)]
    if len(same) > MOST_PROPOSED:
        return []  # as good as none
    return [
        Proposal("payment", f"{bill.name} is open at that amount", owner_id=bill.owner_id, invoice_id=bill.invoice_id)
        for bill in same
    ]
