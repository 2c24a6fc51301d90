"""Where a payment should stand in the books, by what the processor says of it. Pure; `seen` posts the difference."""

from collections import defaultdict

from billing.ledger import Account, Balances, Line, Subject
from billing.payments.processor import DisputeSeen, PaymentSeen, RefundSeen
from billing.payments.rows import Payment

WON = frozenset({"won", "warning_closed", "prevented"})


def subject_of(owner_id: str, payment_id: str) -> Subject:
    """What every transfer about a payment is about."""
    return Subject(owner_id, f"payment {payment_id}")


def books_of(payment: Payment, seen: PaymentSeen) -> Balances:
    """What of a payment stands on which account: what came in, less fees, what went back, what a bank took back.

    A dispute's amount is nobody's while it is decided; if it is lost it is the seller's loss, since the bank decided
    for the owner and nobody asks twice.
    """
    seller_id, currency = payment.seller_id, payment.currency
    refunded = sum(refund.withdrawn_minor for refund in seen.refunds)
    fees = (seen.fee_minor or 0) + sum(dispute.fee_minor for dispute in seen.disputes)
    withdrawn = sum(dispute.withdrawn_minor for dispute in seen.disputes)
    amounts: dict[Account, int] = defaultdict(int)
    amounts[Account.PROCESSOR] = seen.captured_minor - refunded - fees - withdrawn
    amounts[Account.PROCESSOR_FEES] = fees
    for dispute in seen.disputes:
        account = Account.BAD_DEBT if dispute_state(dispute) == "lost" else Account.DISPUTED
        amounts[account] += dispute.withdrawn_minor
    lines = {Line(account, None, seller_id, currency, None): amount for account, amount in amounts.items() if amount}
    if owed := refunded - seen.captured_minor:
        lines[Line(Account.RECEIVABLE, payment.owner_id, seller_id, currency, None)] = owed
    return lines


def dispute_state(dispute: DisputeSeen) -> str:
    """`open`, `won` or `lost`. An inquiry that was closed is won: nothing was taken."""
    if dispute.status == "lost":
        return "lost"
    return "won" if dispute.status in WON else "open"


def refund_state(refund: RefundSeen) -> str:
    """`pending`, `succeeded` or `failed`."""
    return {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}.get(refund.status, "pending")
