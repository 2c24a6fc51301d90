"""Our word against the processor's and the bank's: (ours, theirs, bank) → what differs, each under its case. Pure.

Nothing is decided or changed here; what is done about a case, and by whom, is in `cases`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from billing.payments.books import dispute_state, refund_state
from billing.payments.processor import BalanceLine, DisputeSeen, PaymentSeen, PayoutSeen, RefundSeen, Status
from billing.reconcile.cases import Code
from billing.reconcile.words import MARK, AtBank, Finding, Ours, PaymentHere, RefundHere, Theirs

DAY_S = 24 * 3600
STUCK_AFTER_S = DAY_S
AT_BANK_AFTER_S = 3 * DAY_S  # a weekend after the day that the processor announced

ON_ITS_WAY = frozenset({"planned", "sent", "processing"})
REFUND_ON_ITS_WAY = frozenset({"approved", "sent", "pending"})
CAME_BACK = frozenset({"failed", "canceled"})  # payouts that the bank did not take
FEES = frozenset({"stripe_fee", "stripe_fx_fee", "tax_fee"})
PAYOUTS = frozenset({"payout", "payout_cancel", "payout_failure"})


def compare(ours: Ours, theirs: Theirs, bank: AtBank, now: int) -> list[Finding]:
    """Every difference there is, in no order."""
    by_ref = {one.ref: one for one in ours.payments if one.ref is not None}
    known = {one.id: one for one in ours.payments}
    lines: dict[str, list[BalanceLine]] = defaultdict(list)
    for line in theirs.lines:
        if line.payment_ref is not None:
            lines[line.payment_ref].append(line)
    found: list[Finding] = []
    for ref, seen in theirs.payments.items():
        here = by_ref.get(ref)
        found += _there(seen, known) if here is None else _both(here, seen, ours, lines[ref], theirs)
    for here in ours.payments:
        found += _here(here, theirs, now)
    for refund in ours.refunds:
        found += _refund_here(refund, known, theirs, now)
    found += _twice(ours)
    found += _lines(theirs)
    found += _payouts(theirs, bank)
    found += _bank(bank)
    return found


# -- payments that both know --------------------------------------------------------------------------------


def _both(
    here: PaymentHere, seen: PaymentSeen, ours: Ours, lines: Sequence[BalanceLine], theirs: Theirs
) -> Iterator[Finding]:
    if (difference := _amount_or_state(here, seen)) is not None:
        yield difference
    yield from _refunds(here, seen, ours)
    yield from _disputes(here, seen, ours)
    if seen.created_at >= theirs.lines_since and _newest(here, seen) < theirs.lines_until:
        yield from _moved(here, seen, lines)


def _about(here: PaymentHere, seen: PaymentSeen) -> "partial[Finding]":
    """A finding about a payment that both know: what is the same in each."""
    return partial(
        Finding,
        subject=f"payment {here.id}",
        at=seen.created_at,
        look=seen.ref,
        party_id=here.owner_id,
        currency=here.currency,
    )


def _amount_or_state(here: PaymentHere, seen: PaymentSeen) -> Finding | None:
    finding = _about(here, seen)
    if seen.status is Status.SUCCEEDED and here.state != "succeeded":
        return finding(
            code=Code.MISSING_HERE,
            ours_minor=here.captured_minor,
            theirs_minor=seen.captured_minor,
            detail=f"{seen.ref} took the money there, the payment is {here.state} here",
        )
    if (seen.captured_minor, seen.currency) != (here.captured_minor, here.currency):
        detail = f"{seen.ref} captured {seen.captured_minor} {seen.currency}, the row says {here.captured_minor} "
        return finding(
            code=Code.AMOUNT_DIFFERS,
            ours_minor=here.captured_minor,
            theirs_minor=seen.captured_minor,
            detail=detail + here.currency,
        )
    over = {"succeeded": Status.SUCCEEDED, "cancelled": Status.CANCELED}
    theirs_over = {status: state for state, status in over.items()}
    if over.get(here.state, seen.status) is not seen.status or theirs_over.get(seen.status, here.state) != here.state:
        detail = f"{seen.ref} is {seen.status} there and {here.state} here"
        return finding(code=Code.STATE_DIFFERS, detail=detail)
    return None


def _refunds(here: PaymentHere, seen: PaymentSeen, ours: Ours) -> Iterator[Finding]:
    rows = {row.ref: row for row in ours.refunds if row.ref is not None and row.payment_id == here.id}
    for refund in seen.refunds:
        row, state = rows.get(refund.ref), refund_state(refund)
        if row is None:
            yield _refund(Code.REFUNDED_ELSEWHERE, here, refund, None, "nobody asked us for it")
        elif row.amount_minor != refund.amount_minor:
            yield _refund(Code.REFUND_DIFFERS, here, refund, row, "its amount differs")
        elif row.state != state:
            yield _refund(Code.REFUND_DIFFERS, here, refund, row, f"it is {refund.status} there and {row.state} here")
        elif row.to_decide:
            yield _refund(Code.REFUNDED_ELSEWHERE, here, refund, row, "nobody said whether the owner owes it again")


def _refund(code: Code, here: PaymentHere, seen: RefundSeen, row: RefundHere | None, detail: str) -> Finding:
    return Finding(
        code=code,
        subject=f"refund {seen.ref if row is None else row.id}",
        detail=f"{seen.ref} of payment {here.id}: {detail}",
        at=seen.created_at,
        ours_minor=None if row is None else row.amount_minor,
        theirs_minor=seen.amount_minor,
        look=None if code is Code.REFUNDED_ELSEWHERE and row is not None else seen.payment_ref or here.ref,
        party_id=here.owner_id,
        currency=here.currency,
    )


def _disputes(here: PaymentHere, seen: PaymentSeen, ours: Ours) -> Iterator[Finding]:
    rows = {row.id: row for row in ours.disputes if row.payment_id == here.id}
    for dispute in seen.disputes:
        row, state = rows.get(dispute.ref), dispute_state(dispute)
        if row is None or row.state != state or row.amount_minor != dispute.amount_minor:
            detail = f"{dispute.ref} of payment {here.id} is {dispute.status}"
            detail += ", and not known here" if row is None else f" there and {row.state} here"
            yield _dispute(here, dispute, detail, None if row is None else row.amount_minor)


def _dispute(here: PaymentHere, seen: DisputeSeen, detail: str, ours_minor: int | None) -> Finding:
    return Finding(
        code=Code.DISPUTED,
        subject=f"dispute {seen.ref}",
        detail=detail,
        at=seen.created_at,
        ours_minor=ours_minor,
        theirs_minor=seen.amount_minor,
        look=here.ref,
        party_id=here.owner_id,
        currency=here.currency,
    )


def _newest(here: PaymentHere, seen: PaymentSeen) -> int:
    """When the payment last moved the balance, as far as anybody says."""
    return max(
        here.changed_at,
        seen.created_at,
        *(one.created_at for one in seen.refunds),
        *(one.created_at for one in seen.disputes),
    )


def _moved(here: PaymentHere, seen: PaymentSeen, lines: Sequence[BalanceLine]) -> Iterator[Finding]:
    """What the processor's balance lines of a payment come to, against its row and the books."""
    mine = [line for line in lines if line.currency == here.currency]
    if len(mine) != len(lines):
        return  # settled in another currency: its lines cannot be compared to the cent
    finding = _about(here, seen)
    took_minor = sum(line.fee_minor for line in mine)
    if seen.captured_minor and seen.fee_minor is not None and took_minor != here.fee_minor:
        detail = f"the lines of {seen.ref} come to a fee of {took_minor}, the row says {here.fee_minor}"
        yield finding(code=Code.FEE_DIFFERS, detail=detail, ours_minor=here.fee_minor, theirs_minor=took_minor)
    net_minor = sum(line.amount_minor - line.fee_minor for line in mine)
    if net_minor != here.at_processor_minor:
        detail = f"the lines of {seen.ref} come to {net_minor}, the books hold {here.at_processor_minor} for it"
        held_minor = here.at_processor_minor
        yield finding(code=Code.BALANCE_DIFFERS, detail=detail, ours_minor=held_minor, theirs_minor=net_minor)


