"""Issuing: what stands in the books and on no invoice becomes a line of one, as the seller's policy says; what was
invoiced and stands no longer becomes a credit note, at once.

A step of the outbox, written by `billing.engine` in the transaction that posts a fee. It looks at the books, so it may
come late, twice or for nothing. Once issued, a document never changes. Asking for the money is `billing.payments`'.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, func, insert, select, tuple_

from billing.assignments import VersionRef, tariff_version
from billing.invoices.lines import Words, credit_words, words_of
from billing.invoices.numbering import lock_numbers, name_of, next_number, series_at
from billing.invoices.policy import Policy, policy_of
from billing.invoices.sides import Side
from billing.invoices.standing import CREDIT_NOTE, INVOICE, standing
from billing.invoices.uninvoiced import Due, due_of
from billing.jobs import Lease, schedule
from billing.owners import owner
from billing.payments.amounts import chargeable
from billing.payments.collecting import collect_job
from billing.payments.locks import lock_owner
from billing.payments.lost import count_lost
from billing.settle import Charge, fee_of
from billing.store.invoices import carried, invoice_lines, invoices
from sessions.registry import Seller, seller
from sessions.sites import sites_by_id
from sessions.statements import bulk_insert
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions


def issue_due(lease: Lease) -> None:
    """A worker's step: issue what is due of each side, and come again when the rest is."""
    sides = {job.key: Side(**job.body) for job in lease.jobs}

    def lock(connection: Connection) -> None:
        for owner_id in sorted({side.owner_id for side in sides.values()}):
            lock_owner(connection, owner_id)

    with lease.transaction(lock) as turn:
        for job in sorted(turn.jobs, key=lambda job: (sides[job.key].seller_id, job.key)):
            again_at = issue(turn.connection, sides[job.key], turn.now)
            if again_at is not None:
                turn.postpone(job, again_at)


def issue(connection: Connection, side: Side, now: int) -> int | None:
    """Issue what is due; answers when to look again for what is not due yet. The owner is locked by the caller."""
    by = seller(connection, side.seller_id)
    policy, zone = policy_of(connection, side.seller_id), ZoneInfo(by.zone)
    found = due_of(connection, side)
    falls = [one for one in found if one.missing.credits]
    rises = [one for one in found if one.missing.amount_minor]
    before, until = _bounds(policy, zone, now)
    ready = [one for one in rises if one.since < before]
    desk = _Desk(connection, side, by, policy, now)
    if falls:
        desk.credit(falls)
        count_lost(connection, side, now)
    later = rises if ready and not desk.invoice(ready) else [one for one in rises if one not in ready]
    waits = [one for one in later if one not in ready]
    _carry(connection, side, later, until if waits else None, policy.least_minor(side.currency), now)
    return until if waits else None


def _bounds(policy: Policy, zone: ZoneInfo, now: int) -> tuple[int, int]:
    """Fees posted before the first moment are due; the others at the second. Days and months are the seller's."""
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    if policy.invoice_at == "session_end":
        return now + 1, now
    first, after = today, today + timedelta(days=1)
    if policy.invoice_at == "monthly":
        first = today.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    start, end = (datetime(day.year, day.month, day.day, tzinfo=zone) for day in (first, after))
    return int(start.timestamp()), int(end.timestamp())


def _carry(
    connection: Connection, side: Side, waiting: Sequence[Due], until: int | None, least_minor: int, now: int
) -> None:
    """Write down what waits, for everybody who asks."""
    connection.execute(delete(carried).where(tuple_(*(carried.c[name] for name in Side._fields)) == tuple_(*side)))
    if waiting:
        connection.execute(
            insert(carried).values(
                **side._asdict(),
                amount_minor=sum(one.missing.amount_minor for one in waiting),
                sessions=len({one.key for one in waiting}),
                since=min(one.since for one in waiting),
                until=until,
                least_minor=least_minor if until is None else None,
                changed_at=now,
            )
        )


@dataclass(frozen=True, slots=True)
class _Row:
    """A line to be issued."""

    key: SessionKey
    tax_code: str | None
    amount_minor: int
    tax_minor: int
    words: Words


