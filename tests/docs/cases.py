"""Writes the table of cases into docs/reconciliation.md: `python -m tests.docs.cases`. No tests here."""

import re
from pathlib import Path

from billing.reconcile.cases import as_markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reconciliation.md"
TABLE = re.compile(r"(?<=tests\.docs\.cases` -->\n).*?(?=<!-- end of cases -->)", re.DOTALL)


def written(page: str) -> str:
    """The page with the table as the code has it."""
    return TABLE.sub(lambda _: f"\n{as_markdown()}\n\n", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