# -- payments that one alone knows --------------------------------------------------------------------------


def _there(seen: PaymentSeen, known: dict[str, PaymentHere]) -> Iterator[Finding]:
    if seen.captured_minor <= sum(refund.withdrawn_minor for refund in seen.refunds):
        return  # asked for and not paid, or given back: nothing of it is there
    name = seen.metadata.get(MARK)
    finding = partial(Finding, at=seen.created_at, currency=seen.currency, theirs_minor=seen.captured_minor)
    here = None if name is None else known.get(name)
    if name is None:
        detail = f"{seen.ref} bears no mark of ours"
        yield finding(code=Code.UNKNOWN_PAYMENT, subject=f"payment {seen.ref}", detail=detail)
    elif here is not None and here.ref is not None:
        detail = f"{seen.ref} bears the mark of payment {name}, which is {here.ref}"
        subject = f"payment {seen.ref}"
        yield finding(code=Code.DUPLICATE, subject=subject, party_id=here.owner_id, detail=detail)
    else:
        detail = f"{seen.ref} bears the mark of payment {name}, which is not known here as paid"
        yield finding(
            party_id=None if here is None else here.owner_id,
            code=Code.MISSING_HERE,
            subject=f"payment {name}",
            detail=detail,
            ours_minor=0,
            look=seen.ref,
        )


def _here(here: PaymentHere, theirs: Theirs, now: int) -> Iterator[Finding]:
    finding = partial(
        Finding, subject=f"payment {here.id}", at=here.created_at, party_id=here.owner_id, currency=here.currency
    )
    if here.ref is not None and here.ref in theirs.unknown:
        detail = f"the processor knows no {here.ref}"
        yield finding(code=Code.MISSING_THERE, detail=detail, ours_minor=here.captured_minor, theirs_minor=0)
    if here.state in ON_ITS_WAY and now - here.changed_at > STUCK_AFTER_S:
        detail = f"{here.state} since {(now - here.changed_at) // 3600} hours"
        yield finding(code=Code.STUCK, detail=detail, ours_minor=here.amount_minor, look=here.ref)


