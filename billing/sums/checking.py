"""Are the sums of days what the charges and entries of those days come to? For `verify`; repairs nothing."""

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from billing.sums import charges as of_charges
from billing.sums import entries as of_entries
from billing.sums.filters import Wanted


class Wrong(NamedTuple):
    """A sum that is not what it should be; amounts in minor units."""

    what: str
    currency: str
    stored_minor: int
    computed_minor: int


def wrong_sums(connection: Connection) -> Iterator[Wrong]:
    """Charges by currency and state, entries by account: by the sums of days, and by the rows themselves."""
    by_days, by_rows = of_charges.totals_by_state(connection, Wanted()), of_charges.totals_of_rows(connection)
    for currency, state in sorted({*by_days, *by_rows}):
        stored = by_days.get((currency, state), of_charges.Total())
        computed = by_rows.get((currency, state), of_charges.Total())
        if stored != computed:
            yield Wrong(f"charges {state.value}", currency, stored.fee_minor, computed.fee_minor)
    stands = {row[:3]: row for row in of_entries.trial_balance(connection)}
    should = {row[:3]: row for row in of_entries.trial_balance_of_rows(connection)}
    for name in sorted({*stands, *should}):
        if stands.get(name) != should.get(name):
            seller_id, currency, account = name
            amounts = [rows[name].balance_minor if name in rows else 0 for rows in (stands, should)]
            yield Wrong(f"account {account.value} of {seller_id}", currency, *amounts)
