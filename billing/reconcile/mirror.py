"""What the processor said, kept: its balance lines and payouts, and their place in the books.

A payout leaves the processor's account here as it does there; a line that no payment of ours explains is a fee of the
processor's own, or stands in suspense until something explains it. What belongs to a payment is `payments.seen`'s.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Text, and_, exists, or_, select, tuple_

from billing.ledger import ACCOUNTS, Account, Balances, Line, Subject, converge, posted
from billing.payments.processor import BalanceLine, PayoutSeen
from billing.payments.provisions import lock_seller
from billing.reconcile.comparing import CAME_BACK, FEES, PAYOUTS
from billing.store.payments import payments
from billing.store.reconciliation import payouts, processor_lines
from sessions.statements import bulk_insert, keys_of, one_of

_LINE = (
    *("seller_id", "id", "kind", "source_ref", "payment_ref", "payout_ref", "currency"),
    *("amount_minor", "fee_minor", "created_at", "available_at", "seen_at"),
)
_SUBJECT = "line "
_PAYOUT = ("seller_id", "id", "currency", "amount_minor", "status", "created_at", "arrives_at", "seen_at")


def payout_books(seller_id: str, payout: PayoutSeen) -> Balances:
    """A payout is in transit until the bank's line takes it from there; one that came back was never sent."""
    if payout.status in CAME_BACK or not payout.amount_minor:
        return {}
    return {
        Line(Account.IN_TRANSIT, None, seller_id, payout.currency, None): payout.amount_minor,
        Line(Account.PROCESSOR, None, seller_id, payout.currency, None): -payout.amount_minor,
    }


def line_books(seller_id: str, line: BalanceLine, *, explained: bool) -> Balances:
    """What a balance line moved beside payments and payouts. `explained`: a payment of ours, or a payout, posts it."""
    if explained:
        moved_minor, fee_minor = 0, line.fee_minor if line.kind in PAYOUTS else 0
    else:
        own_fee = line.kind in FEES
        moved_minor = 0 if own_fee else line.amount_minor
        fee_minor = line.fee_minor - line.amount_minor if own_fee else line.fee_minor
    amounts = {
        Account.PROCESSOR: moved_minor - fee_minor,
        Account.PROCESSOR_FEES: fee_minor,
        Account.SUSPENSE: -moved_minor,
    }
    return {
        Line(account, None, seller_id, line.currency, None): amount for account, amount in amounts.items() if amount
    }


def payout_subject(seller_id: str, payout_id: str) -> Subject:
    return Subject(seller_id, f"payout {payout_id}")


def line_subject(seller_id: str, line_id: str) -> Subject:
    return Subject(seller_id, _SUBJECT + line_id)


def keep(
    connection: Connection, seller_id: str, lines: Sequence[BalanceLine], sent: Sequence[PayoutSeen], now: int
) -> None:
    """Keep what was said, and post it. Takes the seller's lock. Raises `Unknown`."""
    lock_seller(connection, seller_id)
    told = [
        (
            *(seller_id, line.ref, line.kind, line.source_ref, line.payment_ref, line.payout_ref, line.currency),
            *(line.amount_minor, line.fee_minor, line.created_at, line.available_at, now),
        )
        for line in lines
    ]
    bulk_insert(connection, processor_lines, _LINE, told, conflict=_newer("kind", "payment_ref", "payout_ref"))
    announced = [
        (seller_id, one.ref, one.currency, one.amount_minor, one.status, one.created_at, one.arrives_at, now)
        for one in sent
    ]
    bulk_insert(connection, payouts, _PAYOUT, announced, conflict=_newer("status", "amount_minor", "arrives_at"))
    for one in sent:
        reason = f"payout {one.status}"
        converge(connection, payout_subject(seller_id, one.ref), payout_books(seller_id, one), reason, now)


def _newer(*columns: str) -> str:
    changes = ", ".join(f"{column} = excluded.{column}" for column in (*columns, "seen_at"))
    return f"ON CONFLICT (seller_id, id) DO UPDATE SET {changes}"


