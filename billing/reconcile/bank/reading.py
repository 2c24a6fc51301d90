"""A bank's CSV file as lines: which column is what is described by a `BankFormat`, nothing is guessed. Pure.

A line's id is a digest of what the bank wrote, so that a file may be imported twice, and overlap another. Two lines of
one file that say the very same are two, and are numbered.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from billing.money import is_currency, minor_digits

MOST_BYTES = 32 << 20
MOST_TEXT = 1_000


class UnreadableStatement(ValueError):
    """The file is not what the format says; the message names the line and what to change."""


class BankFormat(BaseModel):
    """Which column of the bank's file is what. Columns are named as in the file's heading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str = Field("date", description="the column of the day it was booked")
    date_form: str = Field("%Y-%m-%d", description="how the day is written, as strptime has it: %d.%m.%Y")
    amount: str | None = Field("amount", description="the column of the signed amount")
    came_in: str | None = Field(None, description="in place of it: the column of what came in…")
    went_out: str | None = Field(None, description="…and the column of what went out")
    currency: str = Field("currency", description="the column of the currency, or one of ISO 4217 for all lines")
    text: tuple[str, ...] = Field(("text",), min_length=1, description="the columns that say what for and by whom")
    reference: str | None = Field(None, description="the column of the bank's own number of a line, where it has one")
    decimal: str = Field(".", pattern=r"^[.,]$", description="what stands before the minor units")
    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = Field("utf-8-sig", description="of the file: latin-1, cp1252")
    skip: int = Field(0, ge=0, le=100, description="lines before the heading")

    @model_validator(mode="after")
    def one_way_to_write_amounts(self) -> Self:
        if (self.came_in is None) != (self.went_out is None) or (self.amount is None) == (self.came_in is None):
            raise ValueError("name either `amount`, or `came_in` and `went_out`")
        return self


def format_of(said: Mapping[str, Any]) -> BankFormat:
    """A format as somebody wrote it down. Raises `UnreadableStatement` with all that is wrong with it."""
    try:
        return BankFormat.model_validate(said)
    except ValidationError as wrong:
        faults = (f"{'.'.join(map(str, one['loc'])) or 'format'}: {one['msg']}" for one in wrong.errors())
        raise UnreadableStatement("; ".join(faults)) from None


class BankLine(NamedTuple):
    """One line as the bank booked it. `booked_at` is the first second of its day, in UTC."""

    id: str
    booked_at: int
    currency: str
    amount_minor: int
    text: str


def read_statement(content: bytes, form: BankFormat) -> list[BankLine]:
    """Every line of the file, in its order. Raises `UnreadableStatement`: then nothing of it may be used."""
    if len(content) > MOST_BYTES:
        raise UnreadableStatement(f"the file has over {MOST_BYTES >> 20} MiB: import it month by month")
    try:
        text = content.decode(form.encoding)
    except (UnicodeDecodeError, LookupError):
        raise UnreadableStatement(f"the file is not written in {form.encoding}: name its encoding") from None
    rows = csv.reader(
        io.StringIO("".join(text.splitlines(keepends=True)[form.skip :]), newline=""), delimiter=form.delimiter
    )
    try:
        heading = [name.strip() for name in next(rows, [])]
        columns = _columns(heading, form)
        seen: Counter[tuple[object, ...]] = Counter()
        return [
            _line(row, columns, form, form.skip + rows.line_num, seen)
            for row in rows
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise UnreadableStatement(f"line {form.skip + rows.line_num}: {error}") from None


def _columns(heading: Sequence[str], form: BankFormat) -> dict[str, int]:
    named = [form.date, form.amount, form.came_in, form.went_out, form.reference, *form.text]
    if not is_currency(form.currency):
        named.append(form.currency)
    missing = [name for name in named if name is not None and name not in heading]
    if missing:
        there = ", ".join(heading) or "none"
        raise UnreadableStatement(f"the file has no column {', '.join(missing)}: its columns are {there}")
    return {name: heading.index(name) for name in heading}


def _line(
    row: Sequence[str], columns: dict[str, int], form: BankFormat, number: int, seen: Counter[tuple[object, ...]]
) -> BankLine:
    def cell(name: str) -> str:
        return row[columns[name]].strip() if columns[name] < len(row) else ""

    currency = form.currency if is_currency(form.currency) else cell(form.currency).upper()
    if not is_currency(currency):
        raise UnreadableStatement(f"line {number}: {currency!r} is no currency of ISO 4217")
    if form.amount is not None:
        amount = _amount(cell(form.amount), currency, form, number)
    else:
        came_in, went_out = (cell(name) if name else "" for name in (form.came_in, form.went_out))
        amount = _amount(came_in or "0", currency, form, number) - abs(_amount(went_out or "0", currency, form, number))
    try:
        booked_at = int(datetime.strptime(cell(form.date), form.date_form).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise UnreadableStatement(f"line {number}: {cell(form.date)!r} is no day written as {form.date_form}") from None
    said = " · ".join(part for name in form.text if (part := " ".join(cell(name).split())))
    text = "".join(letter for letter in said if letter.isprintable())[:MOST_TEXT]
    own = cell(form.reference) if form.reference else ""
    content: tuple[object, ...] = (booked_at, currency, amount, own) if own else (booked_at, currency, amount, text)
    seen[content] += 1
    told = "\0".join(map(str, (*content, seen[content])))
    return BankLine(hashlib.blake2b(told.encode(), digest_size=12).hexdigest(), booked_at, currency, amount, text)


def _amount(text: str, currency: str, form: BankFormat, number: int) -> int:
    """The amount in minor units, exactly; a file never says half a cent."""
    thousands = "," if form.decimal == "." else "."
    plain = text.replace("\N{NO-BREAK SPACE}", "").replace(" ", "").replace("'", "").replace(thousands, "")
    sign = -1 if plain.startswith("-") or plain.endswith("-") else 1
    try:
        scaled = Decimal(plain.strip("+-").replace(form.decimal, ".")).scaleb(minor_digits(currency))
        exact = int(scaled)
    except (InvalidOperation, ValueError, OverflowError):
        raise UnreadableStatement(f"line {number}: {text!r} is no amount with {form.decimal!r} in it") from None
    if exact != scaled or exact > 10**15:
        raise UnreadableStatement(f"line {number}: {text} is no amount of {currency}")
    return sign * exact
