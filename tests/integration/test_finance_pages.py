"""Finance's pages: the charges of a filter and their sums, one charge's whole story, today."""

import csv
import io
import re
from collections.abc import Iterator

import pytest

from billing.sums.making import LATE_S, sum_more
from tests.integration.page_visits import Visits, standing, until, visits
from tests.integration.small_world import NOON, a_session, post


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    """Five charges of a harbour and a market: Ann's, Bob's, nobody's and a free one."""
    with visits(database_url) as found:
        until(found, NOON + 9000)
        post(
            found.app,
            a_session("h1", "anns", idle_s=600),
            a_session("m1", "bobs", idle_s=900, token="BOB"),
            a_session("h2", "nobodys", idle_s=1200, token=None),
            a_session("h2", "free", idle_s=60, at=NOON + 4000),
        )
        yield found


def summed(visited: Visits) -> None:
    until(visited, visited.clock.now() + LATE_S + 1)
    with visited.app.writing() as connection:
        while sum_more(connection, visited.clock.now()):
            pass


def sessions_on(page: str) -> list[str]:
    return re.findall(r'<tr><td><a href="/finance/charges/([\w/]+)">', page)


def test_the_charges_of_a_filter_and_what_they_come_to(visited: Visits) -> None:
    for make in (lambda _: None, summed):
        make(visited)
        assert len(sessions_on(visited.get("finance", "/finance/charges"))) == 4
        read = visited.read("finance", "/finance/charges")
        assert "4 charges $12.00 $0.00 $12.00 the whole filter, USD" in read
        for query, names, foot in (
            ("?owner=bob", ["m1/bobs"], "1 charge $4.00"),
            ("?state=unclaimed", ["h2/nobodys"], "1 charge $6.00"),
            ("?site=harbour&state=posted", ["h1/anns"], "1 charge $2.00"),
            ("?least=2,40&most=5", ["m1/bobs"], "1 charge $4.00"),
            ("?from=2027-01-15&to=2027-01-15&state=free", ["h2/free"], "1 charge $0.00"),
            ("?from=2027-01-16", [], "No charge is like that."),
            ("?tariff=standard&order=oldest&currency=USD", None, "4 charges"),
        ):
            page = visited.get("finance", f"/finance/charges{query}")
            assert names is None or sessions_on(page) == names, query
            assert foot in visited.read("finance", f"/finance/charges{query}"), query


def test_the_same_filter_as_a_file(visited: Visits) -> None:
    answer = visited.browser("finance").get("/finance/charges.csv?site=harbour")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["session"]: row["fee"] for row in rows} == {"h1/anns": "2.00", "h2/nobodys": "6.00", "h2/free": "0.00"}
    assert "attachment" in answer.headers["content-disposition"]


def test_a_filter_that_cannot_be_read_says_so(visited: Visits) -> None:
    for query, said in (
        ("?from=2026-02-30", "is no day"),
        ("?least=1.234", "is no amount of USD"),
        ("?currency=XXQ", "This is no currency"),
        ("?least=1&from=2020-01-01", "choose at most 31 days"),
        ("?before=x", "This is no cursor"),
        ("?state=odd", "The address has faults"),
    ):
        assert said in visited.read("finance", f"/finance/charges{query}", 422), query


def test_one_charge_tells_its_whole_story(visited: Visits) -> None:
    read = visited.read("finance", "/finance/charges/h1/anns")
    for said in ("Plugged in", "Charge complete", "Posted", "Owners owe , ann", "Revenue", "You pay $2.00", "No invoice"):
        assert said in read, said
    assert "Nobody claimed the session." in visited.read("finance", "/finance/charges/h2/nobodys")
    visited.get("finance", "/finance/charges/h1/nothing", 404)


def test_today_adds_up(visited: Visits) -> None:
    post(visited.app, standing("s", stall="2"))
    read = visited.read("finance", "/finance")
    assert "Running up $46.00" in read
    assert "Posted $12.00 $12.00 $12.00" in read
    assert "Owed $6.00" in read
    assert "Collected $0.00" in read
    summed(visited)
    assert "Posted $12.00 $12.00 $12.00" in visited.read("finance", "/finance")
    assert 'class="chart"' in visited.get("finance", "/finance")
