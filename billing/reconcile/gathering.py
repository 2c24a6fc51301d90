"""What is compared, brought together: our rows, as the tables have them, and what the processor is asked for. Reads
only; no transaction is open while the processor is asked.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Text, and_, func, or_, select

from billing.ledger import ACCOUNTS, Account, owner_balances
from billing.payments import rows
from billing.payments.elsewhere import MADE_ELSEWHERE
from billing.payments.processor import PaymentSeen, Processor, Refused
from billing.payments.rooms import APPROVED, FAILED, PENDING, SENT
from billing.payments.seen import OWNER
from billing.reconcile.bank.lines import MATCHED, OPEN, PAYMENT, PAYOUT, RECORDED
from billing.reconcile.comparing import CAME_BACK
from billing.reconcile.words import (
    MARK,
    AtBank,
    DisputeHere,
    InvoiceHere,
    LineHere,
    Ours,
    PaymentHere,
    RefundHere,
)
from billing.store.invoices import invoices
from billing.store.payments import TO_DECIDE, UNSETTLED, disputes, payments, refunds
from billing.store.reconciliation import bank_lines, differences, payouts
from sessions.statements import keys_of

OwnerPayment = tuple[str, str]  # (owner, payment)
REFUND = ("owner_id", "id", "payment_id", "processor_ref", "currency", "amount_minor", "state", "changed_at")
DISPUTE = ("owner_id", "id", "payment_id", "amount_minor", "state")
MISSING = "resource_missing"  # how the processor says that it knows nothing of a name


# -- which of our payments are looked at --------------------------------------------------------------------


def payments_to_judge(
    connection: Connection,
    seller_id: str,
    since: int,
    until: int,
    seen: Iterable[PaymentSeen] = (),
    *,
    by_card: bool = True,
    open_too: bool = True,
) -> set[OwnerPayment]:
    """Payments made in [since, until), those an open difference is about, and those that what was `seen` names; with
    `open_too` those that are on their way or have a refund or a dispute that is open. `by_card`: the card payments of
    every seller, as they go through one account.
    """
    card = payments.c.means == rows.CARD
    name = select(payments.c.owner_id, payments.c.id)
    mine = or_(card, payments.c.seller_id == seller_id) if by_card else payments.c.seller_id == seller_id
    made = name.where(mine, payments.c.created_at >= since, payments.c.created_at < until)
    moving = name.where(card, UNSETTLED, payments.c.state.in_((rows.PLANNED, rows.SENT, rows.PROCESSING)))
    found = {(row.owner_id, row.id) for row in connection.execute(made)} | set(_in_difference(connection, seller_id))
    back = select(refunds.c.owner_id, refunds.c.payment_id).where(refunds.c.state.in_((APPROVED, SENT, PENDING)))
    taken = select(disputes.c.owner_id, disputes.c.payment_id).where(disputes.c.state == "open")
    undecided = select(refunds.c.owner_id, refunds.c.payment_id).where(TO_DECIDE)
    for asked in (moving, back, taken, undecided) if by_card and open_too else ():
        found |= {(owner_id, id_) for owner_id, id_ in connection.execute(asked)}
    seen = list(seen)
    refs = keys_of(connection, "wanted", (("ref", Text()),), [(one.ref,) for one in seen])
    named = name.join(refs, payments.c.processor_ref == refs.c.ref)
    marked = {(one.metadata[OWNER], one.metadata[MARK]) for one in seen if {OWNER, MARK} <= one.metadata.keys()}
    if seen:
        found |= {(row.owner_id, row.id) for row in connection.execute(named)}
    return found | marked


def _in_difference(connection: Connection, seller_id: str) -> Iterator[OwnerPayment]:
    """Payments of open differences: about themselves, or their refunds and disputes."""
    open_ = (
        differences.c.seller_id == seller_id,
        differences.c.ended_at.is_(None),
        differences.c.party_id.is_not(None),
    )
    for subject, party_id in connection.execute(select(differences.c.subject, differences.c.party_id).where(*open_)):
        kind, _, id_ = subject.partition(" ")
        if kind == "payment":
            yield party_id, id_
        for table in {"refund": [refunds], "dispute": [disputes]}.get(kind, []):
            row = select(table.c.payment_id).where(table.c.owner_id == party_id, table.c.id == id_)
            yield from ((party_id, payment_id) for payment_id in connection.execute(row).scalars())


# -- our side -----------------------------------------------------------------------------------------------


def ours(connection: Connection, names: Collection[OwnerPayment]) -> Ours:
    """The rows of these payments, of what hangs on them, and what the books hold for them."""
    if not names:
        return Ours()
    return Ours(
        payments=_payments(connection, names),
        refunds=[_refund(row) for row in _hanging(connection, refunds, names, (*REFUND, "reason_code", "decided_at"))],
        disputes=[DisputeHere(*row) for row in _hanging(connection, disputes, names, DISPUTE)],
        paid_by_several=_paid_by_several(connection, names),
    )


def _refund(row: Any) -> RefundHere:
    to_decide = row.reason_code == MADE_ELSEWHERE and row.decided_at is None and row.state != FAILED
    return RefundHere(*row[: len(REFUND)])._replace(to_decide=to_decide)


def _wanted(connection: Connection, names: Collection[OwnerPayment]) -> Any:
    return keys_of(connection, "wanted", (("owner_id", Text()), ("id", Text())), sorted(names))


def _payments(connection: Connection, names: Collection[OwnerPayment]) -> list[PaymentHere]:
    wanted = _wanted(connection, names)
    here = and_(payments.c.owner_id == wanted.c.owner_id, payments.c.id == wanted.c.id)
    held = _at_processor(connection, names)
    return [
        PaymentHere(
            owner_id=row.owner_id,
            id=row.id,
            ref=row.processor_ref,
            currency=row.currency,
            means=row.means,
            state=row.state,
            amount_minor=row.amount_minor,
            captured_minor=row.captured_minor,
            refunded_minor=row.refunded_minor,
            fee_minor=row.fee_minor,
            invoice_id=row.invoice_id,
            created_at=row.created_at,
            changed_at=row.changed_at,
            at_processor_minor=held.get((row.owner_id, row.id), 0),
        )
        for row in connection.execute(select(payments).join(wanted, here))
    ]


def _at_processor(connection: Connection, names: Collection[OwnerPayment]) -> dict[OwnerPayment, int]:
    """What the books hold at the processor, by payment."""
    heads, parts = ACCOUNTS.transfers.c, ACCOUNTS.entries.c
    wanted = keys_of(
        connection,
        "wanted",
        (("owner_id", Text()), ("subject", Text())),
        [(owner_id, f"payment {id_}") for owner_id, id_ in sorted(names)],
    )
    statement = (
        select(heads.party_id, heads.subject, func.sum(parts.amount_minor))
        .join(wanted, and_(heads.party_id == wanted.c.owner_id, heads.subject == wanted.c.subject))
        .join(ACCOUNTS.entries, and_(parts.party_id == heads.party_id, parts.transfer_id == heads.id))
        .where(parts.account == Account.PROCESSOR.value)
        .group_by(heads.party_id, heads.subject)
    )
    return {(owner, about.removeprefix("payment ")): int(held) for owner, about, held in connection.execute(statement)}


def _hanging(connection: Connection, table: Any, names: Collection[OwnerPayment], columns: Sequence[str]) -> list[Any]:
    wanted = _wanted(connection, names)
    here = and_(table.c.owner_id == wanted.c.owner_id, table.c.payment_id == wanted.c.id)
    return list(connection.execute(select(*(table.c[name] for name in columns)).join(wanted, here)))


def _paid_by_several(connection: Connection, names: Collection[OwnerPayment]) -> list[InvoiceHere]:
    wanted = _wanted(connection, names)
    mine = and_(payments.c.owner_id == wanted.c.owner_id, payments.c.id == wanted.c.id)
    touched = select(payments.c.owner_id, payments.c.invoice_id).join(wanted, mine).distinct().subquery()
    several = (
        select(payments.c.owner_id, payments.c.invoice_id)
        .join(
            touched,
            and_(payments.c.owner_id == touched.c.owner_id, payments.c.invoice_id == touched.c.invoice_id),
        )
        .where(payments.c.state == rows.SUCCEEDED)
        .group_by(payments.c.owner_id, payments.c.invoice_id)
        .having(func.count() > 1)
        .subquery()
    )
    statement = select(invoices).join(
        several, and_(invoices.c.owner_id == several.c.owner_id, invoices.c.id == several.c.invoice_id)
    )
    found = []
    for row in connection.execute(statement).all():
        owed = owner_balances(connection, row.owner_id).get((row.seller_id, row.currency), 0)
        found.append(InvoiceHere(row.owner_id, row.id, row.name, row.due_minor, max(0, -owed)))
    return found


# -- the bank -----------------------------------------------------------------------------------------------


def at_bank(connection: Connection, seller_id: str) -> AtBank:
    """Lines that wait, and those whose match stands no longer; which payouts a line stands for."""
    mine = bank_lines.c.seller_id == seller_id
    kind = bank_lines.c.matched_kind
    paid = and_(payments.c.owner_id == bank_lines.c.owner_id, payments.c.id == bank_lines.c.matched_id)
    sent = and_(payouts.c.seller_id == bank_lines.c.seller_id, payouts.c.id == bank_lines.c.matched_id)
    gone = or_(
        and_(kind.in_((PAYMENT, RECORDED)), payments.c.state != rows.SUCCEEDED),
        and_(kind == PAYOUT, payouts.c.status.in_(sorted(CAME_BACK))),
    )
    statement = (
        select(bank_lines, gone.label("gone"))
        .outerjoin(payments, and_(kind.in_((PAYMENT, RECORDED)), paid))
        .outerjoin(payouts, and_(kind == PAYOUT, sent))
        .where(mine, or_(bank_lines.c.state == OPEN, and_(bank_lines.c.state == MATCHED, gone)))
    )
    lines = [
        LineHere(
            row.id,
            row.booked_at,
            row.currency,
            row.amount_minor,
            row.text,
            row.state == OPEN,
            None if row.matched_kind is None else f"{row.matched_kind} {row.matched_id}",
            bool(row.gone),
        )
        for row in connection.execute(statement)
    ]
    standing = connection.execute(select(bank_lines.c.matched_id).where(mine, kind == PAYOUT)).scalars()
    read_until = connection.execute(select(func.max(bank_lines.c.booked_at)).where(mine)).scalar_one()
    return AtBank(lines=lines, payouts=frozenset(standing), read_until=read_until or 0)


# -- the processor ------------------------------------------------------------------------------------------


def ask_for(processor: Processor, refs: Iterable[str]) -> tuple[dict[str, PaymentSeen], set[str]]:
    """These payments as the processor has them, and those of which it knows nothing. Raises `ProcessorError`."""
    found: dict[str, PaymentSeen] = {}
    unknown: set[str] = set()
    for ref in refs:
        try:
            found[ref] = processor.payment(ref)
        except Refused as error:
            if error.code != MISSING:
                raise
            unknown.add(ref)
    return found, unknown


def touched(processor: Processor, since: int, until: int) -> tuple[dict[str, PaymentSeen], set[str], dict[str, int]]:
    """Payments made in [since, until), those that were refunded or disputed in it, and how much that was."""
    seen = {one.ref: one for one in processor.payments_between(since, until)}
    later: dict[str, set[str]] = defaultdict(set)
    counted = {"payments": len(seen), "refunds": 0, "disputes": 0}
    for refund in processor.refunds_between(since, until):
        counted["refunds"] += 1
        later["refunds"].add(refund.payment_ref)
    for dispute in processor.disputes_between(since, until):
        counted["disputes"] += 1
        later["disputes"].add(dispute.payment_ref)
    more, unknown = ask_for(processor, sorted({*later["refunds"], *later["disputes"]} - seen.keys() - {""}))
    return seen | more, unknown, counted
