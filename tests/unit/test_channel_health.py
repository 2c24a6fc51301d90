"""A provider that fails: when it is left alone, for how long, and who tries it again."""

from sqlalchemy import create_engine

from billing.notices.health import (
    FIRST_PAUSE_S,
    FORGOTTEN_AFTER_S,
    LONGEST_PAUSE_S,
    OPENS_AFTER,
    PROBE_S,
    Health,
    ailing,
    failed_again,
    forget,
    note_failure,
    wait_until,
)
from billing.store.tables import channel_health

NOW = 1_800_000_000


def test_it_is_left_alone_after_some_failures_in_a_row_and_each_time_longer() -> None:
    health: Health | None = None
    pauses = []
    for n in range(9):
        health = failed_again(health, f"failure {n}", NOW + n)
        pauses.append(health.left_alone_until - (NOW + n))
    assert health is not None
    assert pauses == [0, 0, FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, *[LONGEST_PAUSE_S] * 4]
    assert (health.failing_since, health.failures, health.last_error) == (NOW, 9, "failure 8")
    assert health.open


def test_one_step_tries_it_after_the_pause_and_the_others_wait_for_what_comes_of_that() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        channel_health.create(connection)
        assert wait_until(connection, "email", NOW) is None
        for _ in range(OPENS_AFTER):
            note_failure(connection, "email", "no answer", NOW)
        reopens = NOW + FIRST_PAUSE_S
        assert wait_until(connection, "email", NOW) == reopens
        assert wait_until(connection, "push:a.example", NOW) is None
        assert wait_until(connection, "email", reopens) is None
        assert wait_until(connection, "email", reopens) == reopens + PROBE_S
        assert note_failure(connection, "email", "no answer", reopens + 1).left_alone_until > reopens + FIRST_PAUSE_S
        assert wait_until(connection, "email", reopens + LONGEST_PAUSE_S) is None
        forget(connection, "email")
        assert wait_until(connection, "email", reopens + LONGEST_PAUSE_S) is None
        assert ailing(connection) == {}


def test_what_nobody_waits_for_is_forgotten() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        channel_health.create(connection)
        note_failure(connection, "webhook:gone", "no answer", NOW)
        note_failure(connection, "email", "no answer", NOW + FORGOTTEN_AFTER_S + 1)
        assert list(ailing(connection)) == ["email"]
