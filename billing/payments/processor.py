"""What this package asks of a card processor, and what it hears: plain values in our own minor units and UTC seconds.

`gateway` speaks to Stripe and answers these; nothing of Stripe's library is known beyond it. No database here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class ProcessorError(Exception):
    """The processor did not do what was asked. `code` is its own word for why, where it gave one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(ProcessorError):
    """Nobody knows whether it happened: a time-out, a broken connection, a 5xx. The same key may be sent again."""


class Busy(ProcessorError):
    """429, or 409 for a key that is being worked on: nothing happened yet, ask again later."""


class KeyRefused(ProcessorError):
    """401 or 403: the key was revoked or may not do this. Nothing happened, and nothing will until it is replaced."""


class Refused(ProcessorError):
    """The request is wrong, and would be again: a person has to look."""


class Status(StrEnum):
    """Where a payment stands, in Stripe's own words for a PaymentIntent."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSeen:
    """A refund as the processor has it; `status` is pending, succeeded, failed or canceled."""

    ref: str
    payment_ref: str
    amount_minor: int
    currency: str
    status: str
    created_at: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    failure_code: str | None = None
    withdrawn_minor: int = 0  # what it took of the seller's balance, less what came back as it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSeen:
    """A dispute; `status` in the processor's words: needs_response, under_review, won, lost and others."""

    ref: str
    payment_ref: str
    amount_minor: int
    currency: str
    status: str
    reason: str
    created_at: int
    evidence_due_at: int | None = None
    fee_minor: int = 0  # what the processor took for it, less what it gave back
    withdrawn_minor: int = 0  # what it took of the seller's balance for it, less what it gave back


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSeen:
    """A payment with everything that hangs on it, as the processor has it at this moment."""

    ref: str
    status: Status
    amount_minor: int
    captured_minor: int
    currency: str
    created_at: int
    customer_ref: str | None
    method_ref: str | None
    charge_ref: str | None = None  # the bank's latest word on it
    metadata: Mapping[str, str] = field(default_factory=dict)
    failure_code: str | None = None
    failure_text: str | None = None
    action_url: str | None = None  # where the owner confirms it, if that is what it waits for
    fee_minor: int | None = None  # none: not known yet
    refunds: tuple[RefundSeen, ...] = ()
    disputes: tuple[DisputeSeen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSeen:
    """A card or another means that may be charged off-session."""

    ref: str
    kind: str
    brand: str | None
    last4: str | None
    expires: str | None  # 2029-04


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupSeen:
    """How far an owner got with adding a payment method; `url` is the processor's own page for it while it is open."""

    ref: str
    setup_ref: str | None
    status: str  # open, complete or expired
    url: str | None
    method: MethodSeen | None = None  # once it may be charged without the owner being there


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLine:
    """One line of the seller's balance at the processor: `net = amount - fee`, all signed as the balance moved."""

    ref: str
    kind: str  # charge, refund, adjustment, payout, stripe_fee…
    source_ref: str | None
    amount_minor: int
    fee_minor: int
    currency: str
    created_at: int
    available_at: int
    payment_ref: str | None = None
    payout_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutSeen:
    """Money on its way to the seller's bank; `status` is pending, in_transit, paid, failed or canceled."""

    ref: str
    amount_minor: int
    currency: str
    status: str
    created_at: int
    arrives_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSeen:
    """Word that something happened, by webhook or asked for. `payment_ref`: the payment that it hangs on, if any.

    `kept` is what of it is worth keeping: names of things and amounts, nothing that says who somebody is.
    """

    id: str
    kind: str  # payment_intent.succeeded…
    object_kind: str  # payment_intent, charge, refund, dispute, checkout.session, payout…
    object_ref: str
    payment_ref: str | None
    created_at: int
    kept: Mapping[str, object]


class Processor(Protocol):
    """A seller's account at a card processor. Every call may raise any `ProcessorError`.

    `key` is the idempotency key: ours, persisted before the first call that carries it.
    """

    def create_customer(self, owner_id: str, email: str | None, *, key: str) -> str: ...
    def has_customer(self, ref: str) -> bool:
        """Whether there is such a person still: somebody may have deleted them on the processor's own pages."""
        ...

    def delete_customer(self, ref: str) -> None:
        """Take the person out of the processor's records, with every card. Done already: nothing happens."""
        ...

    def begin_setup(
        self, customer_ref: str, *, words: str, return_url: str, metadata: Mapping[str, str], key: str
    ) -> SetupSeen:
        """Open the processor's own page for adding a card; it shows `words`, which the owner agrees to."""
        ...

    def setup(self, ref: str) -> SetupSeen: ...
    def has_method(self, method_ref: str) -> bool:
        """Whether the card can still be charged."""
        ...

    def detach(self, method_ref: str) -> None:
        """The card can be charged no longer. Done already: nothing happens."""
        ...

    def create_payment(
        self,
        *,
        customer_ref: str,
        method_ref: str,
        amount_minor: int,
        currency: str,
        description: str,
        metadata: Mapping[str, str],
        key: str,
    ) -> PaymentSeen:
        """Create and confirm, while the owner is not there. What the bank declines is created all the same."""
        ...

    def confirm_payment(
        self, ref: str, *, method_ref: str | None, key: str, return_url: str | None = None
    ) -> PaymentSeen:
        """Try the same payment again; with a `return_url` the owner is there and may authenticate."""
        ...

    def change_payment(self, ref: str, *, amount_minor: int, currency: str) -> PaymentSeen:
        """Ask for another amount with the next try; said twice it is done once."""
        ...

    def cancel_payment(self, ref: str, *, key: str) -> PaymentSeen: ...
    def payment(self, ref: str) -> PaymentSeen: ...
    def payments_of(self, customer_ref: str, since: int) -> Iterator[PaymentSeen]: ...

    def create_refund(
        self, payment_ref: str, *, amount_minor: int, currency: str, metadata: Mapping[str, str], key: str
    ) -> RefundSeen: ...

    def payments_between(self, since: int, until: int) -> Iterator[PaymentSeen]: ...
    def refunds_between(self, since: int, until: int) -> Iterator[RefundSeen]: ...
    def disputes_between(self, since: int, until: int) -> Iterator[DisputeSeen]: ...
    def balance_lines_between(self, since: int, until: int) -> Iterator[BalanceLine]: ...
    def payouts_between(self, since: int, until: int) -> Iterator[PayoutSeen]: ...
    def events_since(self, since: int) -> Iterator[EventSeen]: ...
