"""The pages as they are read: the stalls, the fee report, and finance's books. Owners' own: `test_pages_of_owners`."""

import csv
import io
import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits, words_of
from tests.integration.small_world import NOON, a_session, post


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


# -- the front page -----------------------------------------------------------------------------------------


def test_a_stall_shows_its_state_its_clock_and_its_fee(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    assert "h1 · 1 Grace 4:40 left $0.00" in visited.read("", "/")
    until(visited, FULL_AT + 540)
    assert "h1 · 1 Idle fee 4:00 $1.60" in visited.read("", "/")
    post(visited.app, [event("unplugged", FULL_AT + 540, "s")])
    assert "h1 · 1 Free" in visited.read("", "/")


def test_a_fault_excuses_on_the_front_page_too(visited: Visits) -> None:
    until(visited, FULL_AT + 90)
    post(visited.app, [*standing("s"), event("station_fault", FULL_AT + 60, "s", cause="stuck_cable")])
    assert "h1 · 1 Excused 0:30 $0.00" in visited.read("", "/")


def test_the_books_come_to_zero_for_everybody_to_see(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    assert "all entries together come to $0.00" in visited.read("", "/")


def test_books_without_an_entry_come_to_zero(visited: Visits) -> None:
    assert "all entries together come to zero" in visited.read("", "/")


def test_nobody_is_told_who_stands_where(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("secret-name"))
    page = visited.get("", "/")
    assert "h1" in page
    for told in ("secret-name", "/sessions/", "ann", "Ann", "ANN"):
        assert told not in page.replace("stations", "")


def test_one_click_leads_to_the_fee_report(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"), standing("t", station="m1", token="BOB"))
    assert set(re.findall(r'href="(/sessions/[^"]+)"', visited.get("operator", "/"))) == {
        "/sessions/h1/s",
        "/sessions/m1/t",
    }
    assert set(re.findall(r'href="(/sessions/[^"]+)"', visited.get("ann", "/"))) == {"/sessions/h1/s"}


def test_a_silent_stations_clock_stands_still(visited: Visits) -> None:
    until(visited, FULL_AT + 20)
    post(visited.app, standing("s"))
    with visited.app.writing() as connection:
        connection.execute(
            text("INSERT INTO station_contacts (station_id, interval_s, heard_at) VALUES ('h1', 30, :at)"),
            {"at": FULL_AT + 20},
        )
    until(visited, FULL_AT + 80)
    assert "3:40 left" in visited.read("", "/")
    until(visited, FULL_AT + 4000)
    page = visited.read("", "/")
    assert "3:10 left" in page  # 90 s after its last word
    assert "Silent since 09:30: the clock stands still." in page


def test_without_a_site_the_page_says_what_to_do(empty_database_url: str) -> None:
    from api.settings import Settings
    from api.wiring import running
    from sessions.clock import FixedClock
    from tests.serving import served

    settings = Settings(database_url=empty_database_url)
    with running(settings, FixedClock(NOON)) as app, served(app) as address:
        page = words_of(httpx2.get(f"{address}/").text)
    assert "No site yet" in page
    assert "idlefee site add" in page
    assert "idlefee demo" in page


# -- the fee report -----------------------------------------------------------------------------------------


def test_the_report_counts_explains_and_shows_its_evidence(visited: Visits) -> None:
    until(visited, NOON + 9000)
    twice = event("charge_complete", FULL_AT + 30, "s")
    post(visited.app, [*standing("s"), twice, event("unplugged", FULL_AT + 700, "s")])
    page = visited.read("ann", "/sessions/h1/s")
    assert "6 minutes × $0.40 $2.40" in page
    assert "Left over 40 s, no whole minute $0.00" in page
    assert "To pay $2.40" in page
    assert "Grace the first 5 minutes of each stay -5 min" in page
    assert "Not used: the charge was complete already" in page
    assert page.count("Used") == 4


def test_faults_of_other_days_are_no_evidence(visited: Visits) -> None:
    until(visited, NOON + 9000)
    earlier = [
        event("station_fault", NOON - 5000, "e", cause="old"),
        event("station_restored", NOON - 4000, "e", cause="old"),
        event("station_fault", NOON - 50, "e", cause="still"),
        event("station_restored", NOON + 50, "e", cause="still"),
    ]
    faults = [{name: value for name, value in fault.items() if name != "session"} for fault in earlier]
    post(visited.app, faults, a_session("h1", "s"))
    page = visited.read("operator", "/sessions/h1/s")
    assert "(old)" not in page
    assert page.count("(still)") >= 2


def test_a_running_session_is_a_projection_and_says_so(visited: Visits) -> None:
    until(visited, FULL_AT + 600)
    post(visited.app, standing("s"))
    page = visited.read("ann", "/sessions/h1/s")
    assert "So far a projection until the car leaves $2.00" in page


def test_without_a_plug_in_there_is_nothing_to_pay(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, [event("charging_started", NOON, "s"), event("unplugged", NOON + 60, "s")])
    assert "No plug-in was reported, so there is no session and no fee." in visited.read("support", "/sessions/h1/s")


# -- finance ------------------------------------------------------------------------------------------------


def test_the_trial_balance_sums_to_zero_and_leads_to_its_entries(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"), a_session("h2", "nobodys", token=None, idle_s=900))
    page = visited.get("finance", "/books")
    assert "Owners owe $2.00 $0.00 $2.00" in words_of(page)
    assert "Sum $6.00 $6.00 $0.00" in words_of(page)
    links = {link.replace("&amp;", "&") for link in re.findall(r'href="(/books/entries\?[^"]+)"', page)}
    assert len(links) == 4
    entries = visited.read("finance", next(link for link in links if "revenue" in link))
    assert "h1/anns" in entries
    assert "Shown here -$2.00" in entries


def test_the_piles_say_what_waits_why_and_how_long(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h2", "nobodys", token=None, idle_s=900), a_session("h1", "never", idle_s=None))
    until(visited, NOON + 9000 + 3 * 86_400)
    page = visited.read("finance", "/books")
    assert "Unclaimed nobody held the token at the plug-in 1 $4.00 3 d" in page
    assert "Not billable no completed charge was reported 1 3 d" in page
    assert "h2/nobodys" in visited.read("finance", "/books/waiting/unclaimed")
    assert "h1/never" in visited.read("finance", "/books/waiting/not_billable")


def test_the_entries_as_csv_are_all_of_them_and_harmless(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"), a_session("h2", "=1+1", idle_s=900))
    with visited.app.writing() as connection:
        connection.execute(text("UPDATE owners SET id = id"))
    rows = list(csv.DictReader(io.StringIO(visited.get("finance", "/books/entries.csv"))))
    assert len(rows) == 4
    assert sum(int(row["amount_minor"]) for row in rows) == 0
    assert {row["amount"] for row in rows} == {"2.00", "-2.00", "4.00", "-4.00"}
    assert {row["session"] for row in rows} == {"h1/anns", "h2/=1+1"}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]
