"""How an owner stands with a seller in one currency: what was invoiced, what was paid and credited, what is open.

Read from the documents and the accounts' book; who paid what is `allocation`'s, and nothing of it is stored.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select, tuple_

from billing.invoices.allocation import Allocation, Claim, Relief, allocate
from billing.invoices.sides import Side
from billing.ledger import Account
from billing.payments.amounts import chargeable
from billing.store.accounts import account_entries, account_transfers
from billing.store.invoices import carried, invoices
from billing.store.payments import TO_DECIDE, credits_given, payments, refunds
from sessions.statements import one_of

INVOICE, CREDIT_NOTE = "invoice", "credit_note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An invoice or a credit note without its lines. Minor units; a credit note's are below zero."""

    owner_id: str
    id: str
    seller_id: str
    currency: str
    kind: str
    series: str
    number: int
    name: str
    issued_at: int
    total_minor: int
    tax_minor: int
    due_minor: int
    corrects: str | None


DOCUMENT = tuple(invoices.c[name] for name in Document.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Movement:
    """What a payment, a credit or a write-off took from what is owed, as the accounts' book has it: less what was paid
    back. `amount_minor` below zero where more was paid back than came.
    """

    subject: str
    at: int
    amount_minor: int
    invoice_id: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One side's documents, movements and who paid what."""

    side: Side
    documents: list[Document]
    movements: list[Movement]
    allocation: Allocation
    asks: Mapping[str, int]  # by invoice, what is still to be asked for it
    held_minor: int = 0  # of what is owed, what nobody asks for until a person has decided

    def open_minor(self, invoice_id: str) -> int:
        """What is still owed of an invoice."""
        return self.allocation.open_minor.get(invoice_id, 0)

    def asked_minor(self, invoice: Document) -> int:
        """What is still to be asked for an invoice."""
        return self.asks.get(invoice.id, 0)

    @property
    def unasked_minor(self) -> int:
        """What the next invoice asks for beside its own lines: whatever is owed, not held and asked for by no invoice;
        below zero: credit that it uses up.
        """
        return self.allocation.owed_minor - self.held_minor - sum(self.asks.values())

    def payers(self, invoice_id: str) -> list[tuple[str, int]]:
        """What paid an invoice, by name, and how much of it."""
        names = {one.id: one.name for one in self.documents}
        return [
            (names.get(share.relief_id, share.relief_id), share.amount_minor)
            for share in self.allocation.shares
            if share.claim_id == invoice_id
        ]


Held = Mapping[str | None, int]
"""By invoice, what went back at the processor and nobody decided about yet; under no invoice: of a payment of none."""


def standing_of(side: Side, documents: list[Document], movements: list[Movement], held: Held | None = None) -> Standing:
    """Who paid what, from documents and movements of one side; what is `held` is owed and not asked for. Pure."""
    claims = [Claim(one.id, one.issued_at, one.total_minor) for one in documents if one.total_minor > 0]
    claims += [Claim(one.subject, one.at, -one.amount_minor) for one in movements if one.amount_minor < 0]
    reliefs = [
        Relief(one.id, one.issued_at, -one.total_minor, one.corrects) for one in documents if one.total_minor < 0
    ]
    reliefs += [
        Relief(one.subject, one.at, one.amount_minor, one.invoice_id) for one in movements if one.amount_minor > 0
    ]
    allocation = allocate(claims, reliefs)
    held_minor = max(0, min(sum((held or {}).values()), allocation.owed_minor))
    asks = _asks(documents, movements, allocation, held or {}, held_minor)
    return Standing(side, documents, movements, allocation, asks, held_minor)


def _asks(
    documents: Sequence[Document], movements: Sequence[Movement], allocation: Allocation, held: Held, held_minor: int
) -> dict[str, int]:
    """What is still to be asked for each invoice: what is open of it, and of what it brought along from before, as much
    as nobody else asks for; no more than its amount due less what was paid for it, in amounts that can be collected.

    What went back of a payment and is held counts as paid still. Their sum is never more than what is owed on the
    whole, less what is held.
    """
    paid: dict[str | None, int] = defaultdict(int, held)
    for moved in movements:
        paid[moved.invoice_id] += moved.amount_minor
    own: dict[str, int] = {}
    bringing = []
    for one in documents:
        if one.kind == INVOICE:
            own[one.id] = max(0, min(allocation.open_minor.get(one.id, 0), one.due_minor - paid[one.id]))
            if one.due_minor > one.total_minor:
                bringing.append(one)
            else:
                own[one.id] = chargeable(own[one.id], one.currency).now_minor
    rest = max(0, allocation.owed_minor) - held_minor - sum(own.values())
    for one in [*reversed(bringing)] * 2:  # again, for what another could not ask for by itself
        brought_minor = one.due_minor - one.total_minor
        most = min(allocation.open_minor.get(one.id, 0) + brought_minor, one.due_minor - paid[one.id])
        asked = chargeable(max(0, min(own[one.id] + rest, most)), one.currency).now_minor
        rest -= asked - own[one.id]
        own[one.id] = asked
    return {name: amount for name, amount in own.items() if amount}


def standings(connection: Connection, owner_ids: Collection[str]) -> dict[Side, Standing]:
    """Every side of these owners that was ever invoiced or paid."""
    documents: dict[Side, list[Document]] = defaultdict(list)
    mine = select(*DOCUMENT).where(one_of(connection, invoices.c.owner_id, owner_ids))
    for row in connection.execute(mine.order_by(invoices.c.issued_at, invoices.c.id)).mappings():
        found = document_of(row)
        documents[Side(found.owner_id, found.seller_id, found.currency)].append(found)
    movements, held = _movements(connection, owner_ids)
    sides = sorted({*documents, *movements})
    return {side: standing_of(side, documents[side], movements[side], held[side]) for side in sides}


def standing(connection: Connection, side: Side) -> Standing:
    """One side, empty where nothing was ever invoiced or paid."""
    return standings(connection, [side.owner_id]).get(side) or standing_of(side, [], [])


def document_of(row: Mapping[Any, Any]) -> Document:
    return Document(**{name: row[name] for name in Document.__dataclass_fields__})


def _movements(
    connection: Connection, owner_ids: Collection[str]
) -> tuple[dict[Side, list[Movement]], dict[Side, dict[str | None, int]]]:
    """What the accounts' book says of each owner's receivable, by subject, and what of it is held; a refund is part of
    its payment's.
    """
    heads, parts = account_transfers.c, account_entries.c
    statement = (
        select(
            parts.owner_id,
            parts.seller_id,
            parts.currency,
            heads.subject,
            func.min(heads.recorded_at).label("at"),
            func.sum(parts.amount_minor).label("moved"),
        )
        .join(account_transfers, and_(heads.party_id == parts.party_id, heads.id == parts.transfer_id))
        .where(one_of(connection, parts.owner_id, owner_ids), parts.account == Account.RECEIVABLE.value)
        .group_by(parts.owner_id, parts.seller_id, parts.currency, heads.subject)
        .order_by("at", heads.subject)
    )
    rows = connection.execute(statement).all()
    asked_for = _asked_for(connection, owner_ids) if rows else {}
    found: dict[Side, list[Movement]] = defaultdict(list)
    for owner_id, seller_id, currency, subject, at, moved in rows:
        if moved:
            invoice_id = asked_for.get((owner_id, subject))
            found[Side(owner_id, seller_id, currency)].append(Movement(subject, at, -int(moved), invoice_id))
    return found, _held(connection, owner_ids) if rows else defaultdict(dict)


def _held(connection: Connection, owner_ids: Collection[str]) -> dict[Side, dict[str | None, int]]:
    """What went back at the processor itself and nobody has decided about."""
    waits = select(refunds).where(one_of(connection, refunds.c.owner_id, owner_ids), TO_DECIDE).subquery()
    statement = (
        select(
            payments.c.owner_id,
            payments.c.seller_id,
            payments.c.currency,
            payments.c.invoice_id,
            func.sum(waits.c.withdrawn_minor),
        )
        .join(waits, and_(waits.c.owner_id == payments.c.owner_id, waits.c.payment_id == payments.c.id))
        .group_by(payments.c.owner_id, payments.c.seller_id, payments.c.currency, payments.c.invoice_id)
    )
    found: dict[Side, dict[str | None, int]] = defaultdict(dict)
    for owner_id, seller_id, currency, invoice_id, minor in connection.execute(statement):
        found[Side(owner_id, seller_id, currency)][invoice_id] = int(minor)
    return found


def _asked_for(connection: Connection, owner_ids: Collection[str]) -> dict[tuple[str, str], str | None]:
    """The invoice each payment was asked for, by owner and subject; what is written off for a payment that did not come
    is written off that invoice, and what is given as a credit for a refund pays its payment's.
    """
    statement = select(payments.c.owner_id, payments.c.id, payments.c.invoice_id)
    rows = connection.execute(statement.where(one_of(connection, payments.c.owner_id, owner_ids)))
    found = {(owner_id, f"payment {payment_id}"): invoice_id for owner_id, payment_id, invoice_id in rows}
    back = select(refunds.c.owner_id, refunds.c.id, refunds.c.payment_id)
    for owner_id, id_, payment_id in connection.execute(back.where(one_of(connection, refunds.c.owner_id, owner_ids))):
        found[owner_id, f"refund {id_}"] = found.get((owner_id, f"payment {payment_id}"))
    given = select(*(credits_given.c[name] for name in ("owner_id", "kind", "id", "about"))).where(
        one_of(connection, credits_given.c.owner_id, owner_ids), credits_given.c.about.is_not(None)
    )
    for owner_id, kind, id_, about in connection.execute(given):
        found[owner_id, f"{kind} {id_}"] = found.get((owner_id, about))
    return found


class Carried(NamedTuple):
    """What waits to be invoiced: until a moment, or until it comes to `least_minor`."""

    owner_id: str
    seller_id: str
    currency: str
    amount_minor: int
    sessions: int
    since: int
    until: int | None
    least_minor: int | None


_CARRIED = tuple(carried.c[name] for name in Carried._fields)


def carried_of(connection: Connection, owner_id: str) -> list[Carried]:
    """What of an owner's fees is on no invoice yet, as the last look left it."""
    statement = select(*_CARRIED).where(carried.c.owner_id == owner_id)
    rows = connection.execute(statement.order_by(carried.c.seller_id, carried.c.currency))
    return [Carried(*row) for row in rows]


def carried_after(
    connection: Connection, seller_id: str | None, place: tuple[int, str, str, str] | None, most: int
) -> list[Carried]:
    """The same of everybody, oldest first, from behind a place: since, owner, seller, currency."""
    key = (carried.c.since, carried.c.owner_id, carried.c.seller_id, carried.c.currency)
    statement = select(*_CARRIED).order_by(*key).limit(most)
    if seller_id is not None:
        statement = statement.where(carried.c.seller_id == seller_id)
    if place is not None:
        statement = statement.where(tuple_(*key) > tuple_(*place))
    return [Carried(*row) for row in connection.execute(statement)]
