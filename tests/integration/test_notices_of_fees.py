"""What owners are told of fees: how a session came out, and corrections, once a cause; on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from billing import decisions
from billing.notices import mark_read, unread
from billing.store.tables import owners
from sessions.store.queries import SessionKey
from tests.integration.telling import HOUR_S, NOON, Town, town

A = SessionKey("harbour", "s1/a")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path / "outbox") as found:
        yield found


# -- final --------------------------------------------------------------------------------------------------


def test_who_left_in_time_hears_that_there_is_nothing_to_pay(here: Town) -> None:
    here.a_stay(300)
    here.work()
    notice = here.told()[-1]
    assert (notice.kind, notice.subject) == ("final", "Nothing to pay at Harbour")
    assert notice.body.startswith("You left in time. Nothing to pay.\n")
    assert notice.fees_minor == {"s1/a": 0}


def test_who_stayed_hears_the_fee_and_how_it_was_counted(here: Town) -> None:
    here.a_stay(600)
    here.work()
    notice = here.told()[-1]
    assert notice.subject == "You pay $2.00 at Harbour"
    lines = notice.body.splitlines()
    assert lines[0] == "You pay $2.00 for 5 minutes after the grace period."
    assert "How we counted:" in lines
    assert "5 minutes at $0.40 make $2.00." in lines
    assert notice.fees_minor == {"s1/a": 2_00}


def test_a_fee_in_review_is_said_to_be(here: Town) -> None:
    here.a_stay(600)
    here.upload([{**here.event("charge_complete", 1700), "id": "e3"}], answer="conflict")
    here.work()
    assert "We are still checking this session." in here.told()[-1].body


def test_a_session_heard_of_again_gets_its_final_notice_when_it_has_really_ended(here: Town) -> None:
    here.fill()
    here.at(NOON + 1800 + 24 * HOUR_S)
    here.excuse(NOON, NOON + 1)  # the time-out is settled, the final notice not yet written
    assert here.charge().held == ()
    here.post("meter", 1800 + 24 * HOUR_S, data={"soc_percent": 100})
    here.work()
    assert "final" not in here.kinds()
    here.post("unplugged", 1800 + 25 * HOUR_S)
    here.work()
    assert here.kinds().count("final") == 1
    assert here.told()[-1].fees_minor == {"s1/a": here.charge().fee_minor}


# -- corrections --------------------------------------------------------------------------------------------


def test_one_excuse_of_many_sessions_is_told_once(here: Town) -> None:
    for session, station in (("a", "s1"), ("b", "s2")):
        here.a_stay(600, session=session, station=station)
    here.work()
    here.excuse(NOON + 1800, NOON + 2100)
    here.work()
    assert "correction" not in here.kinds()  # others of the same cause may follow
    here.work(here.clock.now() + 60)
    notice = here.told()[-1]
    assert here.kinds().count("correction") == 1
    assert notice.subject == "Your fees for 2 sessions changed"
    assert notice.body.splitlines()[:3] == [
        "The fees of 2 sessions changed. Why: excused: power cut.",
        "Harbour, stall 1, Jan 15, 2027, 13:00: $2.00 before, $0.00 now.",
        "Harbour, stall 1, Jan 15, 2027, 13:00: $2.00 before, $0.00 now.",
    ]
    assert notice.fees_minor == {"s1/a": 0, "s2/b": 0}
    assert here.mails()[0]["Message-ID"] != here.mails()[-1]["Message-ID"]


def test_two_excuses_are_told_one_by_one(here: Town) -> None:
    here.a_stay(900)
    here.work()
    for start in (1800, 2100):
        here.excuse(NOON + start, NOON + start + 60)
        here.work(here.clock.now() + 60)
    assert [notice.fees_minor for notice in here.told() if notice.kind == "correction"] == [
        {"s1/a": 3_60},
        {"s1/a": 3_20},
    ]


def test_a_change_that_is_taken_back_before_it_is_told_is_not_told(here: Town) -> None:
    here.a_stay(600)
    here.work()
    for owner in ("bob", "ann"):
        with here.app.writing() as connection:
            decisions.claim(connection, A, owner, author="op", reason="mistaken", now=here.clock.now())
    here.work(here.clock.now() + 60)
    assert (here.kinds("ann").count("correction"), here.kinds("bob")) == (0, [])


def test_a_late_event_before_the_final_notice_needs_no_correction(here: Town) -> None:
    here.fill()
    here.post("unplugged", 2400)
    here.upload(
        [here.event("station_fault", 1900, cause="outage"), here.event("station_restored", 2200, cause="outage")]
    )
    here.work(here.clock.now() + 60)
    assert here.kinds() == ["final"]
    assert here.told()[-1].fees_minor == {"s1/a": 0}


def test_a_late_event_after_it_is_a_correction(here: Town) -> None:
    here.a_stay(600)
    here.work()
    here.upload(
        [here.event("station_fault", 1900, cause="outage"), here.event("station_restored", 2200, cause="outage")]
    )
    here.work(here.clock.now() + 60)
    notice = here.told()[-1]
    assert notice.subject == "Your fee changed from $2.00 to $0.00"
    assert "Why: the charger reported more about it." in notice.body


def test_whose_session_it_was_and_whose_it_is_both_hear_of_a_claim(here: Town) -> None:
    here.a_stay(600)
    here.work()
    with here.app.writing() as connection:
        decisions.claim(connection, A, "bob", author="op", reason="his car", now=here.clock.now())
    here.work(here.clock.now() + 60)
    assert here.told("ann")[-1].subject == "Your fee changed from $2.00 to $0.00"
    assert here.told("bob")[-1].subject == "Your fee changed from $0.00 to $2.00"


def test_who_was_erased_before_the_mail_went_out_gets_none(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path / "outbox") as here:
        here.outbox.write_text("in the way")
        here.a_stay(600)
        here.work()
        here.outbox.unlink()
        with here.app.writing() as connection:
            connection.execute(update(owners).values(name=None, email=None, erased_at=here.clock.now()))
        here.work(here.clock.now() + HOUR_S)
        assert (here.kinds(), here.mails()) == (["final"], [])
        assert [key for key in here.waiting() if key.startswith("hand_over")] == []


# -- the inbox ----------------------------------------------------------------------------------------------


def test_an_inbox_is_its_owners(here: Town) -> None:
    here.a_stay(600)
    here.work()
    (notice,) = here.told()
    with here.app.writing() as connection:
        assert not mark_read(connection, "bob", notice.id, NOON)
        assert unread(connection, "ann") == 1
        assert mark_read(connection, "ann", notice.id, NOON + 5000)
        assert mark_read(connection, "ann", notice.id, NOON + 6000)
        assert unread(connection, "ann") == 0
    assert here.told()[0].read_at == NOON + 5000
