"""What everybody may read without a sign-in: prices before anybody plugs in, and what was excused."""

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import httpx2
import pytest

from api.imports.registry import Registry, TariffAlreadyAssigned
from api.worker import Worker
from billing import decisions
from billing.assignments import add_version, assign, latest
from billing.owners import Owner, add_owner, give_token
from billing.prices import CHARGED_S, examples
from billing.settle import charges_of
from billing.tariffs import NoFeeHours, Tariff, Tax, Tier, preset, preset_names
from sessions.sites import add_site, add_station
from sessions.store.queries import SessionKey
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits, words_of
from tests.integration.small_world import NOON, a_session, post

DAY_S = 86_400
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


def _tariff(**more: object) -> Tariff:
    return Tariff.model_validate({"name": "quay", "currency": "EUR", "rate_minor_per_minute": 50} | more)


def _assign(visited: Visits, tariff: Tariff | str, site: str = "harbour", valid_from: int | None = None) -> None:
    now = visited.clock.now()
    with visited.app.writing() as connection:
        added = latest(connection, tariff) if isinstance(tariff, str) else add_version(connection, tariff, "test", now)
        assign(connection, site, added, author="operator:mallory", reason="for Eve", now=now, valid_from=valid_from)


# -- prices -------------------------------------------------------------------------------------------------


def test_a_site_says_what_it_charges_before_anybody_plugs_in(visited: Visits) -> None:
    page = visited.read("", "/prices/harbour")
    assert "The first 5 minutes after your car is full are free." in page
    assert "Then $0.40 a minute until you unplug." in page
    assert "17 min $4.80" in page
    assert "You pay $4.80 for 12 minutes after the grace period." in page
    assert "No change is planned." in page
    assert "Harbour The first 5 minutes" in visited.read("", "/prices")


def test_everything_a_tariff_says_is_said(visited: Visits) -> None:
    full = _tariff(
        rate_minor_per_minute=0,
        cap_minor=3000,
        fragment="started",
        tiers=(Tier(from_percent=50, rate_minor_per_minute=50), Tier(from_percent=100, rate_minor_per_minute=100)),
        no_fee_hours=(NoFeeHours(start="22:00", end="06:00", days=("sat", "sun")),),
        requires_notice=True,
        review_above_minor=2500,
        tax=Tax(code="VAT", rate_ppm=88_750, included=False),
    )
    _assign(visited, full)
    page = visited.read("", "/prices/harbour").replace("\N{NO-BREAK SPACE}", " ")
    for said in (
        "Nothing, while enough stalls are free.",
        "€0.50 a minute from 50 % of the stalls taken; €1.00 a minute when every stall is taken.",
        "A minute that has begun counts as a whole one.",
        "A session never costs more than €30.00.",
        "No fee from 22:00 to 06:00 the next day, Saturdays and Sundays.",
        "VAT of 8.875 % is added to these prices.",
        "Time counts only once we could tell you that your car is full.",
        "A person looks at every fee above €25.00 before you owe it.",
        "Full and plugged in for Below that 50 % taken Every stall taken",
        "17 min nothing €6.53 €13.07",  # 12 minutes at 50 and 100 cents, and the tax
        "3 h 5 min nothing €32.66 €32.66",  # the limit, and the tax
    ):
        assert said in page, said


def test_changes_are_told_before_they_come_and_kept_after(visited: Visits) -> None:
    until(visited, NOON + 10)
    _assign(visited, "standard")
    _assign(visited, _tariff(currency="USD"), valid_from=NOON + DAY_S)
    page = visited.read("", "/prices/harbour")
    assert "From Jan 16, 2027, 09:00 CET" in page
    assert "Rate: was “Then $0.40 a minute until you unplug.”, now “Then $0.50 a minute until you unplug.”" in page
    assert "Then $0.40 a minute until you unplug. Minutes" in page
    until(visited, NOON + 2 * DAY_S)
    page = visited.read("", "/prices/harbour")
    assert "No change is planned." in page
    assert "From Jan 16, 2027, 09:00 CET quay, version 1 : what holds today." in page
    assert "Since the beginning standard, version 1." in page
    assert "Eve" not in page


def test_prices_are_a_door_without_a_key(visited: Visits) -> None:
    _assign(visited, _tariff(tax=Tax(code="VAT", rate_ppm=190_000)))
    answer = httpx2.get(f"{visited.address}/v1/sites/harbour/prices")
    assert answer.status_code == 200
    body = answer.json()
    assert body["present"] == {"valid_from": None, "valid_to": None, "tariff": {"name": "quay", "version": 1}}
    assert {"full_s": 1020, "taken_percent": 0, "fee_minor": 600} in body["examples"]
    assert "These prices include VAT of 19\N{NO-BREAK SPACE}%." in body["terms"]
    assert httpx2.get(f"{visited.address}/v1/sites/nowhere/prices").status_code == 404


def test_a_car_that_does_as_an_example_says_pays_what_it_says(visited: Visits) -> None:
    """Every preset, each example at a site of its own, whose one stall is all there is: the fullest it can be."""
    told, streams = {}, []
    for name in preset_names():
        for number, row in enumerate(examples(preset(name), BERLIN, NOON)):
            place, example = f"{name}-{number}", row[-1]
            with visited.app.writing() as connection:
                add_site(connection, place, "acme", place, str(BERLIN), NOON)
                add_station(connection, f"at-{place}", place, NOON)
            _assign(visited, name, place)
            told[SessionKey(place, f"at-{place}/s")] = (example.report.fee_minor, example.report.tax_minor)
            full_at = (example.report.plugged_in_at or 0) + CHARGED_S
            streams.append(a_session(f"at-{place}", "s", at=full_at - 1800, idle_s=example.full_s))
    until(visited, NOON + 2 * DAY_S)
    post(visited.app, *streams)
    with visited.app.reading() as connection:
        billed = {key: (one.fee_minor, one.tax_minor) for key, one in charges_of(connection, list(told)).items()}
    assert billed == told
    assert len({fee_minor for fee_minor, _ in billed.values()}) > 10


