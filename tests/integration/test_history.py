"""An owner's history: what is listed, what each filter leaves, and the same as a file."""

import csv
import io
import re
from collections.abc import Iterator

import pytest

from billing.owners import give_token
from tests.integration.page_visits import Visits, event, until, visits
from tests.integration.small_world import NOON, a_session, post

DAY_S = 86_400


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


def listed(visited: Visits, query: str = "", who: str = "ann") -> list[str]:
    return re.findall(r'<h2><a href="/sessions/([^"]+)"', visited.get(who, f"/me/history{query}"))


def test_each_filter_leaves_what_it_says_and_the_file_is_the_same_list(visited: Visits) -> None:
    with visited.app.writing() as connection:
        second = give_token(
            connection, visited.app.names, uid="ANN2", owner_id="ann", author="test", now=NOON, valid_from=0
        )
    until(visited, NOON + 60 * DAY_S)
    unplugged_early = event("unplugged", NOON + DAY_S - 60, "odd", station="m1")
    post(
        visited.app,
        a_session("h1", "fee", at=NOON),
        a_session("h1", "free", at=NOON + 7200, idle_s=60),
        a_session("m1", "market", at=NOON + 20 * DAY_S, token="ANN2"),
        [unplugged_early, *a_session("m1", "odd", at=NOON + DAY_S)],
        a_session("h2", "bobs", at=NOON, token="BOB"),
        a_session("h2", "nobodys", at=NOON + 9000, token=None),
    )
    post(visited.app, [event("plugged_in", NOON + 60 * DAY_S - 60, "runs", station="h2", token="ANN")])
    everything = listed(visited)
    assert everything[0] == "m1/market"
    assert set(everything) == {"h1/fee", "h1/free", "m1/market", "m1/odd"}
    for query, those in (
        ("?outcome=with_fee", {"h1/fee", "m1/market"}),
        ("?outcome=free", {"h1/free"}),
        ("?outcome=in_review", {"m1/odd"}),
        ("?site=market", {"m1/market", "m1/odd"}),
        (f"?token={second}", {"m1/market"}),
        ("?month=2027-02", {"m1/market"}),
        ("?month=2027-01&site=harbour&outcome=free", {"h1/free"}),
        ("?month=2020-01", set()),
    ):
        assert set(listed(visited, query)) == those, query
        rows = list(csv.DictReader(io.StringIO(visited.get("ann", f"/me/history.csv{query}"))))
        assert {row["session"] for row in rows} == those, query
    assert "No session of yours is like that." in visited.read("ann", "/me/history?month=2020-01")
    assert listed(visited, who="bob") == ["h2/bobs"]
    assert "The month cannot be read" in visited.read("ann", "/me/history?month=2027-13", 422)
    rows = list(csv.DictReader(io.StringIO(visited.get("ann", "/me/history.csv"))))
    fee = next(row for row in rows if row["session"] == "h1/fee")
    assert (fee["fee"], fee["fee_minor"], fee["currency"], fee["outcome"]) == ("2.00", "200", "USD", "with_fee")


def test_a_session_of_the_list_shows_its_bar_its_arithmetic_and_its_evidence(visited: Visits) -> None:
    assert "No past session yet." in visited.read("ann", "/me/history")
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "s", idle_s=700))
    markup = visited.get("ann", "/me/history")
    assert markup.count("<article") == 1
    page = visited.read("ann", "/me/history")
    for said in ("You pay $2.40 for 6 minutes", "6 minutes × $0.40 $2.40", "To pay $2.40", "Charge complete Used s-3"):
        assert said in page, said
    assert 'href="/receipts/h1/s"' in markup


def test_the_list_comes_a_page_at_a_time_under_its_filter_and_stays_small(visited: Visits) -> None:
    until(visited, NOON + 40 * DAY_S)
    post(visited.app, *[a_session("h1", f"s{day:02}", at=NOON + day * DAY_S) for day in range(14)])
    first = visited.get("ann", "/me/history?outcome=with_fee")
    older = re.search(r'href="/me/history(\?outcome=with_fee&amp;before=[^"]+)"', first)
    assert older is not None
    shown = listed(visited, "?outcome=with_fee"), listed(visited, older[1].replace("&amp;", "&"))
    assert (len(shown[0]), len(shown[1])) == (10, 4)
    assert not set(shown[0]) & set(shown[1])
    assert len(first.encode()) < 100_000
