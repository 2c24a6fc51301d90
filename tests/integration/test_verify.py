"""`verify` finds nothing in honest books and names exactly what was tampered with, on both engines.

To tamper, a test first takes the guards out of its own database, as somebody with the schema's own role could.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text

from api.wiring import Idlefee
from billing import decisions
from billing.assignments import assign, latest
from billing.verify import Code, Difference, Verified, verify
from sessions.sites import add_stall
from tests.integration.small_world import LATER, NOON, a_session, post, small_world, told

GUARDED = ("events", "conflicts", "facts", "tariffs", "tariff_assignments", "transfers", "entries")


@pytest.fixture
def world(database_url: str) -> Iterator[Idlefee]:
    """Two owned sessions and an unclaimed one, one that was corrected, and one without a completion."""
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"), a_session("h2", "b", idle_s=900), a_session("m1", "c", token=None))
        post(app, a_session("h1", "d", idle_s=None, at=NOON + 86_400))
        with app.writing() as connection:
            key = decisions.session_key(connection, "h2/b")
            decisions.waive(connection, key, 40, author="test", reason="kind", now=LATER)
        yield app


def checked(app: Idlefee) -> tuple[Verified, list[Difference]]:
    found: list[Difference] = []
    return verify(app.engine, LATER, found.append), found


def named(app: Idlefee) -> set[tuple[Code, str]]:
    done, found = checked(app)
    assert done.differences == len(found)
    assert done.clean is (not found)
    return {(one.code, one.subject) for one in found}


def tamper(app: Idlefee, *statements: str) -> None:
    if app.engine.name == "sqlite":  # a connection of one's own, on which foreign keys are not looked after
        with closing(sqlite3.connect(str(app.engine.url.database))) as connection, connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            for statement in statements:
                assert connection.execute(statement).rowcount > 0, statement
        return
    with app.writing() as writer:
        for table in GUARDED:
            writer.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        for statement in statements:
            assert writer.execute(text(statement)).rowcount > 0, statement


# ---------------------------------------------------------------- honest books


def test_honest_books_have_no_difference(world: Idlefee) -> None:
    done, found = checked(world)

    assert found == []
    assert (done.events, done.sessions, done.charges, done.transfers, done.entries) == (15, 4, 4, 4, 8)
    assert done.clean


def test_an_empty_network_has_no_difference(database_url: str) -> None:
    with small_world(database_url) as app:
        assert checked(app) == (Verified(0, 0, 0, 0, 0, 0, {}, 0), [])


def test_what_is_late_is_counted_and_not_blamed(database_url: str) -> None:
    """A session without an unplug, whose step is overdue because no worker ran."""
    with small_world(database_url, now=NOON + 3600) as app:
        post(app, a_session("h1", "a")[:3])

        found: list[Difference] = []
        done = verify(app.engine, NOON + 3 * 24 * 3600, found.append)

    assert (found, done.overdue) == ([], {"charge_complete": 1, "time_out": 1})


def test_sessions_that_timed_out_are_verified_as_of_when_they_were_settled(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a")[:3], a_session("h1", "b", at=NOON + 86_400))  # "a" was never unplugged

        assert named(app) == set()
        assert told(app, "SELECT closed, until FROM sessions WHERE id = 'h1/a'") == [(True, NOON + 1800)]


def test_a_session_in_review_is_verified_by_what_stood_before(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"))
        post(app, [a_session("h1", "a")[2] | {"id": "other"}, a_session("h1", "a", idle_s=60)[3]])
        assert told(app, "SELECT held FROM charges") == [("id_conflict",)]

        assert named(app) == set()


def test_a_stall_that_appears_later_settles_the_fees_that_depend_on_it(database_url: str) -> None:
    """A stall counts as having stood there since ever: the share that was occupied falls, and the rate with it."""
    with small_world(database_url) as app:
        with app.writing() as connection:
            tariff = latest(connection, "tiers_2018_usd")
            assign(connection, "harbour", tariff, author="test", reason="busy", now=NOON)
        post(app, a_session("h1", "a"))
        assert (told(app, "SELECT fee_minor FROM charges"), named(app)) == ([(5_00,)], set())

        post(app, [a_session("h1", "b", at=NOON + 86_400)[0] | {"stall": "2"}])  # a message that names another stall
        assert (told(app, "SELECT fee_minor FROM charges WHERE session_id = 'h1/a'"), named(app)) == ([(2_50,)], set())

        with app.writing() as connection:
            add_stall(connection, "h1", "3", LATER, None)
            decisions.stall_added(connection, "h1", None, LATER)
        assert (told(app, "SELECT fee_minor FROM charges WHERE session_id = 'h1/a'"), named(app)) == ([(0,)], set())


def test_progress_ends_at_its_total(world: Idlefee) -> None:
    steps: list[tuple[int, int]] = []

    verify(world.engine, LATER, print, lambda done, total: steps.append((done, total)))

    assert steps[-1] == (19, 19)
    assert steps == sorted(steps)


# ---------------------------------------------------------------- tampered books


def test_an_entry_that_was_changed(world: Idlefee) -> None:
    tamper(world, "UPDATE entries SET amount_minor = 250 WHERE account = 'receivable' AND amount_minor = 200")

    _, found = checked(world)

    assert {(one.code, one.subject) for one in found} == {
        (Code.LEDGER_DIFFERS, "books of h1/a"),
        (Code.TRANSFER_UNBALANCED, "transfer 1 of h1/a"),
        (Code.BALANCE_DIFFERS, "account receivable of acme in USD"),
    }
    assert "stands at $2.50 and should at $2.00" in str(found)
    assert "sum to $0.50 instead of zero" in str(found)


def test_two_entries_that_were_changed_alike_balance_and_are_found_all_the_same(world: Idlefee) -> None:
    tamper(
        world, "UPDATE entries SET amount_minor = amount_minor * 2 WHERE abs(amount_minor) = 200 AND site_id = 'market'"
    )

    assert named(world) == {
        (Code.LEDGER_DIFFERS, "books of m1/c"),
        (Code.BALANCE_DIFFERS, "account unclaimed of acme in USD"),
        (Code.BALANCE_DIFFERS, "account deferred of acme in USD"),
    }


def test_an_event_that_was_changed(world: Idlefee) -> None:
    tamper(world, "UPDATE events SET at = at + 600 WHERE id = 'a-4'")

    _, found = checked(world)

    assert {(one.code, one.subject) for one in found} == {
        (Code.EVENT_ALTERED, "event h1/a-4"),
        (Code.SNAPSHOT_DIFFERS, "session h1/a"),
        (Code.CHARGE_DIFFERS, "charge of h1/a"),
        (Code.LEDGER_DIFFERS, "books of h1/a"),
        (Code.BALANCE_DIFFERS, "account receivable of acme in USD"),
        (Code.BALANCE_DIFFERS, "account revenue of acme in USD"),
    }
    assert "not what the facts cost ($6.00)" in str(found)


def test_an_event_that_was_deleted(world: Idlefee) -> None:
    tamper(world, "DELETE FROM events WHERE id = 'd-1'")

    assert (Code.SNAPSHOT_DIFFERS, "session h1/d") in named(world)


def test_a_meter_reading_that_was_changed(world: Idlefee) -> None:
    reading = a_session("h1", "a")[0] | {"id": "m", "type": "meter", "data": {"energy_wh": 7, "soc_percent": 80.5}}
    post(world, [reading])
    assert named(world) == set()

    tamper(world, "UPDATE events SET data = '{}' WHERE id = 'm'")

    assert named(world) == {(Code.EVENT_ALTERED, "event h1/m")}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fee_minor", 100),
        ("computed_minor", 100),
        ("owner_id", "'somebody'"),
        ("held", "'above_limit'"),
        ("tax_minor", 5),
    ],
)
def test_a_charge_that_was_changed(world: Idlefee, column: str, value: object) -> None:
    tamper(world, f"UPDATE charges SET {column} = {value} WHERE session_id = 'h1/a'")

    _, found = checked(world)

    assert [(one.code, one.subject) for one in found] == [(Code.CHARGE_DIFFERS, "charge of h1/a")]
    assert f"{column} is {str(value).strip(chr(39))} and should be" in found[0].meaning


def test_a_report_that_was_changed(world: Idlefee) -> None:
    tamper(world, "UPDATE charges SET report = replace(report, 'idle', 'grace') WHERE session_id = 'h1/a'")

    _, found = checked(world)

    assert [(one.code, one.subject) for one in found] == [(Code.CHARGE_DIFFERS, "charge of h1/a")]
    assert "the report kept with it is not the one it comes from" in found[0].meaning


def test_a_charge_that_was_deleted(world: Idlefee) -> None:
    tamper(world, "DELETE FROM charges WHERE session_id = 'h1/d'")

    assert named(world) == {(Code.CHARGE_MISSING, "session h1/d")}


def test_a_session_that_was_changed(world: Idlefee) -> None:
    tamper(world, "UPDATE sessions SET complete_s = 1 WHERE id = 'h1/d'")

    _, found = checked(world)

    assert [(one.code, one.subject) for one in found] == [(Code.SNAPSHOT_DIFFERS, "session h1/d")]
    assert "complete_s is 1 and should be 0" in found[0].meaning


def test_a_session_that_was_deleted(world: Idlefee) -> None:
    tamper(world, "DELETE FROM sessions WHERE id = 'h1/d'")

    assert named(world) == {(Code.SNAPSHOT_MISSING, "session h1/d")}


def test_a_waiver_that_was_deleted(world: Idlefee) -> None:
    tamper(world, "DELETE FROM facts WHERE kind = 'waiver'")

    assert (Code.CHARGE_DIFFERS, "charge of h2/b") in named(world)


def test_a_tariff_assignment_that_was_deleted(world: Idlefee) -> None:
    tamper(world, "DELETE FROM tariff_assignments WHERE site_id = 'market'")

    _, found = checked(world)

    assert (Code.NO_TARIFF, "session m1/c") in {(one.code, one.subject) for one in found}
    assert all("m1" in one.subject or one.code is Code.BALANCE_DIFFERS for one in found)


def test_a_transfer_that_was_deleted(world: Idlefee) -> None:
    tamper(world, "DELETE FROM transfers WHERE session_id = 'h2/b' AND n = 1")

    found = named(world)

    assert (Code.CHAIN_BROKEN, "transfer 2 of h2/b") in found
    assert {subject for code, subject in found if code is Code.ENTRY_ALONE}
    assert all("h2/b" in subject or code in (Code.ENTRY_ALONE, Code.BALANCE_DIFFERS) for code, subject in found)


def test_a_transfer_that_was_added(world: Idlefee) -> None:
    """Balanced, in the right currency, at the end of the chain: and no fact asked for it."""
    tamper(
        world,
        "INSERT INTO entries (site_id, transfer_id, line, account, owner_id, seller_id, currency, amount_minor) VALUES "
        "('harbour', 'x', 1, 'receivable', 'ann', 'acme', 'USD', 40), "
        "('harbour', 'x', 2, 'revenue', NULL, 'acme', 'USD', -40)",
        "INSERT INTO transfers (site_id, id, session_id, n, seller_id, currency, reason, recorded_at) VALUES "
        "('harbour', 'x', 'h1/a', 2, 'acme', 'USD', 'because', 0)",
        "UPDATE charges SET settlements = 2 WHERE session_id = 'h1/a'",
    )

    assert named(world) == {
        (Code.LEDGER_DIFFERS, "books of h1/a"),
        (Code.TRANSFER_MISNAMED, "transfer 2 of h1/a"),
        (Code.BALANCE_DIFFERS, "account receivable of acme in USD"),
        (Code.BALANCE_DIFFERS, "account revenue of acme in USD"),
    }


def test_a_transfer_for_a_session_that_never_was(world: Idlefee) -> None:
    tamper(
        world,
        "INSERT INTO entries (site_id, transfer_id, line, account, seller_id, currency, amount_minor) VALUES "
        "('zoo', 'x', 1, 'unclaimed', 'acme', 'USD', 40), ('zoo', 'x', 2, 'deferred', 'acme', 'USD', -40)",
        "INSERT INTO transfers (site_id, id, session_id, n, seller_id, currency, reason, recorded_at) VALUES "
        "('zoo', 'x', 'z1/z', 1, 'acme', 'USD', 'because', 0)",
    )

    found = named(world)

    assert (Code.SNAPSHOT_MISSING, "session z1/z") in found
    assert (Code.CHAIN_BROKEN, "books of z1/z") in found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET type = 'vanished' WHERE id = 'a-3'",
        "UPDATE events SET digest = 'no digest' WHERE id = 'a-3'",
        "UPDATE events SET session_id = 'a' WHERE id = 'a-3'",
        "UPDATE events SET data = 'no data' WHERE id = 'a-3'",
    ],
)
def test_an_event_that_makes_no_sense_is_named_and_the_rest_is_checked(world: Idlefee, statement: str) -> None:
    tamper(world, statement, "UPDATE charges SET fee_minor = 1 WHERE session_id = 'm1/c'")

    found = named(world)

    assert {(Code.EVENT_ALTERED, "event h1/a-3"), (Code.CHARGE_DIFFERS, "charge of m1/c")} <= found
    others = {subject for code, subject in found if code is not Code.BALANCE_DIFFERS and "h1/" not in subject}
    assert others - {"session a"} == {"charge of m1/c"}


def test_a_tariff_that_makes_no_sense_is_named_at_its_sessions(world: Idlefee) -> None:
    tamper(world, "UPDATE tariffs SET body = '{}' WHERE name = 'standard'")

    assert (Code.UNREADABLE, "session h1/a") in named(world)


def test_a_conflict_that_was_hushed_up(world: Idlefee) -> None:
    post(world, a_session("h1", "d", idle_s=None, at=NOON + 86_401))
    assert named(world) == set()

    tamper(
        world,
        "DELETE FROM conflicts WHERE event_id = 'd-3'",
        "INSERT INTO conflicts VALUES ('harbour', 'h1', 'a-1', 0)",
    )

    found = named(world)
    assert (Code.CONFLICT_UNNOTED, "event h1/d-3") in found
    assert (Code.CONFLICT_UNFOUNDED, "event h1/a-1") in found


def test_a_long_walk_in_short_steps_finds_the_same(world: Idlefee, monkeypatch: pytest.MonkeyPatch) -> None:
    tamper(world, "DELETE FROM charges WHERE session_id = 'h1/d'", "UPDATE sessions SET stall = '9' WHERE id = 'm1/c'")
    monkeypatch.setattr("billing.verify.walk.SESSIONS_A_CHUNK", 1)

    assert named(world) == {(Code.CHARGE_MISSING, "session h1/d"), (Code.SNAPSHOT_DIFFERS, "session m1/c")}
