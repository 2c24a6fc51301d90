"""What the same past would have cost: the comparison says what applying it then posts, under every kind of tariff."""

from collections.abc import Iterator

import pytest

from api.wiring import Idlefee
from billing import decisions
from billing.assignments import add_version
from billing.orders import Outcome, carry_out, ordered
from billing.rerate import Comparison, Question, SiteCost, compare
from billing.tariffs import NoFeeHours, Tariff, Tax, Tier, preset
from billing.verify import verify
from sessions.facts import Fact, Kind, record_facts
from sessions.grace import GracePolicy
from tests.integration.small_world import LATER, NOON, a_session, post, small_world, told

STANDARD = preset("standard")
TIERS = (Tier(from_percent=40, rate_minor_per_minute=10), Tier(from_percent=60, rate_minor_per_minute=99))
TARIFFS = {
    "waived within the grace": preset("waive_completed"),
    "started minutes": preset("deduct_started"),
    "by occupancy": STANDARD.model_copy(update={"name": "tiers", "tiers": TIERS}),
    "free at some hours": STANDARD.model_copy(
        update={"name": "hours", "no_fee_hours": (NoFeeHours(start="09:35", end="09:41"),)}
    ),
    "only who was told": STANDARD.model_copy(update={"name": "told", "requires_notice": True}),
    "with a cap and a tax": STANDARD.model_copy(
        update={"name": "capped", "cap_minor": 3_00, "tax": Tax(code="VAT", rate_ppm=190_000)}
    ),
    "no grace": STANDARD.model_copy(update={"name": "strict", "grace": GracePolicy(grace_s=0)}),
    "a long grace": STANDARD.model_copy(update={"name": "mild", "grace": GracePolicy(grace_s=700)}),
    "as it was": STANDARD,
}


@pytest.fixture
def world(database_url: str) -> Iterator[Idlefee]:
    """A busy morning: short and long stays, a fault, an excuse, notices, a stay that nobody unplugged."""
    with small_world(database_url) as app:
        fault = {"id": "f", "station": "h2", "stall": "1", "type": "station_fault", "cause": "cable"}
        post(
            app,
            a_session("h1", "free", idle_s=250, at=NOON - 7200),
            a_session("h1", "short", idle_s=400),
            a_session("h2", "long", idle_s=3000, at=NOON + 60),
            [fault | {"at": a_session("h2", "x", at=NOON + 2000)[0]["at"]}],
            [fault | {"id": "r", "type": "station_restored", "at": a_session("h2", "x", at=NOON + 2100)[0]["at"]}],
            a_session("h1", "second", idle_s=900, at=NOON + 2700),
            a_session("h1", "never full", idle_s=None, at=NOON + 9000),
            a_session("h1", "never unplugged", at=NOON + 20_000)[:3],
            [a_session("h1", "x", at=NOON + 20_000)[0] | {"id": "m", "type": "meter", "at": "2027-01-15T14:20:00Z"}],
            a_session("m1", "unclaimed", idle_s=901, token=None),
        )
        with app.writing() as connection:
            decisions.excuse(
                connection,
                "harbour",
                NOON + 4700,
                NOON + 4800,
                author="test",
                reason="rain",
                now=LATER,
                stall=("h1", "1"),
            )
            told_at = [("h1/short", 1830), ("h2/long", 1900), ("m1/unclaimed", 1801)]
            record_facts(connection, [accepted(session_id, NOON + after) for session_id, after in told_at], LATER)
            for tariff in TARIFFS.values():
                add_version(connection, tariff, "test", LATER)
        yield app


def accepted(session_id: str, at: int) -> Fact:
    site_id = "market" if session_id.startswith("m") else "harbour"
    return Fact(
        site_id=site_id, kind=Kind.NOTICE_ACCEPTED, author="test", reason="sent", session_id=session_id, starts_at=at
    )


def asked(app: Idlefee, tariff: Tariff, *, since: int = 0, until: int = LATER, processes: int = 1) -> Comparison:
    return compare(app.engine, Question(tariff, since, until), processes=processes)


def applied(app: Idlefee, tariff: Tariff, since: int = 0, until: int | None = LATER) -> Outcome:
    with app.writing() as connection:
        orders = ordered(
            connection, ["harbour", "market"], tariff.name, since, until, author="test", reason="so be it", now=LATER
        )
    return carry_out(app.engine, app.clock, orders)


def costs(app: Idlefee) -> dict[str, int]:
    return {
        site: int(total) for site, total in told(app, "SELECT site_id, sum(computed_minor) FROM charges GROUP BY 1")
    }


# ---------------------------------------------------------------- the answer


def test_the_comparison_says_what_each_tariff_then_posts(world: Idlefee) -> None:
    standing = costs(world)
    assert standing == {"harbour": 25_20, "market": 4_00}
    for what, tariff in TARIFFS.items():
        answer = asked(world, tariff)
        outcome = applied(world, tariff)

        after = costs(world)
        assert {site: cost.new_minor for site, cost in answer.sites.items()} == after, what
        assert {site: cost.old_minor["USD"] for site, cost in answer.sites.items()} == standing, what
        assert (answer.total.sessions, answer.total.changed) == (6, outcome.changed), what
        assert answer.total.difference_minor("USD") == sum(after.values()) - sum(standing.values()), what
        standing = after
    assert costs(world) == {"harbour": 25_20, "market": 4_00}
    assert verify(world.engine, LATER, print).clean