def post_unexplained(connection: Connection, seller_id: str, since: int, now: int) -> list[BalanceLine]:
    """Let the books follow which lines are explained by now: those since then, and those that stand anywhere.

    Answers what is not explained, fees of the processor's own among them. Takes the seller's lock.
    """
    lock_seller(connection, seller_id)
    judged = _judged(connection, seller_id, since)
    targets = {
        line_subject(seller_id, line.ref): line_books(seller_id, line, explained=explained)
        for line, explained in judged
    }
    held = posted(connection, list(targets), ACCOUNTS)
    for subject, target in targets.items():
        if held.get(subject, {}) != target:
            reason = "moved the processor's balance" if target else "explained by now"
            converge(connection, subject, target, reason, now)
    return [line for line, explained in judged if not explained]


def _judged(connection: Connection, seller_id: str, since: int) -> list[tuple[BalanceLine, bool]]:
    """Lines, and whether a payment of ours, or a payout that the processor lists, explains each."""
    paid = exists().where(payments.c.processor_ref == processor_lines.c.payment_ref)
    listed = exists().where(
        payouts.c.seller_id == processor_lines.c.seller_id, payouts.c.id == processor_lines.c.payout_ref
    )
    explained = or_(paid, and_(processor_lines.c.kind.in_(sorted(PAYOUTS)), listed))
    standing = one_of(connection, processor_lines.c.id, _posted_lines(connection, seller_id))
    statement = (
        select(processor_lines, explained.label("explained"))
        .where(processor_lines.c.seller_id == seller_id, or_(processor_lines.c.created_at >= since, standing))
        .order_by(processor_lines.c.id)
    )
    return [(line_of(row), bool(row["explained"])) for row in connection.execute(statement).mappings()]


def _posted_lines(connection: Connection, seller_id: str) -> set[str]:
    """Lines that were ever posted by themselves: as suspense, or as a fee."""
    heads = ACCOUNTS.transfers.c
    ours = (heads.party_id == seller_id, heads.subject.startswith(_SUBJECT, autoescape=True))
    return {name.removeprefix(_SUBJECT) for name in connection.execute(select(heads.subject).where(*ours)).scalars()}


def unexplained_payments(connection: Connection, seller_id: str) -> set[str]:
    """Payments at the processor whose money was put in suspense, and that are still none of ours: by its names."""
    ours = exists().where(payments.c.processor_ref == processor_lines.c.payment_ref)
    statement = select(processor_lines.c.payment_ref).where(
        processor_lines.c.seller_id == seller_id,
        processor_lines.c.payment_ref.is_not(None),
        one_of(connection, processor_lines.c.id, _posted_lines(connection, seller_id)),
        ~ours,
    )
    return set(connection.execute(statement).scalars())


def lines_of(connection: Connection, seller_id: str, payment_refs: Collection[str]) -> list[BalanceLine]:
    """The lines of these payments, by the processor's names for them."""
    wanted = keys_of(connection, "wanted", (("ref", Text()),), [(ref,) for ref in sorted(payment_refs)])
    statement = select(processor_lines).join(wanted, processor_lines.c.payment_ref == wanted.c.ref)
    rows = connection.execute(statement.where(processor_lines.c.seller_id == seller_id)).mappings()
    return [line_of(row) for row in rows] if payment_refs else []


def payout_lines(connection: Connection, seller_id: str, payout_ids: Iterable[str]) -> list[BalanceLine]:
    """The lines with which these payouts left the balance, or came back to it."""
    names = [(seller_id, id_) for id_ in payout_ids]
    named = tuple_(processor_lines.c.seller_id, processor_lines.c.payout_ref)
    statement = select(processor_lines).where(named.in_(names), processor_lines.c.kind.in_(sorted(PAYOUTS)))
    return [line_of(row) for row in connection.execute(statement).mappings()] if names else []


def line_of(row: Mapping[Any, Any]) -> BalanceLine:
    return BalanceLine(
        ref=row["id"],
        kind=row["kind"],
        source_ref=row["source_ref"],
        amount_minor=row["amount_minor"],
        fee_minor=row["fee_minor"],
        currency=row["currency"],
        created_at=row["created_at"],
        available_at=row["available_at"],
        payment_ref=row["payment_ref"],
        payout_ref=row["payout_ref"],
    )


def payout_of(row: Mapping[Any, Any]) -> PayoutSeen:
    return PayoutSeen(
        ref=row["id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        status=row["status"],
        created_at=row["created_at"],
        arrives_at=row["arrives_at"],
    )
