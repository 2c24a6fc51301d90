"""What can differ, and how it is said."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from billing.money import format_money, is_currency


class Code(StrEnum):
    """Stable names of what `verify` finds; behind each, what it means."""

    EVENT_ALTERED = "event_altered"  # a stored event is not what the station sent
    CONFLICT_UNNOTED = "conflict_unnoted"  # an id came with two contents and is used all the same
    CONFLICT_UNFOUNDED = "conflict_unfounded"  # an event is not used although its id came with one content
    UNREADABLE = "unreadable"  # what is stored of a session, or of what it is priced by, makes no sense to the product
    SNAPSHOT_MISSING = "snapshot_missing"  # a session's events are stored, the session is not
    SNAPSHOT_DIFFERS = "snapshot_differs"  # a session is not what its events tell
    NO_TARIFF = "no_tariff"  # a session's site, or its tariff since ever, is not there
    CHARGE_MISSING = "charge_missing"  # a session is over and nobody settled it
    CHARGE_DIFFERS = "charge_differs"  # a charge is not what the facts cost
    LEDGER_DIFFERS = "ledger_differs"  # what is posted for a session is not its charge
    TRANSFER_UNBALANCED = "transfer_unbalanced"  # entries that do not sum to zero, or mix currencies or sellers
    TRANSFER_MISNAMED = "transfer_misnamed"  # a transfer's id or what it corrects is not what its number says
    CHAIN_BROKEN = "chain_broken"  # a session's transfers are not numbered 1, 2, … as often as it was settled
    ENTRY_ALONE = "entry_alone"  # an entry of a transfer that does not exist
    ACCOUNT_DIFFERS = "account_differs"  # what is posted for a payment, credit, payout or bank line is not its row
    DOCUMENT_DIFFERS = "document_differs"  # an invoice or credit note is not what its lines say, or credits too much
    NUMBERS_DIFFER = "numbers_differ"  # a number of an invoice is missing, or more were given than there are
    SEAL_BROKEN = "seal_broken"  # a day's deeds or postings are not what was sealed
    BALANCE_DIFFERS = "balance_differs"  # an account does not stand where the charges put it
    SUM_DIFFERS = "sum_differs"  # the sums of days are not what they sum: finance's pages show something else


class Difference(NamedTuple):
    """One thing that is not as it should be: where, and in a sentence what and what it means."""

    code: Code
    subject: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.meaning}"


def amount(minor: int, currency: str) -> str:
    """The amount as people write it; a currency nobody knows may stand in a row that was tampered with."""
    return format_money(minor, currency) if is_currency(currency) else f"{minor} minor units of {currency!r}"


def each(differing: Iterable[tuple[str, object, object]]) -> str:
    """Fields with their stored and their computed value, in one phrase."""
    return ", ".join(
        f"{name} is {_shown(stored)} and should be {_shown(computed)}" for name, stored, computed in differing
    )


def _shown(value: object) -> str:
    if value is None or value == ():
        return "none"
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
