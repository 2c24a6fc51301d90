"""An owner's statements: they close at what the ledger says, month after month, whatever was corrected or claimed."""

import csv
import io
from collections.abc import Iterator
from itertools import pairwise

import pytest

from api.wiring import Idlefee
from billing import decisions
from billing.assignments import add_version, assign
from billing.ledger import owner_balances
from billing.owners import Owner, add_owner
from billing.statements import Month, Statement, statements, statements_of
from billing.tariffs import Tariff, Tax
from sessions.sites import add_seller, add_site, add_station
from sessions.store.queries import SessionKey
from tests.integration.page_visits import until, visits
from tests.integration.small_world import NOON, a_session, post, small_world, told

DAY_S = 86_400
A, B = SessionKey("harbour", "h1/a"), SessionKey("harbour", "h1/b")
FEBRUARY = 1_801_440_000  # 2027-02-01 00:00 UTC, Acme's own time


@pytest.fixture
def app(database_url: str) -> Iterator[Idlefee]:
    """Fees with 19 % tax in them at the harbour; bob has no token."""
    with small_world(database_url, NOON + DAY_S) as found:
        tariff = Tariff(name="taxed", currency="EUR", rate_minor_per_minute=119, tax=Tax(code="VAT", rate_ppm=190_000))
        with found.writing() as connection:
            add_owner(connection, Owner("bob", None, None), NOON)
            added = add_version(connection, tariff, "test", NOON)
            assign(connection, "harbour", added, author="test", reason="opening", now=NOON - DAY_S)
        yield found


def of(app: Idlefee, owner_id: str, now: int) -> list[Statement]:
    with app.reading() as connection:
        return statements(connection, owner_id, now)


def test_a_month_opens_where_the_one_before_closed_and_the_last_is_the_balance(app: Idlefee) -> None:
    post(app, a_session("h1", "a"), a_session("h1", "b", at=NOON + 9000, idle_s=900))  # 5 and 10 minutes
    app.clock.advance(FEBRUARY + 1 - app.clock.now())  # type: ignore[attr-defined]
    with app.writing() as connection:
        decisions.waive(connection, A, 119, author="test", reason="a broken sign", now=FEBRUARY)
        decisions.claim(connection, B, "bob", author="test", reason="his card", now=FEBRUARY + 1)
    now = FEBRUARY + 70 * DAY_S
    found = [one for one in of(app, "ann", now) if one.currency == "EUR"]
    assert [str(one.month) for one in found] == ["2027-04", "2027-03", "2027-02", "2027-01"]
    assert all(later.opening_minor == earlier.closing_minor for later, earlier in pairwise(found))
    april, _, february, january = found
    assert (january.opening_minor, january.fees_minor, january.tax_minor) == (0, 15 * 119, 15 * 19)
    assert [(line.is_correction, line.amount_minor, line.tax_minor) for line in february.lines] == [
        (True, -119, -19),
        (True, -1190, -190),
    ]
    assert "waive" in february.lines[0].reason
    assert (april.lines, april.closing_minor) == ([], 4 * 119)
    with app.reading() as connection:
        assert owner_balances(connection, "ann") == {("acme", "EUR"): april.closing_minor}
        assert owner_balances(connection, "bob") == {("acme", "EUR"): 1190}
    (his,) = of(app, "bob", FEBRUARY + DAY_S)
    assert [(line.is_correction, line.amount_minor, line.tax_minor) for line in his.lines] == [(False, 1190, 190)]


def test_the_tax_of_all_statements_is_the_tax_in_the_books(app: Idlefee) -> None:
    post(app, a_session("h1", "a", token=None), a_session("h1", "b", at=NOON + 9000))
    for number, (owner_id, waived) in enumerate((("bob", 100), (None, None), ("ann", 57), ("bob", None))):
        with app.writing() as connection:
            decisions.claim(connection, A, owner_id, author="test", reason="r", now=NOON + 2 * DAY_S + number)
            if waived is not None:
                decisions.waive(connection, A, waived, author="test", reason="r", now=NOON + 2 * DAY_S + number)
    everything = [one for owner_id in ("ann", "bob") for one in of(app, owner_id, NOON + 9 * DAY_S)]
    ((tax,),) = told(app, "SELECT -coalesce(sum(amount_minor), 0) FROM entries WHERE account = 'tax'")
    ((owed,),) = told(app, "SELECT sum(amount_minor) FROM entries WHERE account = 'receivable'")
    assert sum(one.tax_minor for one in everything) == tax > 0
    assert sum(one.closing_minor for one in everything) == owed > 0


def test_sellers_and_currencies_are_never_added_up_and_each_has_months_of_its_own(app: Idlefee) -> None:
    last_second = FEBRUARY - 1
    with app.writing() as connection:
        add_seller(connection, "kiwi", "Kiwi", "Pacific/Auckland", NOON)
        add_site(connection, "bay", "kiwi", "Bay", "Pacific/Auckland", NOON)
        add_station(connection, "y1", "bay", NOON)
    app.clock.advance(last_second - app.clock.now())  # type: ignore[attr-defined]
    post(app, a_session("h1", "a"), a_session("m1", "m"), a_session("y1", "y"))
    with app.reading() as connection:
        january, february = (statements_of(connection, "ann", Month(2027, month), FEBRUARY) for month in (1, 2))
        assert statements_of(connection, "ann", Month(2026, 12), FEBRUARY) == []
        assert statements_of(connection, "bob", Month(2027, 1), FEBRUARY) == []
    closing = {(one.seller_id, one.currency): one.closing_minor for one in january}
    assert closing == {("acme", "EUR"): 5 * 119, ("acme", "USD"): 2_00}
    lines = {(one.seller_id, one.currency): len(one.lines) for one in february}
    assert lines == {("acme", "EUR"): 0, ("acme", "USD"): 0, ("kiwi", "USD"): 1}


def test_a_statement_is_read_on_a_page_and_as_csv_by_its_owner_alone(database_url: str) -> None:
    with visits(database_url) as visited:
        until(visited, NOON + 9000)
        post(visited.app, a_session("h1", "=a"))
        with visited.app.writing() as connection:
            key = SessionKey("harbour", "h1/=a")
            decisions.waive(connection, key, 40, author="test", reason="a broken sign", now=visited.clock.now())
        assert "January 2027 Acme $1.60" in visited.read("ann", "/me/statements")
        page = visited.read("ann", "/me/statements/2027-01")
        for row in ("Opening balance $0.00", "Fees $2.00", "Corrections -$0.40", "Closing balance $1.60"):
            assert row in page
        rows = list(csv.DictReader(io.StringIO(visited.get("ann", "/me/statements/2027-01.csv"))))
        assert [(row["what"], row["amount"]) for row in rows] == [
            ("opening", "0.00"),
            ("fee", "2.00"),
            ("correction", "-0.40"),
            ("closing", "1.60"),
        ]
        assert "None yet." in visited.read("bob", "/me/statements")
        for path in ("/me/statements/2027-01", "/me/statements/2026-12", "/me/statements/2027-1"):
            visited.get("bob", path, 404)
