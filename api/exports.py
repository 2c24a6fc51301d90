"""Rows as CSV that a spreadsheet reads as it stands."""

import csv
import io
from collections.abc import Iterable

from billing.money import decimal_text

__all__ = ["csv_text", "decimal_text", "harmless"]


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def harmless(text: str | None) -> str | None:
    """A station may call a session `=1+1`: a spreadsheet must read it as a text."""
    return f"'{text}" if text is not None and text.startswith(("=", "+", "-", "@", "\t")) else text