def test_asking_changes_nothing(world: Idlefee) -> None:
    everything = (
        "SELECT (SELECT count(*) FROM facts), (SELECT count(*) FROM transfers), (SELECT sum(fee_minor) FROM charges)"
    )
    before = told(world, everything)

    asked(world, preset("waive_completed"))

    assert told(world, everything) == before


@pytest.mark.parametrize("what", ["waived within the grace", "by occupancy"])
def test_several_processes_give_the_same_answer(world: Idlefee, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    post(world, *(a_session("m1", f"n{number}", at=NOON + 4000 * number) for number in range(1, 60)))
    alone = asked(world, TARIFFS[what])
    monkeypatch.setattr("billing.rerate.comparing.ROWS_A_PART", 10)
    parts: list[tuple[int, int]] = []

    question = Question(TARIFFS[what], 0, LATER)
    together = compare(world.engine, question, lambda done, total: parts.append((done, total)), processes=2)

    assert together.sites == alone.sites
    assert parts == [(done, len(parts)) for done in range(1, len(parts) + 1)]
    assert len(parts) > 1


def test_only_plug_ins_of_the_time_asked_about_are_priced(world: Idlefee) -> None:
    """On our clock: a station whose clock is an hour behind plugged in an hour later than it says."""
    behind = [event | {"sent_at": event["at"]} for event in a_session("m1", "behind", at=LATER - 7200 - 3600)]
    post(world, [event | {"sent_at": behind[-1]["at"]} for event in behind])
    offset_s, plugged_in_at = told(world, "SELECT offset_s, plugged_in_at FROM sessions WHERE id = 'm1/behind'")[0]
    assert offset_s > 3600

    at = plugged_in_at + offset_s
    assert asked(world, STANDARD, since=at, until=at + 1).total.sessions == 1
    assert asked(world, STANDARD, since=at + 1).total.sessions == 0
    assert asked(world, STANDARD, until=at).total.sessions == 6


def test_a_session_that_is_not_over_is_not_the_past(world: Idlefee) -> None:
    running = a_session("m1", "running", at=LATER - 4000)[:3]
    post(world, running)

    assert asked(world, STANDARD).total.sessions == 6


def test_amounts_of_two_currencies_are_not_subtracted(world: Idlefee) -> None:
    answer = asked(world, preset("tiers_2018_jpy"))

    assert answer.total.old_minor == {"USD": 29_20}
    assert answer.total.difference_minor("JPY") is None
    assert SiteCost(new_minor=5).difference_minor("JPY") == 5


def test_an_empty_network_costs_nothing(database_url: str) -> None:
    with small_world(database_url) as app:
        answer = asked(app, STANDARD)

    assert (answer.sites, answer.total) == ({}, SiteCost())


# ---------------------------------------------------------------- making it so


def test_an_order_that_was_interrupted_goes_on_and_is_not_given_twice(
    world: Idlefee, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.orders.SESSIONS_A_TRANSACTION", 2)
    answer = asked(world, preset("waive_completed"))

    def stop_after_two(done: int, _total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with world.writing() as connection:
        orders = ordered(
            connection, ["harbour", "market"], "waive_completed", 0, None, author="test", reason="so be it", now=LATER
        )
    with pytest.raises(KeyboardInterrupt):
        carry_out(world.engine, world.clock, orders, stop_after_two)
    outcome = applied(world, preset("waive_completed"), until=None)

    assert outcome.sessions == told(world, "SELECT count(*) FROM charges")[0][0] - 2
    assert told(world, "SELECT count(*) FROM facts WHERE kind = 'rerate'") == [(2,)]
    assert sum(costs(world).values()) == answer.total.new_minor
    assert told(world, "SELECT count(*) FROM jobs WHERE kind = 'rerate'") == [(0,)]
    assert verify(world.engine, LATER, print).clean


def test_an_order_that_was_carried_out_may_be_given_again_after_another(world: Idlefee) -> None:
    for tariff in ("waive_completed", "standard", "waive_completed"):
        applied(world, preset(tariff))

    assert told(world, "SELECT count(*) FROM facts WHERE kind = 'rerate'") == [(6,)]
    assert set(told(world, "SELECT tariff FROM charges")) == {("waive_completed",)}


def test_a_late_event_is_priced_by_the_order_that_covers_its_plug_in(world: Idlefee) -> None:
    applied(world, preset("waive_completed"), until=NOON + 100)

    post(world, a_session("m1", "late", at=NOON + 50, idle_s=600), a_session("m1", "later", at=NOON + 5000, idle_s=600))

    fees = told(world, "SELECT session_id, fee_minor FROM charges WHERE session_id LIKE 'm1/late%' ORDER BY session_id")
    assert fees == [("m1/late", 4_00), ("m1/later", 2_00)]