def _refund_here(row: RefundHere, known: dict[str, PaymentHere], theirs: Theirs, now: int) -> Iterator[Finding]:
    payment = known.get(row.payment_id)
    ref = None if payment is None else payment.ref
    finding = partial(
        Finding,
        subject=f"refund {row.id}",
        at=row.changed_at,
        party_id=row.owner_id,
        currency=row.currency,
        ours_minor=row.amount_minor,
        look=ref,
    )
    seen = None if ref is None else theirs.payments.get(ref)
    if row.ref is not None and seen is not None and row.ref not in {refund.ref for refund in seen.refunds}:
        detail = f"payment {ref} has no refund {row.ref}"
        yield finding(code=Code.MISSING_THERE, detail=detail, theirs_minor=0)
    if row.state in REFUND_ON_ITS_WAY and now - row.changed_at > STUCK_AFTER_S:
        detail = f"{row.state} since {(now - row.changed_at) // 3600} hours"
        yield finding(code=Code.STUCK, detail=detail)


def _twice(ours: Ours) -> Iterator[Finding]:
    """Invoices that several payments of ours stand for, while what is too much of it is still the owner's."""
    kept: dict[str, list[PaymentHere]] = defaultdict(list)
    for here in ours.payments:
        if here.invoice_id is not None and here.captured_minor > here.refunded_minor and here.state == "succeeded":
            kept[here.invoice_id].append(here)
    for invoice in ours.paid_by_several:
        several = kept[invoice.id]
        paid_minor = sum(here.captured_minor - here.refunded_minor for here in several)
        if len(several) > 1 and paid_minor > invoice.due_minor and invoice.credit_minor > 0:
            yield Finding(
                code=Code.PAID_TWICE,
                subject=f"invoice {invoice.id}",
                detail=f"{invoice.name} was paid by {', '.join(sorted(here.id for here in several))}",
                at=max(here.created_at for here in several),
                party_id=invoice.owner_id,
                currency=several[0].currency,
                ours_minor=invoice.due_minor,
                theirs_minor=paid_minor,
            )


# -- the balance, payouts, the bank -------------------------------------------------------------------------


def _lines(theirs: Theirs) -> Iterator[Finding]:
    for line in theirs.lines:
        if line.payment_ref is not None or line.kind in FEES:
            continue
        payout = line.payout_ref if line.kind in PAYOUTS else None
        if line.kind in PAYOUTS and payout in theirs.payouts:
            continue
        if line.kind in PAYOUTS:
            code, subject = Code.UNKNOWN_PAYOUT, f"payout {payout or line.ref}"
        else:
            code, subject = Code.UNKNOWN_LINE, f"line {line.ref}"
        yield Finding(
            code=code,
            subject=subject,
            detail=f"{line.ref} ({line.kind}) names {line.source_ref or 'nothing'} as its cause",
            at=line.created_at,
            currency=line.currency,
            theirs_minor=line.amount_minor - line.fee_minor,
        )


def _payouts(theirs: Theirs, bank: AtBank) -> Iterator[Finding]:
    moved: dict[str, int] = defaultdict(int)
    for line in theirs.lines:
        if line.kind in PAYOUTS and line.payout_ref is not None:
            moved[line.payout_ref] += line.amount_minor
    for payout in theirs.payouts.values():
        finding = partial(Finding, subject=f"payout {payout.ref}", at=payout.created_at, currency=payout.currency)
        left_minor = 0 if payout.status in CAME_BACK else payout.amount_minor
        if payout.ref in moved and -moved[payout.ref] != left_minor:
            detail = f"it is {payout.status}, and its lines took {-moved[payout.ref]} of the balance"
            took_minor = -moved[payout.ref]
            yield finding(code=Code.PAYOUT_DIFFERS, detail=detail, ours_minor=left_minor, theirs_minor=took_minor)
        if _should_be_there(payout, bank):
            detail = "the bank's lines reach beyond its day, and none of them is it"
            awaited_minor = payout.amount_minor
            yield finding(code=Code.PAYOUT_NOT_AT_BANK, detail=detail, ours_minor=awaited_minor, theirs_minor=0)


def _should_be_there(payout: PayoutSeen, bank: AtBank) -> bool:
    announced = payout.status not in CAME_BACK and payout.arrives_at + AT_BANK_AFTER_S <= bank.read_until
    return announced and payout.ref not in bank.payouts


def _bank(bank: AtBank) -> Iterator[Finding]:
    for line in bank.lines:
        finding = partial(
            Finding,
            subject=f"bank {line.id}",
            at=line.booked_at,
            currency=line.currency,
            theirs_minor=line.amount_minor,
        )
        if line.open:
            yield finding(code=Code.BANK_LINE_UNKNOWN, detail=line.text)
        elif line.gone:
            detail = f"it was matched with {line.matched}, which stands no longer"
            yield finding(code=Code.BANK_LINE_DIFFERS, detail=detail, ours_minor=0)
