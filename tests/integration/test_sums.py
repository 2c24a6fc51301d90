"""Sums of days, and what they do not hold yet, come to what the rows come to, however much of them is made."""

from typing import cast

import pytest
from sqlalchemy import Connection, delete, update

from api.wiring import Idlefee
from billing import decisions, ledger
from billing.store.sums import charge_days, entry_days
from billing.sums import charges, entries
from billing.sums.checking import wrong_sums
from billing.sums.filters import State, Wanted
from billing.sums.making import LATE_S, sum_more
from sessions.clock import FixedClock
from sessions.sites import add_seller, add_site, add_station
from tests.integration.small_world import LATER, NOON, a_session, post, small_world

DAY_S = 86_400

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


def every_page(connection: Connection, wanted: Wanted, most: int, oldest_first: bool) -> list[charges.Row]:
    found: list[charges.Row] = []
    while rows := charges.rows_after(
        connection, wanted, found[-1].place if found else None, most, oldest_first=oldest_first
    ):
        found += rows
    return found


def go_to(app: Idlefee, moment: int) -> None:
    clock = cast(FixedClock, app.clock)
    clock.advance(moment - clock.now())


def sum_everything(app: Idlefee) -> None:
    more = True
    while more:
        with app.writing() as connection:
            more = sum_more(connection, app.clock.now())


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
            go_to(app, at + 8000)
            if n == 6 and made:
                sum_everything(app)
            token = "ANN" if n % 2 else None
            post(app, *(a_session(s, f"s{n}", at=at, idle_s=300 + 60 * n, token=token) for s in ("h1", "m1", "t1")))
        with app.writing() as connection:
            for n in (1, 7):
                key = decisions.session_key(connection, f"h1/s{n}")
                decisions.waive(connection, key, None, now=app.clock.now(), author="test", reason="x", request_key=None)
        if made == 2:
            go_to(app, app.clock.now() + LATE_S + 1)
            sum_everything(app)
        with app.reading() as connection:
            rows = every_page(connection, Wanted(), 100, oldest_first=False)
            assert len(rows) == 27
            assert rows == sorted(rows, key=lambda row: (-row.settled_at, *row.place[1:]))
            for wanted in WANTED:
                sums = charges.totals_of_rows(connection, wanted)
                assert charges.totals_by_state(connection, wanted) == sums
                for most, oldest_first in ((2, False), (5, True), (50, False)):
                    listed = every_page(connection, wanted, most, oldest_first)
                    assert len(listed) == len(set(listed)) == sum(one.charges for one in sums.values()), (wanted, most)
                    sign = 1 if oldest_first else -1
                    assert listed == sorted(listed, key=lambda row: (sign * row.settled_at, *row.place[1:]))
            assert entries.trial_balance(connection) == ledger.trial_balance(connection)
            assert list(wrong_sums(connection)) == []


def test_sums_that_were_changed_are_named(sqlite_url: str) -> None:
    with small_world(sqlite_url) as app:
        post(app, a_session("h1", "a"), a_session("m1", "b", token=None))
        go_to(app, LATER + LATE_S + 1)
        sum_everything(app)
        with app.writing() as connection:
            connection.execute(update(charge_days).values(fee_minor=charge_days.c.fee_minor + 1))
            connection.execute(delete(entry_days).where(entry_days.c.account == "revenue"))
        with app.reading() as connection:
            found = [str(wrong.what) for wrong in wrong_sums(connection)]
    assert found == ["charges posted", "charges unclaimed", "account revenue of acme"]
