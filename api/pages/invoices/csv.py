"""A document's lines as CSV, and then its sum: a line a session, in minor units and as decimals. Pure."""

from api.exports import csv_text, decimal_text, harmless
from billing.invoices.papers import Line, Paper
from sessions.events import rfc3339

COLUMNS = (
    *("document", "kind", "issued_at", "line", "site", "session", "plugged_in_at", "complete_at", "ended_at"),
    *("grace_used_s", "billed_s", "minutes", "currency", "amount_minor", "amount", "tax_code", "tax_rate_ppm"),
    *("tax_minor", "tax", "reason"),
)


def document_csv(paper: Paper) -> str:
    return csv_text([COLUMNS, *(_cells(paper, line) for line in paper.lines), _sum(paper)])


def _cells(paper: Paper, line: Line) -> tuple[object, ...]:
    one, said = paper.document, line.words
    return (
        *(one.name, one.kind, rfc3339(one.issued_at), line.n),
        *(harmless(line.key.site_id), harmless(line.key.id)),
        *(_moment(said["plugged_in_at"]), _moment(said["full_at"]), _moment(said["ended_at"])),
        *(said["free_s"], said["billed_s"], sum(item["minutes"] for item in said["items"]), one.currency),
        *(line.amount_minor, decimal_text(line.amount_minor, one.currency)),
        *(harmless(line.tax_code), said["tax_rate_ppm"] if line.tax_code else ""),
        *(line.tax_minor, decimal_text(line.tax_minor, one.currency), harmless(said["reason"])),
    )


def _sum(paper: Paper) -> tuple[object, ...]:
    one = paper.document
    return (
        *(one.name, one.kind, rfc3339(one.issued_at), "sum", *[""] * 8, one.currency),
        *(one.total_minor, decimal_text(one.total_minor, one.currency), "", ""),
        *(one.tax_minor, decimal_text(one.tax_minor, one.currency), ""),
    )


def _moment(at: int | None) -> str:
    return "" if at is None else rfc3339(at)
