"""`/finance/charges/…`: one charge with its whole story, from the first message to the last cent, each with its moment.

The page asks the same rooms as everybody: the report is the stored one, the entries are the ledger's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from sqlalchemy import Connection

from api.guard import Engine
from api.pages import evidence, words
from api.pages.errors import PageRoute
from api.pages.finance.filters import STATES
from api.pages.loading import Loaded
from api.pages.queries import story as queries
from api.pages.rendering import page
from api.pages.reports import find_session
from api.pages.visitors import SignedIn, finance
from billing.books import Entry, Wanted, transfers_after
from billing.payments.books import subject_of
from billing.rating import explain
from billing.sums.filters import state_of
from sessions.facts import Fact, Kind, facts_of
from sessions.sites import site

MOST_TRANSFERS = 200

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened; `part` is where on the page it is told in full. Amounts in minor units."""

    at: int
    part: str
    what: str
    why: str = ""
    amount_minor: int | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Money:
    """What followed from the charge on the owner's side."""

    lines: queries.Rows
    payments: queries.Rows
    attempts: queries.Rows
    refunds: queries.Rows
    disputes: queries.Rows
    transfers: list[list[Entry]]  # of the accounts' book

    @property
    def any(self) -> bool:
        return bool(self.lines or self.payments)


@router.get("/finance/charges/{session_id:path}")
def story(
    request: Request, idlefee: Engine, visitor: SignedIn, session_id: Annotated[str, Path(max_length=200)]
) -> Response:
    with idlefee.reading() as connection:
        found = find_session(connection, session_id, visitor, request.state.page["now"])
        key = found.folded.key
        place = site(connection, key.site_id)
        decided = [fact for fact in facts_of(connection, [key]).get(key, []) if fact.kind is not Kind.NOTICE_ACCEPTED]
        transfers = transfers_after(connection, Wanted(site_id=key.site_id, session_id=key.id), None, MOST_TRANSFERS)
        money = _money(connection, found, transfers)
    bill = found.view.bar.report if found.view else None
    return page(
        request,
        "finance/story.html",
        found=found,
        view=found.view,
        site=place,
        state=STATES[state_of(found.charge)] if found.charge else None,
        events=evidence.evidence(found.folded),
        sums=evidence.arithmetic(bill, found.charge) if bill else [],
        sentences=explain(bill, place.tz) if bill else [],
        decisions=decided,
        transfers=transfers,
        money=money,
        steps=sorted(_steps(found, decided, transfers, money), key=lambda step: step.at),
    )


def _money(connection: Connection, found: Loaded, transfers: list[list[Entry]]) -> Money:
    """Of everybody the session was ever charged to."""
    owner_ids = {entry.owner_id for entries in transfers for entry in entries if entry.owner_id is not None}
    lines = queries.lines_of_session(connection, owner_ids, found.folded.key)
    asked = queries.payments_of_invoices(connection, {(line["owner_id"], line["invoice_id"]) for line in lines})
    named = {(payment["owner_id"], payment["id"]) for payment in asked}
    posted = []
    for owner_id, payment_id in sorted(named):
        subject = subject_of(owner_id, payment_id)
        wanted = Wanted(party_id=subject.party_id, subject=subject.id)
        posted += transfers_after(connection, wanted, None, MOST_TRANSFERS)
    return Money(
        lines,
        asked,
        queries.attempts_at(connection, named),
        queries.refunds_of(connection, named),
        queries.disputes_about(connection, named),
        posted,
    )


# -- in the order in which it happened ------------------------------------------------------------------------------


def _steps(found: Loaded, decided: list[Fact], transfers: list[list[Entry]], money: Money) -> Iterator[Step]:
    for event in evidence.evidence(found.folded):
        if event.used and event.type != words.EVENTS["meter"]:
            yield Step(at=event.at, part="events", what=event.type, why=event.cause)
    for fact in decided:
        said = words.word(words.DECISIONS, fact.kind)
        yield Step(at=fact.recorded_at, part="decisions", what=said, why=fact.reason)
    for entries in transfers:
        yield _posted(entries, "Posted" if entries[0].corrects is None else "Corrected", "entries")
    for line in money.lines:
        document = "Invoice" if line["kind"] == "invoice" else "Credit note"
        what = f"{document} {line['name']}"
        yield _amount(line["issued_at"], "invoices", what, "", line["amount_minor"], line["currency"])
    yield from _payments(money)


def _payments(money: Money) -> Iterator[Step]:
    for row in money.payments:
        yield _amount(row["created_at"], "payments", "Asked for", row["means"], row["amount_minor"], row["currency"])
        if row["succeeded_at"] is not None:
            paid_minor, currency = row["captured_minor"], row["currency"]
            yield _amount(row["succeeded_at"], "payments", "Paid", row["means"], paid_minor, currency)
    for row in money.attempts:
        if row["outcome"] != "succeeded":
            said = words.word({}, row["outcome"])
            yield Step(at=row["at"], part="payments", what=f"Tried: {said}", why=row["text"] or row["code"] or "")
    for row in money.refunds:
        why, asked_minor, currency = row["reason"], row["amount_minor"], row["currency"]
        yield _amount(row["asked_at"], "refunds", "Refund asked for", why, asked_minor, currency)
        if row["state"] == "succeeded":
            yield _amount(row["changed_at"], "refunds", "Refunded", why, asked_minor, currency)
    for row in money.disputes:
        why, asked_minor, currency = words.word({}, row["reason"]), row["amount_minor"], row["currency"]
        yield _amount(row["opened_at"], "disputes", "Disputed", why, asked_minor, currency)
        if row["closed_at"] is not None:
            yield _amount(row["closed_at"], "disputes", f"Dispute {row['state']}", why, asked_minor, currency)


def _posted(entries: list[Entry], what: str, part: str) -> Step:
    first = entries[0]
    moved = sum(entry.amount_minor for entry in entries if entry.account in ("receivable", "unclaimed"))
    return _amount(first.recorded_at, part, what, first.reason, moved, first.currency)


def _amount(at: int, part: str, what: str, why: str, amount_minor: int, currency: str) -> Step:
    return Step(at=at, part=part, what=what, why=why, amount_minor=amount_minor, currency=currency)
