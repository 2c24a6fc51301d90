"""The ledger for other programs: a Beancount journal (`journal`), a Parquet table (`table`). Streamed: a book of
millions takes no more memory than a small one. Reads only; CSV for spreadsheets is the doors' (`api.exports`).
"""
