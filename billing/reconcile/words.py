"""What is compared: our rows, the processor's words and the bank's lines as plain values, and what comes of it. No
database here.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from billing.payments.processor import BalanceLine, PaymentSeen, PayoutSeen
from billing.reconcile.cases import Code

MARK = "idlefee_payment"  # what of a payment's metadata at the processor names ours


class PaymentHere(NamedTuple):
    """A payment as our row has it; `at_processor_minor` is what the books hold at the processor for it."""

    owner_id: str
    id: str
    ref: str | None
    currency: str
    means: str
    state: str
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    fee_minor: int
    invoice_id: str | None
    created_at: int
    changed_at: int
    at_processor_minor: int = 0


class RefundHere(NamedTuple):
    """A refund as our row has it."""

    owner_id: str
    id: str
    payment_id: str
    ref: str | None
    currency: str
    amount_minor: int
    state: str
    changed_at: int
    to_decide: bool = False  # it was made at the processor, and nobody said whether the owner owes it again


class DisputeHere(NamedTuple):
    """A dispute as our row has it; its id is the processor's."""

    owner_id: str
    id: str
    payment_id: str
    amount_minor: int
    state: str


class InvoiceHere(NamedTuple):
    """An invoice that more than one payment of ours stands for, and what of the owner's money is left over."""

    owner_id: str
    id: str
    name: str
    due_minor: int
    credit_minor: int


class LineHere(NamedTuple):
    """A bank line and where the thing stands that it was matched with: `gone` if that was reversed, or failed."""

    id: str
    booked_at: int
    currency: str
    amount_minor: int
    text: str
    open: bool
    matched: str | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What we say."""

    payments: Sequence[PaymentHere] = ()
    refunds: Sequence[RefundHere] = ()
    disputes: Sequence[DisputeHere] = ()
    paid_by_several: Sequence[InvoiceHere] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """What the processor says. `unknown` are names of payments of ours that it was asked for and does not know; `lines`
    are those of `payments` and whatever else moved the balance and nobody explained yet, complete from `lines_since`
    until before `lines_until`.
    """

    payments: Mapping[str, PaymentSeen] = field(default_factory=dict)
    unknown: AbstractSet[str] = frozenset()
    lines: Sequence[BalanceLine] = ()
    payouts: Mapping[str, PayoutSeen] = field(default_factory=dict)
    lines_since: int = 0
    lines_until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AtBank:
    """What the bank says, as far as its lines reach."""

    lines: Sequence[LineHere] = ()
    payouts: AbstractSet[str] = frozenset()  # those that a line stands for
    read_until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference, as it is at this moment. `look` names the payment at the processor that explains it."""

    code: Code
    subject: str
    detail: str
    at: int
    party_id: str | None = None
    currency: str | None = None
    ours_minor: int | None = None
    theirs_minor: int | None = None
    look: str | None = None
