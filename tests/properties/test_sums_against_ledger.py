"""The trial balance by the sums of days is that of all entries, at every moment of any history of both books, however
far the sums have come.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from billing import ledger
from billing.ledger import ACCOUNTS, SESSIONS, Account, Line, Subject, post, transfers_for
from billing.sums.entries import moved_by_day, trial_balance
from billing.sums.making import sum_more
from sessions.database import connect, one_moment, writing
from sessions.sites import add_seller
from sessions.store.queries import SessionKey

BEGINS_AT = 1_798_761_600  # 2027-01-01 UTC
SELLERS = {"acme": "America/New_York", "nippon": "Asia/Tokyo"}
EVER = ("2026-12-01", "2027-12-31")

STEPS = st.lists(
    st.tuples(
        st.integers(0, 200_000),  # seconds that pass
        st.sampled_from([None, SESSIONS, ACCOUNTS]),  # the book in which something is posted
        st.sampled_from(sorted(SELLERS)),
        st.sampled_from(["USD", "JPY"]),
        st.lists(st.sampled_from(list(Account)), min_size=2, max_size=2, unique=True),
        st.integers(1, 10**9),
        st.integers(0, 3),  # turns of the step that sums
    ),
    max_size=12,
)


@settings(max_examples=20)
@given(steps=STEPS)
def test_sums_of_days_and_their_tail_come_to_the_ledger_at_every_moment(sqlite_databases: Any, steps: Any) -> None:
    with sqlite_databases.migrated() as url:
        engine, now = connect(url), BEGINS_AT
        with writing(engine) as connection:
            for seller_id, zone in SELLERS.items():
                add_seller(connection, seller_id, seller_id, zone, now)
        for n, (passed_s, book, seller_id, currency, accounts, amount_minor, turns) in enumerate(steps):
            now += passed_s
            with writing(engine) as connection:
                if book is not None:
                    debit, credit = (Line(account, None, seller_id, currency, None) for account in accounts)
                    key = SessionKey("site", f"s{n}") if book is SESSIONS else Subject(seller_id, f"payout {n}")
                    post(
                        connection, transfers_for(key, 0, {debit: amount_minor, credit: -amount_minor}, "x"), now, book
                    )
                for _ in range(turns):
                    sum_more(connection, now)
            with one_moment(engine) as connection:
                rows = trial_balance(connection)
                assert rows == ledger.trial_balance(connection)
                moved = moved_by_day(connection, list(Account), *EVER)
                assert sum(debit for debit, _ in moved.values()) == sum(row.debit_minor for row in rows)
                assert sum(credit for _, credit in moved.values()) == sum(row.credit_minor for row in rows)
        engine.dispose()
