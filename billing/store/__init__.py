"""The tables of `billing` and the queries that more than one of its rooms needs."""
