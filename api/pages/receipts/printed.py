"""The words of a receipt, line by line, for the page and for the PDF alike. Pure: a `Receipt` in, texts out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from api.pages import words
from billing.assignments import VersionRef
from billing.rating import duration
from billing.receipts import Posting, Receipt
from billing.tariffs.words import percent
from sessions.grace import GraceMode


class Fact(NamedTuple):
    """What it says of the session."""

    label: str
    text: str


class Item(NamedTuple):
    """What is charged: so much of it at that price."""

    what: str
    quantity: str
    unit_price: str
    amount: str


class Step(NamedTuple):
    """How the amount came to be what it is, where it was not always."""

    when: str
    why: str
    change: str
    after: str


class Terms(NamedTuple):
    """A tariff version, what it is to this session, and where it can be read."""

    label: str
    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Printed:
    """A receipt as it is read."""

    session: str
    made: str
    seller: tuple[str, ...]  # its lines, name first
    facts: tuple[Fact, ...]
    items: tuple[Item, ...]
    total: str
    tax: tuple[Fact, ...]
    terms: tuple[Terms, ...]
    corrects: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


def printed(receipt: Receipt) -> Printed:
    """The receipt in words, with the site's local times."""
    return Printed(
        session=receipt.session_id,
        made=words.minute(receipt.made_at, receipt.site.tz),
        seller=tuple(_seller(receipt)),
        facts=tuple(_facts(receipt)),
        items=tuple(_items(receipt)),
        total=_money(receipt, receipt.total_minor),
        tax=tuple(_tax(receipt)),
        terms=tuple(_terms(receipt)),
        corrects=_corrects(receipt),
        steps=tuple(_step(receipt, one) for one in receipt.postings) if receipt.corrects else (),
        notes=tuple(_notes(receipt)),
    )


def version_path(ref: VersionRef) -> str:
    """Where a version's terms can be read for ever."""
    return f"/tariffs/{ref.name}/{ref.version}"


def _money(receipt: Receipt, amount_minor: int) -> str:
    return words.money(amount_minor, receipt.currency)


def _seller(receipt: Receipt) -> Iterator[str]:
    seller = receipt.seller
    yield seller.legal_name or seller.name
    yield from (seller.address or "").splitlines()
    if seller.tax_id:
        yield f"Tax registration {seller.tax_id}"


def _facts(receipt: Receipt) -> Iterator[Fact]:
    zone = receipt.site.tz
    yield Fact("Site", f"{receipt.site.name} ({receipt.site.id})")
    yield Fact("Station and stall", f"{receipt.station_id} · {receipt.stall}" if receipt.stall else receipt.station_id)
    yield Fact("Plugged in", words.minute(receipt.plugged_in_at, zone))
    if receipt.full_at is not None:
        yield Fact("Charge complete", words.minute(receipt.full_at, zone))
    ended = words.minute(receipt.ended_at, zone)
    yield Fact("Unplugged", ended) if receipt.unplugged else Fact("Counted to", f"{ended}, no unplug was reported")
    yield Fact("Free time (grace)", _grace(receipt))
    yield Fact("Idle time", duration(receipt.billed_s))


def _grace(receipt: Receipt) -> str:
    offered = duration(receipt.grace.grace_s)
    if receipt.grace.mode is GraceMode.WAIVE:
        return f"up to {offered} for those who leave within it, {duration(receipt.free_s)} used"
    return f"{offered} a stay, {duration(receipt.free_s)} used"


def _items(receipt: Receipt) -> Iterator[Item]:
    for line in receipt.lines:
        quantity = words.count(line.pieces, "minute")
        yield Item("Idle fee", quantity, _money(receipt, line.rate_minor), _money(receipt, line.amount_minor))
    if receipt.fragment_s:
        yield Item("Left over, no whole minute", duration(receipt.fragment_s), "", _money(receipt, 0))
    if receipt.capped_minor:
        most = _money(receipt, receipt.cap_minor or 0)
        yield Item(f"A session costs at most {most}", "", "", _money(receipt, -receipt.capped_minor))
    if receipt.tax_added_minor:
        rate = percent(receipt.tax_rate_ppm)
        yield Item(f"Tax {receipt.tax_code}", "", rate, _money(receipt, receipt.tax_added_minor))
    if receipt.held_back_minor:
        yield Item("Held back in review", "", "", _money(receipt, -receipt.held_back_minor))
    if receipt.waived_minor:
        yield Item("Waived", "", "", _money(receipt, -receipt.waived_minor))
    if not receipt.lines and not receipt.fragment_s:
        yield Item("No idle time to pay for", "", "", _money(receipt, 0))


def _tax(receipt: Receipt) -> Iterator[Fact]:
    if receipt.tax_code is None:
        yield Fact("Tax", "none")
        return
    yield Fact("Net of tax", _money(receipt, receipt.net_minor))
    where = "included in the prices" if receipt.tax_included else "added to the prices"
    label = f"{receipt.tax_code}, {percent(receipt.tax_rate_ppm)}, {where}"
    yield Fact(label, _money(receipt, receipt.tax_minor))


def _terms(receipt: Receipt) -> Iterator[Terms]:
    accepted, billed = receipt.terms, receipt.tariff
    yield Terms(
        "Accepted at the plug-in", f"tariff {accepted.name}, version {accepted.version}", version_path(accepted)
    )
    if billed != accepted:
        text = f"tariff {billed.name}, version {billed.version}, ordered afterwards"
        yield Terms("Priced by", text, version_path(billed))


def _corrects(receipt: Receipt) -> str:
    before = receipt.corrects
    if before is None:
        return ""
    was = words.money(before.total_minor, before.currency)
    last = words.minute(receipt.postings[-1].recorded_at, receipt.site.tz)
    return f"This receipt corrects the one before {last}, which came to {was}."


def _step(receipt: Receipt, one: Posting) -> Step:
    change, after = words.money(one.change_minor, one.currency), words.money(one.total_minor, one.currency)
    return Step(words.minute(one.recorded_at, receipt.site.tz), one.reason, change, after)


def _notes(receipt: Receipt) -> Iterator[str]:
    if receipt.held:
        why = "; ".join(words.word(words.REVIEW, code) for code in receipt.held)
        yield f"A person still looks at this fee ({why}). It may change."
    elif receipt.final_at is None:
        yield "Late messages of the station may still correct it. A later receipt says so."
    if receipt.owner_id is None:
        yield "Nobody has claimed this session: it is on nobody's account, and its tax arises when it is claimed."
    yield "It says what the session cost, not whether it was paid. The energy is not part of it."
