"""Sums of days, and what they do not hold yet, come to what the rows come to, however much of them is made."""

from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import delete, update

from billing import decisions, ledger
from billing.engine import Cause
from billing.store.sums import charge_days, entry_days
from billing.sums import charges, entries
from billing.sums.checking import wrong_sums
from billing.sums.filters import Place, State, Wanted
from billing.sums.making import LATE_S, sum_more
from sessions.sites import add_seller, add_site, add_station
from tests.integration.small_world import LATER, NOON, a_session, post, small_world

DAY_S = 86_400
NAMES = [(station, n) for n in range(9) for station in ("h1", "m1", "t1")]

WANTED = [
    Wanted(),
    *(Wanted(site_id=site_id) for site_id in ("harbour", "market", "tokyo", "nowhere")),
    *(Wanted(state=state) for state in State),
    Wanted(seller_id="nippon"),
    Wanted(tariff="standard", currency="USD"),
    Wanted(owner_id="ann"),
    Wanted(least_minor=280),
    Wanted(most_minor=0, site_id="harbour"),
    Wanted(first_day="2027-01-16", last_day="2027-01-18"),
    Wanted(first_day="2027-01-17", state=State.UNCLAIMED),
]


def brute(app, wanted):  # type: ignore[no-untyped-def]
    with app.reading() as connection:
        return charges.totals_of_rows(connection, wanted)


def every_page(connection, wanted, most, oldest_first):  # type: ignore[no-untyped-def]
    found, after = [], None
    while rows := charges.rows_after(connection, wanted, after, most, oldest_first=oldest_first):
        found += rows
        after = rows[-1].place
    return found


@pytest.mark.parametrize("made", [0, 1, 2])
def test_sums_and_lists_are_those_of_the_rows(database_url: str, made: int) -> None:
    """`made`: nothing is summed, all but what came last, everything."""
    with small_world(database_url, NOON + 3000) as app:
        with app.writing() as connection:
            add_seller(connection, "nippon", "Nippon", "Asia/Tokyo", NOON)
            add_site(connection, "tokyo", "nippon", "Tokyo", "Asia/Tokyo", NOON)
            add_station(connection, "t1", "tokyo", NOON)
        for n in range(9):
            at = NOON + n * DAY_S // 2
            app.clock.advance(at + 8000 - app.clock.now())
            if n == 6 and made:
                with app.writing() as connection:
                    while sum_more(connection, app.clock.now()):
                        pass
            token = "ANN" if n % 2 else None
            post(app, *(a_session(s, f"s{n}", at=at, idle_s=300 + 60 * n, token=token) for s in ("h1", "m1", "t1")))
        with app.writing() as connection:
            for n in (1, 7):
                key = decisions.session_key(connection, f"h1/s{n}")
                decisions.waive(connection, key, None, now=app.clock.now(), author="test", reason="x", request_key=None)
        if made == 2:
            app.clock.advance(LATE_S + 1)
            with app.writing() as connection:
                while sum_more(connection, app.clock.now()):
                    pass
        with app.reading() as connection:
            rows = every_page(connection, Wanted(), 100, False)
            assert len(rows) == 27
            assert [row.place for row in rows] == sorted(
                (row.place for row in rows), key=lambda place: (-place.at, *place[1:])
            )
            for wanted in WANTED:
                assert charges.totals_by_state(connection, wanted) == charges.totals_of_rows(connection, wanted)
                for most, oldest_first in product((2, 5, 50), (False, True)):
                    listed = every_page(connection, wanted, most, oldest_first)
                    expected = [row for row in rows if row in set(listed)]
                    total = sum(one.charges for one in charges.totals_of_rows(connection, wanted).values())
                    assert len(listed) == total == len(set(listed)), (wanted, most)
                    order = sorted(
                        listed, key=lambda row: (row.settled_at * (1 if oldest_first else -1), *row.place[1:])
                    )
                    assert listed == order
            assert entries.trial_balance(connection) == ledger.trial_balance(connection)
            assert list(wrong_sums(connection)) == []