def test_public_pages_may_be_kept_for_a_minute_by_whoever_did_not_sign_in(visited: Visits) -> None:
    for path in ("/prices", "/prices/harbour", "/incidents", "/v1/sites/harbour/prices"):
        first = httpx2.get(visited.address + path)
        assert first.headers["cache-control"] == "public, max-age=60", path
        again = httpx2.get(visited.address + path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
    assert visited.browser("ann").get("/prices").headers["cache-control"] == "private, no-cache"
    short = httpx2.get(f"{visited.address}/p/harbour")
    assert (short.status_code, short.headers["location"]) == (308, "/prices/harbour")


def test_a_draft_is_nobodys_terms(visited: Visits) -> None:
    with visited.app.writing() as connection:
        add_version(connection, _tariff(), "test", NOON)
    assert "There is nothing here" in visited.read("", "/tariffs/quay/1", 404)
    _assign(visited, _tariff())
    assert "Then €0.50 a minute" in visited.read("", "/tariffs/quay/1")


# -- the terms of a session ---------------------------------------------------------------------------------


def test_no_later_assignment_changes_the_terms_of_a_car_that_is_plugged_in(visited: Visits) -> None:
    until(visited, FULL_AT + 10)
    post(visited.app, standing("s"))  # at a site that nobody gave a tariff: it stands there under `standard`
    said = "Accepted at the plug-in: tariff standard, version 1."
    assert said in visited.read("ann", "/sessions/h1/s")
    imports = Registry(visited.app.names, tariff="waive_completed", site="harbour")
    with visited.app.reading() as connection, pytest.raises(TariffAlreadyAssigned):
        imports.check_tariff(connection, [])
    _assign(visited, _tariff())
    until(visited, FULL_AT + 600)
    post(visited.app, [event("unplugged", FULL_AT + 600, "s")])
    _assign(visited, _tariff(rate_minor_per_minute=90))
    for page in (visited.read("ann", "/sessions/h1/s"), visited.read("ann", "/receipts/h1/s")):
        assert "tariff standard, version 1" in page
        assert "quay" not in page
    assert "You pay $2.00" in visited.read("ann", "/sessions/h1/s")
    assert "Then €0.90 a minute" in visited.read("", "/prices/harbour")


# -- incidents ----------------------------------------------------------------------------------------------


def _excuse(visited: Visits, start: int, end: int, stall: tuple[str, str] | None = None) -> None:
    with visited.app.writing() as connection:
        decisions.excuse(
            connection,
            "harbour",
            start,
            end,
            author="operator:mallory",
            now=visited.clock.now(),
            reason="a <b>lorry</b>",
            stall=stall,
        )


def test_nothing_was_excused(visited: Visits) -> None:
    assert "Nothing was excused in the last 90 days." in visited.read("", "/incidents")
    assert "Nothing was ever excused." in visited.read("", "/incidents?all=1")


def test_an_excuse_is_published_with_how_many_it_corrected(visited: Visits) -> None:
    names = [f"o{number}" for number in range(5)]
    with visited.app.writing() as connection:
        for name in names:
            add_owner(connection, Owner(name, f"Secret {name}", None), NOON)
            give_token(connection, visited.app.names, uid=name, owner_id=name, author="test", now=NOON)
    until(visited, NOON + 20 * DAY_S)
    sessions = [a_session("h1", f"s{at}", at=NOON + at * 7200, token=name) for at, name in enumerate(names)]
    other = a_session("h2", "neighbour", at=NOON + 600, token=names[0])
    post(visited.app, *sessions, other)
    Worker(visited.app, channels=[]).run_due()
    _excuse(visited, NOON, NOON + 5 * 7200)
    _excuse(visited, NOON, NOON + 60, stall=("h2", "1"))  # touches a session and corrects none
    until(visited, visited.clock.now() + 61)
    Worker(visited.app, channels=[]).run_due()
    markup = visited.get("", "/incidents")
    page = words_of(markup)
    assert "Harbour, the whole site Jan 15, 2027, 09:00 CET to Jan 15, 2027, 19:00 CET: a <b>lorry</b>" in page
    assert "&lt;b&gt;lorry" in markup
    assert "6 sessions corrected, 5 owners told." in page
    assert "Harbour, h2 · 1" in page
    assert "No session corrected, no owner told." in page
    assert not re.search("Secret|mallory|h1/s0|neighbour", page)
    until(visited, visited.clock.now() + 91 * DAY_S)
    assert "Nothing was excused in the last 90 days." in visited.read("", "/incidents")
    assert "a <b>lorry</b>" in visited.read("", "/incidents?all=1")


def test_few_are_not_counted_out(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "s"))
    Worker(visited.app, channels=[]).run_due()
    _excuse(visited, FULL_AT, FULL_AT + 600)
    until(visited, NOON + 9100)
    Worker(visited.app, channels=[]).run_due()
    assert "Fewer than 5 sessions corrected, fewer than 5 owners told." in visited.read("", "/incidents")


def test_incidents_come_a_page_at_a_time(visited: Visits) -> None:
    until(visited, NOON + 9000)
    for minute in range(27):
        _excuse(visited, NOON + 60 * minute, NOON + 60 * minute + 60)
    first = visited.get("", "/incidents")
    older = re.search(r'href="(/incidents\?before=[^"]+)"', first)
    assert older is not None
    assert (first.count("<article"), visited.get("", older[1]).count("<article")) == (25, 2)
