"""Finance's pages: the charges of a filter and their sums, one charge's whole story, today."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, text

from api.access.keys import KeyKind, Role, issue
from billing.jobs import Job, schedule
from billing.payments.credits import Code, Wanted, ask
from billing.payments.people import Deed, Person
from billing.store.payments import disputes, refunds
from billing.sums.making import LATE_S, sum_more
from tests.integration.page_visits import Visits, standing, until, visits, words_of
from tests.integration.small_world import NOON, a_session, post, told


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
    for said in (
        "Plugged in",
        "Charge complete",
        "Posted",
        "Owners owe ann",
        "Revenue",
        "You pay $2.00",
        "No invoice",
    ):
        assert said in read, said
    assert "Nobody claimed the session." in visited.read("finance", "/finance/charges/h2/nobodys")
    visited.get("finance", "/finance/charges/h1/nothing", 404)


def test_today_adds_up(visited: Visits) -> None:
    post(visited.app, standing("s", stall="2"))
    read = visited.read("finance", "/finance")
    assert "Running up 1 car beyond the grace period, as of now $46.00" in read
    assert "first settled then $12.00 $12.00 $12.00" in read
    assert "to their credit $6.00" in read
    assert "less what went back $0.00" in read
    summed(visited)
    assert "first settled then $12.00 $12.00 $12.00" in visited.read("finance", "/finance")
    assert 'class="chart"' in visited.get("finance", "/finance")


def test_what_the_past_would_have_cost_by_site_and_by_owner(visited: Visits) -> None:
    by_site = "/finance/what-if?tariff=waive_completed"
    read = visited.read("finance", by_site)
    assert "In all +$6.00 $12.00 $18.00 3 4" in read
    assert "Market +$2.00 $4.00 $6.00 1 1" in read
    read = visited.read("finance", f"{by_site}&by=owner")
    for said in ("ann +$2.00 $2.00 $4.00 1 2", "nobody yet +$2.00 $6.00 $8.00 1 1", "In all +$6.00 $12.00 $18.00 3 4"):
        assert said in read, said
    answer = visited.browser("finance").get("/finance/what-if.csv?tariff=waive_completed&by=owner&site=market")
    assert answer.text.splitlines() == [
        "owner,sessions,changed,cost,would_cost,difference,currency",
        "bob,1,1,4.00 USD,6.00,2.00,USD",
    ]
    visited.get("finance", "/finance/what-if?tariff=none_such", 404)
    assert "No session of these days" in visited.read("finance", f"{by_site}&to=2020-01-01")


def test_the_next_month_says_what_is_in_its_way_and_differences_that_there_are_none(visited: Visits) -> None:
    assert "Acme" in visited.read("finance", "/finance/close")
    assert "Nothing was compared yet." in visited.read("finance", "/finance/reconciliation")
    visited.send("finance", "/finance/reconciliation", "/finance/reconciliation/run")
    assert told(visited.app, "SELECT key FROM jobs WHERE kind = 'reconcile'") == [("reconcile:acme",)]
    until(visited, NOON + 20 * 86_400)
    with visited.app.writing() as connection:  # the browser's key is over by then
        link = issue(connection, Role.FINANCE, label="test", now=visited.clock.now(), kind=KeyKind.LINK)
    assert visited.open("finance", link.text).status_code == 303
    assert "Close January 2027" in visited.read("finance", "/finance/close")
    visited.send("finance", "/finance/close", "/finance/close", reason="the month is over")
    assert "the month is over" in visited.read("finance", "/finance/close")
    read = visited.read("finance", "/finance/close/acme/2027-01")
    assert "Owners owe, USD $0.00 $6.00 $0.00 $6.00" in read
    journal = visited.browser("finance").get("/finance/exports/ledger?format=beancount&seller=acme")
    assert "Assets:S-acme:Receivable" in journal.text


def test_a_parked_step_is_tried_again_or_dropped_with_a_reason(visited: Visits) -> None:
    assert "Every step was done." in visited.read("finance", "/finance/queues")
    now = visited.clock.now()
    with visited.app.writing() as connection:
        schedule(connection, [Job(f"odd:{n}", "odd", now, {}) for n in (1, 2)], now)
        connection.execute(text("UPDATE jobs SET dead = true, last_error = 'broken' WHERE kind = 'odd'"))
    page = "/finance/queues"
    visited.send("finance", page, "/finance/queues/parked", 422, decision="drop", reason="")
    visited.send("finance", page, "/finance/queues/parked", decision="retry", reason="the server is back")
    visited.send("finance", page, "/finance/queues/parked", decision="drop", reason="nobody waits for it")
    assert told(visited.app, "SELECT key, dead FROM jobs WHERE kind = 'odd'") == [("odd:1", False)]
    kept = told(visited.app, "SELECT what, subject, reason FROM audit WHERE what LIKE 'step%' ORDER BY subject")
    assert kept == [
        ("step_retried", "odd:1", "the server is back"),
        ("step_dropped", "odd:2", "nobody waits for it"),
    ]


def test_what_waits_has_an_age(visited: Visits) -> None:
    with visited.app.writing() as connection:
        connection.execute(text("UPDATE charges SET held = 'above_limit' WHERE session_id = 'h1/anns'"))
    until(visited, visited.clock.now() + 3 * 86_400)
    assert "h1/anns $2.00 $2.00 3 d the fee is above the tariff" in visited.read("finance", "/finance/queues")
    assert "What waits In review 1, the oldest for 3 d" in visited.read("finance", "/finance")


def test_today_tells_of_refunds_that_failed_and_of_disputes_that_are_due(visited: Visits) -> None:
    assert "What waits" not in visited.read("finance", "/finance")
    now = visited.clock.now()
    theirs = {"owner_id": "ann", "payment_id": "p", "seller_id": "acme", "currency": "USD", "changed_at": now}
    refund = {"reason_code": "goodwill", "reason": "the barrier", "asked_by": "x", "asked_at": now}
    with visited.app.writing() as connection:
        failed = {"id": "r1", "amount_minor": 150, "state": "failed", "failure_code": "expired_or_canceled_card"}
        connection.execute(insert(refunds).values(**theirs, **refund, **failed))
        connection.execute(insert(refunds).values(**theirs, **refund, id="r2", amount_minor=200, state="asked"))
        due = {"opened_at": now, "evidence_due_at": now + 7 * 86_400}
        opened = {"id": "d1", "amount_minor": 400, "fee_minor": 15, "reason": "fraudulent", "state": "open"}
        connection.execute(insert(disputes).values(**theirs, **opened, **due))
    until(visited, now + 2 * 86_400)
    read = visited.read("finance", "/finance")
    assert "Refunds to approve 1, the oldest for 2 d" in read
    assert "Disputes 1, the oldest for 2 d, due Jan 22, 2027" in read
    assert "Refunds that failed 1, the oldest for 2 d" in read
    assert "ann $1.50 2 d expired or canceled card the barrier" in visited.read("finance", "/finance/queues")


def test_a_second_person_approves_a_credit_and_is_not_the_first(visited: Visits) -> None:
    now = visited.clock.now()
    wanted = Wanted(
        owner_id="ann",
        seller_id="acme",
        currency="USD",
        deed=Deed.CREDIT,
        amount_minor=30_000,
        code=Code.GOODWILL,
        reason="a bad day",
    )
    with visited.app.writing() as connection:
        first = issue(connection, Role.FINANCE, label="test", now=now)
        ((key_id,),) = connection.execute(text("SELECT max(id) FROM access_keys WHERE kind = 'key'")).all()
        assert first.text
        given, _ = ask(connection, wanted, Person(f"finance:{key_id}", "finance"), now)
    assert given.state == "asked"
    page, to = "/finance/queues", "/finance/queues/credit"
    refused = visited.send("finance", page, to, 403, decision="approve", reason="fine")
    assert "another person" in words_of(refused.text)
    with visited.app.writing() as connection:
        connection.execute(text("UPDATE access_keys SET label = 'somebody else' WHERE kind = 'key'"))
    visited.send("finance", page, to, decision="approve", reason="fine")
    assert told(visited.app, "SELECT state, decided_because FROM credits_given") == [("posted", "fine")]
    assert "Nobody asked for money" in visited.read("finance", page)