class _Desk:
    """Issues the documents of one side in one transaction."""

    def __init__(self, connection: Connection, side: Side, by: Seller, policy: Policy, now: int) -> None:
        self._connection, self._side, self._seller, self._policy, self._now = connection, side, by, policy, now
        self._series = series_at(policy, by.id, ZoneInfo(by.zone), now)
        self._held = False

    def credit(self, falls: Sequence[Due]) -> None:
        """A credit note for each invoice that says more than the books."""
        rows: dict[str, list[_Row]] = defaultdict(list)
        for one in falls:
            fee_minor = fee_of(one.charge, self._side.owner_id)
            for part in one.missing.credits:
                words = credit_words(one, one.words[part.invoice_id], fee_minor)
                rows[part.invoice_id].append(_Row(one.key, one.tax_code, -part.amount_minor, -part.tax_minor, words))
        for invoice_id, lines in sorted(rows.items()):
            self._issue(CREDIT_NOTE, lines, 0, corrects=invoice_id)

    def invoice(self, rises: Sequence[Due]) -> bool:
        """One invoice of all these lines; False where what it would ask for is too little to be asked."""
        total = sum(one.missing.amount_minor for one in rises)
        wanted = total + standing(self._connection, self._side).unasked_minor
        asked = chargeable(wanted, self._side.currency).now_minor
        if wanted > 0 and asked < self._policy.least_minor(self._side.currency):
            return False
        words = _Words(self._connection, rises)
        lines = [
            _Row(one.key, one.tax_code, one.missing.amount_minor, one.missing.tax_minor, words.of(one))
            for one in sorted(rises, key=words.began)
        ]
        invoice_id = self._issue(INVOICE, lines, max(0, asked), brought_minor=wanted - total)
        if asked > 0:
            schedule(self._connection, [collect_job(self._side.owner_id, invoice_id, self._now)], self._now)
        return True

    def _issue(
        self,
        kind: str,
        lines: Sequence[_Row],
        due_minor: int,
        *,
        corrects: str | None = None,
        brought_minor: int = 0,
    ) -> str:
        if not self._held:
            lock_numbers(self._connection, self._seller.id, self._series)
            self._held = True
        series = self._series[kind == CREDIT_NOTE]
        number = next_number(self._connection, self._seller.id, series)
        invoice_id = self._next_id()
        self._connection.execute(
            insert(invoices).values(
                **self._side._asdict(),
                id=invoice_id,
                kind=kind,
                series=series,
                number=number,
                name=name_of(series, number),
                issued_at=self._now,
                total_minor=sum(line.amount_minor for line in lines),
                tax_minor=sum(line.tax_minor for line in lines),
                due_minor=due_minor,
                corrects=corrects,
                body=_compact(self._parties(brought_minor)),
            )
        )
        columns = ("owner_id", "invoice_id", "line", "site_id", "session_id", "amount_minor", "tax_minor")
        rows = [
            (
                *(self._side.owner_id, invoice_id, number, line.key.site_id, line.key.id),
                *(line.amount_minor, line.tax_minor, line.tax_code, _compact(line.words)),
            )
            for number, line in enumerate(lines, start=1)
        ]
        bulk_insert(self._connection, invoice_lines, (*columns, "tax_code", "body"), rows, conflict="")
        return invoice_id

    def _next_id(self) -> str:
        """H(owner, seller, currency, n): the same document has the same id wherever it is computed."""
        mine = [invoices.c[name] == value for name, value in self._side._asdict().items()]
        n = self._connection.execute(select(func.count()).select_from(invoices).where(*mine)).scalar_one() + 1
        return hashlib.blake2b("\0".join((*self._side, str(n))).encode(), digest_size=16).hexdigest()

    def _parties(self, brought_minor: int) -> dict[str, Any]:
        """Seller and owner as they are called on this day; whoever leaves later stays named here, as the law asks."""
        by, payer = self._seller, owner(self._connection, self._side.owner_id)
        return {
            "seller": {
                "name": by.legal_name or by.name,
                "address": by.address,
                "tax_id": by.tax_id,
            },
            "zone": by.zone,
            "owner": {"id": payer.id, "name": payer.name},
            "brought_minor": brought_minor,
        }


class _Words:
    """What lines say, with what that takes read once for all of them."""

    def __init__(self, connection: Connection, rises: Sequence[Due]) -> None:
        keys = sorted({one.key for one in rises})
        at = select(sessions.c.site_id, sessions.c.id, sessions.c.stall, sessions.c.plugged_in_at)
        rows = connection.execute(at.where(tuple_(sessions.c.site_id, sessions.c.id).in_(keys)))
        self._at = {SessionKey(row.site_id, row.id): row for row in rows}
        self._sites = sites_by_id(connection, sorted({key.site_id for key in keys}))
        versions = {_version(one.charge) for one in rises}
        self._tariffs = {version: tariff_version(connection, version) for version in versions}

    def of(self, due: Due) -> Words:
        tariff, site = self._tariffs[_version(due.charge)], self._sites[due.key.site_id]
        return words_of(due, tariff, site, self._at[due.key].stall)

    def began(self, due: Due) -> tuple[int, str]:
        return self._at[due.key].plugged_in_at or 0, due.key.id


def _version(charge: Charge) -> VersionRef:
    return VersionRef(charge.tariff, charge.tariff_version)


def _compact(words: Mapping[str, Any]) -> str:
    return json.dumps(words, separators=(",", ":"), ensure_ascii=False)
