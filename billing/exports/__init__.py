"""The ledger for other programs: a Beancount journal (`journal`), a Parquet table (`table`). Streamed: a book of
millions takes no more memory than a small one. Reads only; CSV for spreadsheets is the doors' (`api.ledger_files`).
"""

from enum import StrEnum


class Format(StrEnum):
    """What the ledger is written as."""

    CSV = "csv"
    PARQUET = "parquet"
    BEANCOUNT = "beancount"
