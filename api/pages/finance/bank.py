"""`/finance/bank`: what the bank booked, what each line may be, and the decision; importing the bank's file; payments
that somebody wrote down by hand. The rules are `billing.reconcile.bank`'s and `billing.payments.by_hand`'s.
"""

import tomllib
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.guard import Engine
from api.pages.amounts import amount_minor
from api.pages.decide import LONGEST_REASON
from api.pages.errors import PageRoute
from api.pages.finance.filters import check_day
from api.pages.queries import ROWS_A_PAGE, owners
from api.pages.rendering import page
from api.pages.uploading import WithFile
from api.pages.visitors import Form, SentForm, SignedIn, finance
from api.paging import Cursor, cursor_at, place_of
from api.problems import Problem
from api.wiring import Idlefee
from billing.money import is_currency
from billing.payments import by_hand
from billing.payments.by_hand import Received
from billing.reconcile.bank import lines as bank
from billing.reconcile.bank import listing
from billing.reconcile.bank.matching import Proposal
from billing.reconcile.bank.reading import BankFormat, format_of, read_statement
from billing.sums.days import calendars, stretch_of
from sessions.registry import seller as known_seller

PAGE = "/finance/bank"
ANOTHER, NOT_OURS = "payment", "not_ours"  # what a line can be beside what is proposed

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@router.get(PAGE)
def lines(
    request: Request,
    idlefee: Engine,
    seller: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[Literal["open", "matched", "not_ours"], Query()] = "open",
    before: Cursor = None,
    imported: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The bank's lines in a state, those first that wait longest; and payments by hand, the newest first."""
    place = place_of(before, (int, str, str))
    with idlefee.reading() as connection:
        found = listing.lines_after(
            connection, seller_id=seller or None, state=state, after=place, most=ROWS_A_PAGE + 1
        )
        suspended = listing.suspended(connection)
        recorded = by_hand.recorded(connection, ROWS_A_PAGE)
        names = owners.seller_names(connection)
    shown = found[:ROWS_A_PAGE]
    last = shown[-1] if len(found) > ROWS_A_PAGE else None
    given = {"seller": seller, "state": state}
    return page(
        request,
        "finance/bank.html",
        lines=[(row, [(_named(one), one) for one in listing.proposals_of(row)]) for row in shown],
        suspended=sorted(suspended.items()),
        recorded=recorded,
        names=names,
        seller=seller,
        state=state,
        imported=_counted(imported),
        before=before,
        following=cursor_at((last["booked_at"], last["seller_id"], last["id"])) if last else None,
        here=f"{PAGE}?{urlencode({name: value for name, value in given.items() if value})}",
    )


# -- importing --------------------------------------------------------------------------------------------------------


@router.post("/finance/bank/import")
def import_file(idlefee: Engine, sent: WithFile) -> Response:
    """Import what a bank booked; a line that is there already is not imported again."""
    if not sent.content:
        raise Problem(422, "no_file", "No file was chosen", "Choose the file that your bank gave you.")
    seller_id = sent.form["seller"]
    with idlefee.reading() as connection:
        known_seller(connection, seller_id)
    found = read_statement(sent.content, _format(sent.form["format"]))
    done = bank.import_lines(idlefee.engine, idlefee.clock, seller_id, found, author=sent.author)
    told = f"{done.new} {done.known} {done.matched} {done.waiting}"
    return RedirectResponse(f"{PAGE}?{urlencode({'imported': told})}", 303)


def _format(text: str) -> BankFormat:
    try:
        return format_of(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Problem(422, "bad_format", "The format cannot be read", f"It is no TOML: {error}.") from None


def _counted(told: str) -> list[int]:
    """What became of the file that was imported just now, as its address says: new, known, matched, waiting."""
    counts = told.split()
    return [int(count) for count in counts] if len(counts) == 4 and all(map(str.isdecimal, counts)) else []


# -- deciding ---------------------------------------------------------------------------------------------------------


@router.post("/finance/bank/decide")
def decide(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """Say what a line is, or take that back."""
    seller_id, line_id = form["seller"], form["line"]
    by = {"author": visitor.author, "reason": _reason(form)}
    if form["decision"] == "release":
        bank.release(idlefee.engine, idlefee.clock, seller_id, line_id, **by)
    elif form["is"] == NOT_OURS:
        with idlefee.writing() as connection:
            bank.set_aside(connection, seller_id, line_id, now=idlefee.clock.now(), **by)
    else:
        what = _another(idlefee, form) if form["is"] == ANOTHER else _chosen(form["is"])
        bank.accept(idlefee.engine, idlefee.clock, seller_id, line_id, what, **by)
    return RedirectResponse(PAGE, 303)


def _named(one: Proposal) -> str:
    """A proposal as the form carries it: lines are matched again and again, so its number would not be enough."""
    parts = {"kind": one.kind, "id": one.id, "owner": one.owner_id, "invoice": one.invoice_id}
    return urlencode({name: value for name, value in parts.items() if value})


def _chosen(said: str) -> Proposal:
    parts = {name: values[0] for name, values in parse_qs(said).items()}
    if parts.get("kind") not in (bank.PAYMENT, bank.RECORDED, bank.PAYOUT):
        raise Problem(422, "no_decision", "Nothing was decided", "Choose what the line is.")
    return Proposal(parts["kind"], "", parts.get("id"), parts.get("owner"), parts.get("invoice"))


def _another(idlefee: Idlefee, form: Form) -> Proposal:
    """A person's own word: an invoice by its name, or an owner."""
    if form["invoice"]:
        with idlefee.reading() as connection:
            return listing.to_record(*listing.invoice_called(connection, form["seller"], form["invoice"]))
    if not form["owner"]:
        raise Problem(422, "whose", "Whose payment it is was not said", "Name the owner, or the invoice.")
    return listing.to_record(form["owner"])


def _reason(form: Form) -> str:
    if len(form["reason"]) > LONGEST_REASON:
        raise Problem(422, "long_reason", "The reason is too long", f"Say it in {LONGEST_REASON} letters.")
    return form["reason"]


# -- by hand ----------------------------------------------------------------------------------------------------------


@router.post("/finance/bank/payments")
def record(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """Write down a payment by hand. The same one twice is there once."""
    currency = form["currency"].upper()
    if not is_currency(currency):
        raise Problem(422, "bad_currency", "This is no currency", f"“{currency}” is not in ISO 4217: USD is.")
    check_day(form["day"])
    if len(form["reference"]) > LONGEST_REASON:
        raise Problem(422, "long_reference", "The reference is too long", f"Say it in {LONGEST_REASON} letters.")
    now = idlefee.clock.now()
    with idlefee.writing() as connection:
        known_seller(connection, form["seller"])
        zone = calendars(connection).zones[form["seller"]]
        invoice = listing.invoice_called(connection, form["seller"], form["invoice"]) if form["invoice"] else None
        received = Received(
            owner_id=form["owner"] or (invoice[0] if invoice else ""),
            seller_id=form["seller"],
            currency=currency,
            amount_minor=amount_minor(form["amount"], currency),
            reference=form["reference"],
            received_at=stretch_of(form["day"], zone).starts_at if form["day"] else now,
            invoice_id=invoice[1] if invoice else None,
        )
        by_hand.record(connection, received, author=visitor.author, now=now)
    return RedirectResponse(f"{PAGE}#by-hand", 303)


@router.post("/finance/bank/payments/reverse")
def reverse(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """Take a mistaken record back, by a new transfer."""
    by = {"author": visitor.author, "reason": _reason(form)}
    with idlefee.writing() as connection:
        by_hand.reverse(connection, form["owner"], form["payment"], now=idlefee.clock.now(), **by)
    return RedirectResponse(f"{PAGE}#by-hand", 303)
