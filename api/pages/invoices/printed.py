"""The words of an invoice or a credit note, line by line, for the page and for the PDF alike. Pure: a `Paper` in, texts
out. What became of it since (`Fate`) stands on the page alone: a paper says what was so when it was issued.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from api.pages import words
from billing.invoices.papers import Line, Paper
from billing.invoices.standing import CREDIT_NOTE, Document
from billing.rating import duration
from billing.tariffs.words import percent


class Fact(NamedTuple):
    """What it says of itself."""

    label: str
    text: str


class Row(NamedTuple):
    """A session: where, when, how it was counted."""

    place: str
    session: str
    when: str
    counted: tuple[str, ...]
    amount: str


@dataclass(frozen=True, slots=True)
class Printed:
    """A document as it is read."""

    title: str
    name: str
    issued: str
    seller: tuple[str, ...]  # its lines, name first
    owner: tuple[str, ...]
    corrects: str
    rows: tuple[Row, ...]
    total: str
    tax: tuple[Fact, ...]
    asked: tuple[Fact, ...]
    due: str  # empty on a credit note
    notes: tuple[str, ...]


class Fate(NamedTuple):
    """What became of a document since."""

    open: str  # empty: nothing is
    paid_by: tuple[Fact, ...]
    corrected_by: tuple[Document, ...]


def printed(paper: Paper) -> Printed:
    """The document in words: days of the seller's books, times of the sites."""
    one, parties = paper.document, paper.parties
    credit = one.kind == CREDIT_NOTE
    zone = ZoneInfo(parties["zone"])
    seller, owner = parties["seller"], parties["owner"]
    return Printed(
        title="Credit note" if credit else "Invoice",
        name=one.name,
        issued=words.day(one.issued_at, zone),
        seller=tuple(_seller(seller)),
        owner=tuple(text for text in (owner["name"], f"Account {owner['id']}") if text),
        corrects=_corrects(paper, zone),
        rows=tuple(_row(paper, line) for line in paper.lines),
        total=_money(paper, one.total_minor),
        tax=tuple(_tax(paper)),
        asked=() if credit else tuple(_asked(paper)),
        due="" if credit else _money(paper, one.due_minor),
        notes=tuple(_notes(paper)),
    )


def fate(paper: Paper) -> Fate:
    paid_by = [Fact(_payer(name), _money(paper, amount)) for name, amount in paper.paid_by]
    still_open = _money(paper, paper.open_minor) if paper.open_minor else ""
    return Fate(still_open, tuple(paid_by), tuple(paper.corrected_by))


_PAYERS = {"payment": "Paid", "credit": "Credit", "write_off": "Written off"}


def _payer(name: str) -> str:
    """`Paid`, `Credit`, or the credit note's name."""
    return _PAYERS.get(name.partition(" ")[0], name)


def _money(paper: Paper, amount_minor: int) -> str:
    return words.money(amount_minor, paper.document.currency)


def _seller(seller: dict[str, str | None]) -> Iterator[str]:
    yield seller["name"] or ""
    yield from (seller["address"] or "").splitlines()
    if seller["tax_id"]:
        yield f"Tax registration {seller['tax_id']}"


def _corrects(paper: Paper, zone: ZoneInfo) -> str:
    if paper.corrects is None:
        return ""
    return f"This credit note corrects invoice {paper.corrects.name} of {words.day(paper.corrects.issued_at, zone)}."


def _row(paper: Paper, line: Line) -> Row:
    said = line.words
    zone = ZoneInfo(said["zone"])
    begun, ended = said["plugged_in_at"], said["ended_at"]
    when = "no plug-in was reported" if begun is None else words.minute(begun, zone)
    if begun is not None and ended is not None:
        same_day = words.day(begun, zone) == words.day(ended, zone)
        when += f" to {words.clock(ended, zone) if same_day else words.minute(ended, zone)}"
    place = f"{said['site']}, stall {said['stall']}" if said["stall"] else said["site"]
    return Row(place, line.key.id, when, tuple(_counted(paper, line)), _money(paper, line.amount_minor))


def _counted(paper: Paper, line: Line) -> Iterator[str]:
    said = line.words
    if paper.document.kind == CREDIT_NOTE:
        yield f"{said['reason'].capitalize()}: the fee is now {_money(paper, said['fee_minor'])}"
        return
    free, idle = duration(said["free_s"]), duration(said["billed_s"])
    yield f"{free} of grace, {idle} of idle time"
    for item in said["items"]:
        yield f"{words.count(item['minutes'], 'minute')} at {_money(paper, item['rate_minor'])}"
    for name, label in (
        ("capped_minor", "limit"),
        ("held_back_minor", "held back in review"),
        ("waived_minor", "waived"),
    ):
        if said[name]:
            yield f"{label} {_money(paper, -said[name])}"
    if said["billed_before_minor"]:
        yield f"invoiced before {_money(paper, said['billed_before_minor'])}; {said['reason']}"
    if line.tax_code:
        yield f"{line.tax_code} {percent(said['tax_rate_ppm'])}: {_money(paper, line.tax_minor)}"


def _tax(paper: Paper) -> Iterator[Fact]:
    taxes = paper.taxes()
    if all(tax.code is None for tax in taxes):
        yield Fact("Tax", "none")
        return
    for tax in taxes:
        if tax.code is None:
            if tax.net_minor:
                yield Fact("Without tax", _money(paper, tax.net_minor))
            continue
        yield Fact(f"Net, {tax.code}", _money(paper, tax.net_minor))
        yield Fact(f"{tax.code}, {percent(tax.rate_ppm)}", _money(paper, tax.tax_minor))


def _asked(paper: Paper) -> Iterator[Fact]:
    if paper.brought_minor:
        label = "Carried from before" if paper.brought_minor > 0 else "Your credit"
        yield Fact(label, _money(paper, paper.brought_minor))
    if paper.later_minor:
        yield Fact("Too little to ask for: carried to the next invoice", _money(paper, -paper.later_minor))


def _notes(paper: Paper) -> Iterator[str]:
    if paper.document.kind == CREDIT_NOTE:
        yield "What it comes to pays the invoice that it corrects, then the oldest open one. What is left stays credit."
    else:
        if any(tax.code for tax in paper.taxes()):
            yield "The amounts include the tax that is shown."
        yield "The energy is not part of it."
    yield "Each session's fee report shows how we counted."
