"""The tables of `sessions` and every query on them. No rule of the bill lives here: rows in, rows out."""
