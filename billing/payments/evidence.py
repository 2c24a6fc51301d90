"""What we can show a bank that decides a dispute, as one text: the consent, the invoice, how each fee was counted, what
the owner was told, how it was paid, what was given back. Read from what is kept; nothing is judged here.

Plain text in English, for the processor's own pages (Stripe, "Respond to disputes": `uncategorized_text`).
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from billing.money import format_money
from billing.notices.store import deliveries_of, notices_of_session
from billing.payments import rows
from billing.payments.disputes import Dispute, dispute_of
from billing.payments.rows import Payment
from billing.rating import report_from_json
from billing.rating.words import explain
from billing.settle import charges_of
from billing.store.invoices import invoice_lines, invoices
from billing.store.payments import payment_attempts, payment_methods, refunds
from sessions.registry import seller
from sessions.store.queries import SessionKey


def evidence_text(connection: Connection, owner_id: str, dispute_id: str) -> str:
    """Everything about one dispute. Raises `Unknown`."""
    dispute = dispute_of(connection, owner_id, dispute_id)
    payment = rows.payment_of(connection, owner_id, dispute.payment_id)
    parts = [_head(connection, dispute)]
    if payment is not None:
        parts += [_consent(connection, payment), _invoice(connection, payment), _payment(connection, payment)]
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines) + "\n"


def _head(connection: Connection, dispute: Dispute) -> Iterator[str]:
    yield f"Dispute {dispute.id} of {format_money(dispute.amount_minor, dispute.currency)}, reason: {dispute.reason}"
    yield f"Opened {_moment(dispute.opened_at)}"
    if dispute.evidence_due_at is not None:
        yield f"Evidence is due by {_moment(dispute.evidence_due_at)}"
    its = seller(connection, dispute.seller_id)
    yield f"Seller: {its.legal_name or its.name}"
    yield "Service: idle fees for cars that were full and stayed plugged in at a charging stall after a free period"


def _consent(connection: Connection, payment: Payment) -> Iterator[str]:
    theirs = (payment_methods.c.owner_id == payment.owner_id, payment_methods.c.id == payment.method_id)
    card = connection.execute(select(payment_methods).where(*theirs)).mappings().first()
    if card is None:
        return
    yield "CONSENT"
    yield f"Given {_moment(card['consent_at'])} with {card['brand'] or 'a card'} {card['last4'] or ''}".rstrip()
    yield f"Proof: {card['consent_ref']}"
    yield f'Words that were agreed to: "{card["consent"]}"'


def _invoice(connection: Connection, payment: Payment) -> Iterator[str]:
    theirs = (invoices.c.owner_id == payment.owner_id, invoices.c.id == payment.invoice_id)
    invoice = connection.execute(select(invoices).where(*theirs)).mappings().first()
    if invoice is None:
        return
    yield "INVOICE"
    total = format_money(invoice["total_minor"], payment.currency)
    yield f"{invoice['name']}, issued {_moment(invoice['issued_at'])}, {total}"
    lines = select(invoice_lines).where(
        invoice_lines.c.owner_id == payment.owner_id, invoice_lines.c.invoice_id == payment.invoice_id
    )
    for line in connection.execute(lines.order_by(invoice_lines.c.line)).mappings().all():
        words = json.loads(line["body"])
        yield ""
        amount = format_money(line["amount_minor"], payment.currency)
        yield f"SESSION {line['session_id']} at {words.get('site', line['site_id'])}: {amount}"
        yield from _session(connection, SessionKey(line["site_id"], line["session_id"]), words.get("zone", "UTC"))


def _session(connection: Connection, key: SessionKey, zone: str) -> Iterator[str]:
    """How the fee was counted, from the station's own messages, and what the owner was told meanwhile."""
    charge = charges_of(connection, [key]).get(key)
    if charge is not None:
        yield from explain(report_from_json(json.loads(charge.report)), ZoneInfo(zone))
    told = notices_of_session(connection, key)
    accepted = deliveries_of(connection, told)
    for notice in told:
        ways = [f"{one.channel} {_moment(one.accepted_at)}" for one in accepted.get(notice.id, ())]
        yield f"Told {_moment(notice.created_at)}: {notice.subject} ({', '.join(ways) or 'in the account'})"


def _payment(connection: Connection, payment: Payment) -> Iterator[str]:
    yield "PAYMENT"
    captured = format_money(payment.captured_minor, payment.currency)
    yield f"{payment.processor_ref}: {captured}" + (
        f", {_moment(payment.succeeded_at)}" if payment.succeeded_at is not None else ""
    )
    tries = select(payment_attempts).where(
        payment_attempts.c.owner_id == payment.owner_id, payment_attempts.c.payment_id == payment.id
    )
    for one in connection.execute(tries.order_by(payment_attempts.c.n)).mappings():
        yield f"Try {one['n']}, {_moment(one['at'])}: {one['outcome']}" + (f" ({one['code']})" if one["code"] else "")
    back = select(refunds).where(refunds.c.owner_id == payment.owner_id, refunds.c.payment_id == payment.id)
    for one in connection.execute(back.order_by(refunds.c.asked_at, refunds.c.id)).mappings():
        amount = format_money(one["amount_minor"], payment.currency)
        yield f"Refund of {amount}, {_moment(one['asked_at'])}: {one['state']} ({one['reason']})"


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
