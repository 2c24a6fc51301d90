"""What owners are told, when, and what is dropped because the facts have overtaken it; on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from billing import decisions
from billing.notices import mark_read, unread
from billing.store.tables import owners
from billing.tariffs import NoFeeHours, Tariff
from sessions.facts import Kind
from sessions.store.queries import SessionKey
from tests.integration.telling import DAY_S, HOUR_S, NOON, Town, text_of, town

A = SessionKey("harbour", "s1/a")


def excuse(here: Town, starts_at: int, ends_at: int) -> None:
    with here.app.writing() as connection:
        decisions.excuse(
            connection, "harbour", starts_at, ends_at, author="op", reason="power cut", now=here.clock.now()
        )


REQUIRES_NOTICE = Tariff(name="told", currency="USD", rate_minor_per_minute=40, requires_notice=True)


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path / "outbox") as found:
        yield found


# -- charge complete ----------------------------------------------------------------------------------------


def test_whose_car_is_full_is_told_until_when_it_costs_nothing(here: Town) -> None:
    here.fill()
    here.work()
    (notice,) = here.told()
    assert (notice.kind, notice.created_at) == ("charge_complete", NOON + 1800)
    assert notice.subject == "Your car is full: move it by 13:35"
    assert notice.body.splitlines()[:3] == [
        "Your car is full. Move it by 13:35 and you pay nothing.",
        "After that the idle fee is $0.40 a minute.",
        "Harbour, stall 1",
    ]
    (mail,) = here.mails()
    assert mail["To"] == "Ann Müller <ann@example.org>"
    assert mail["Message-ID"] == f"<{notice.id}@localhost>"
    assert mail["Subject"] == notice.subject
    assert text_of(mail) == notice.body
    assert "https://fees.example/me" in notice.body


def test_an_owner_without_an_address_finds_it_in_the_inbox(here: Town) -> None:
    here.fill(token="BOB")
    here.work()
    assert here.kinds("bob") == ["charge_complete"]
    assert here.mails() == []


def test_samples_while_the_car_is_full_repeat_nothing(here: Town) -> None:
    here.fill()
    here.work()
    for minute in range(1, 4):
        here.post("meter", 1800 + 60 * minute, data={"soc_percent": 100})
        here.work()
    assert here.kinds() == ["charge_complete"]


def test_a_fault_moves_the_moment(here: Town) -> None:
    here.post("plugged_in", 0, token="ANN")
    here.post("charging_started", 10)
    here.upload([here.event("station_fault", 1700, cause="outage")])
    here.post("charge_complete", 1800)
    here.upload([here.event("station_restored", 2100, cause="outage")])
    here.work(NOON + 2100)
    assert here.told()[0].subject == "Your car is full: move it by 13:40"


def test_a_fault_that_is_still_open_leaves_no_moment_to_tell(here: Town) -> None:
    here.post("plugged_in", 0, token="ANN")
    here.post("charging_started", 10)
    here.post("station_fault", 1700, cause="outage")
    here.post("charge_complete", 1800)
    here.work()
    assert here.told()[0].body.startswith("Your car is full. Nothing to pay.")


def test_an_unplug_overtakes_the_notice(here: Town) -> None:
    here.fill()
    here.post("unplugged", 1830)
    here.work()
    assert here.kinds() == ["final"]


def test_charging_again_overtakes_the_notice(here: Town) -> None:
    here.fill()
    here.post("charging_resumed", 1830)
    here.work()
    assert here.told() == []


def test_an_unplug_between_writing_and_handing_over_keeps_the_mail_at_home(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path / "outbox") as here:
        here.outbox.write_text("in the way")
        here.fill()
        here.work()
        assert here.kinds() == ["charge_complete"]
        here.outbox.unlink()
        here.post("unplugged", 1830)
        here.work(NOON + 2 * HOUR_S)
        assert [mail["Subject"] for mail in here.mails()] == ["Nothing to pay at Harbour"]
        assert here.parked() == []


@pytest.mark.parametrize(("resumed_s", "told"), [(119, 1), (120, 2)])
def test_a_blip_restarts_no_notices(here: Town, resumed_s: int, told: int) -> None:
    here.fill()
    here.work()
    here.post("charging_resumed", 1900)
    here.work()
    here.post("charge_complete", 1900 + resumed_s)
    here.work()
    assert here.kinds() == ["charge_complete"] * told


def test_after_the_grace_a_second_completion_says_that_the_fee_runs(here: Town) -> None:
    here.fill()
    here.post("charging_resumed", 1800 + 420)  # two minutes beyond the grace: $0.80
    here.post("charge_complete", 1800 + 720)
    here.work(NOON + 1800 + 780)
    assert here.told()[-1].body.splitlines()[0] == (
        "Your car is full. The idle fee is running: $0.40 a minute since 13:42. $1.20 so far."
    )


def test_a_second_stay_has_a_grace_of_its_own(here: Town) -> None:
    here.fill()
    here.post("charging_resumed", 1800 + 480)  # three minutes beyond the grace: $1.20
    here.post("charge_complete", 1800 + 1200)
    here.work()
    assert here.told()[-1].body.splitlines()[0] == (
        "Your car is full again. Move it by 13:55 and you pay no more than the $1.20 so far."
    )


def test_no_fee_hours_put_the_moment_off_to_their_end(database_url: str, tmp_path: Path) -> None:
    night = Tariff(
        name="night",
        currency="EUR",
        rate_minor_per_minute=40,
        no_fee_hours=(NoFeeHours(start="13:32", end="06:00"),),
    )
    with town(database_url, tmp_path, night) as here:
        here.fill()
        here.work()
        assert here.told()[0].body.startswith("Your car is full. Move it by 06:03, Jan 16, 2027 and you pay nothing.")


def test_nobody_is_told_of_a_session_of_nobody(here: Town) -> None:
    here.a_stay(900, token=None)
    here.work()
    assert (here.told("ann"), here.told("bob"), here.mails()) == ([], [], [])
    assert here.waiting() == {
        "finalise:s1/a": NOON + 2700 + 72 * HOUR_S,
        "time_out:s1/a": NOON + 24 * HOUR_S,
    }


def test_who_claims_a_full_car_is_told(here: Town) -> None:
    here.fill(token=None)
    here.work()
    with here.app.writing() as connection:
        decisions.claim(connection, A, "ann", author="ann", reason="my car", now=here.clock.now())
    here.work()
    assert here.kinds() == ["charge_complete"]


def test_imports_notify_nobody(here: Town) -> None:
    story = [("plugged_in", 0), ("charging_started", 10), ("charge_complete", 1800), ("unplugged", 2700)]
    here.at(NOON + HOUR_S)
    here.upload([here.event(kind, at, token="ANN") for kind, at in story], imported=True)
    here.upload([here.event("plugged_in", 0, session="b", station="s2", token="ANN")], imported=True)
    for day in (2, 6):
        here.work(NOON + day * DAY_S)
    assert here.charge("a").finalised_at is not None
    assert here.charge("b", "s2").finalised_at is not None
    assert (here.told(), here.mails()) == ([], [])


# -- a late scheduler ---------------------------------------------------------------------------------------


def test_told_an_hour_late_the_notice_says_what_is_true_then(here: Town) -> None:
    here.fill()
    here.work(NOON + 1800 + HOUR_S)
    assert here.told()[0].body.splitlines()[0] == (
        "Your car is full. The idle fee is running: $0.40 a minute since 13:35. $22.00 so far."
    )


def test_handed_over_an_hour_late_it_says_what_is_true_then(database_url: str, tmp_path: Path) -> None:
    with town(database_url, tmp_path / "outbox") as here:
        here.outbox.write_text("in the way")
        here.fill()
        here.work()
        here.outbox.unlink()
        here.work(NOON + 1800 + HOUR_S)
        (notice,), (mail,) = here.told(), here.mails()
        assert "The idle fee is running" in notice.body
        assert text_of(mail) == notice.body


def test_a_scheduler_down_for_an_hour_never_makes_a_bill_higher(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    """The same story, one worker prompt, the other an hour behind at every step."""
    fees = []
    for name, url, late_s in (("prompt", sqlite_url, 0), ("late", postgres_url, HOUR_S)):
        with town(url, tmp_path / name, REQUIRES_NOTICE) as here:
            here.fill()
            if not late_s:
                here.work()
            here.post("unplugged", 1800 + 2 * HOUR_S)
            here.work(here.clock.now() + late_s)
            fees.append(here.charge().fee_minor)
    prompt, late = fees
    assert prompt == (2 * 60 - 5) * 40
    assert late <= prompt


# -- a notice is required -----------------------------------------------------------------------------------


@pytest.fixture
def strict(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path / "outbox", REQUIRES_NOTICE) as found:
        yield found


def test_time_counts_from_the_moment_a_channel_accepted_the_notice(strict: Town) -> None:
    strict.fill()
    strict.work(NOON + 1920)
    assert strict.told()[0].subject == "Your car is full: move it by 13:37"
    (fact,) = strict.facts()
    assert (fact.kind, fact.key, fact.starts_at) == (Kind.NOTICE_ACCEPTED, "notice_accepted:s1/a", NOON + 1920)
    strict.post("unplugged", 2700)
    assert strict.charge().fee_minor == 3_20  # the table of the rules


def test_the_inbox_is_no_such_channel(strict: Town) -> None:
    strict.fill(token="BOB")
    strict.work()
    assert strict.told("bob")[0].body.startswith("Your car is full. Nothing to pay.")
    strict.post("unplugged", 2700)
    assert (strict.facts(), strict.charge().fee_minor) == ([], 0)


def test_a_channel_that_refuses_until_the_car_has_left_costs_nobody_anything(strict: Town) -> None:
    strict.outbox.write_text("in the way")
    strict.fill()
    strict.work()
    strict.post("unplugged", 2700)
    strict.outbox.unlink()
    strict.work(NOON + HOUR_S)
    assert (strict.facts(), strict.charge().fee_minor) == ([], 0)


def test_a_notice_that_was_overtaken_on_its_way_leaves_the_first_acceptance_to_the_next(strict: Town) -> None:
    strict.outbox.write_text("in the way")
    strict.fill()
    strict.work()
    strict.post("charging_resumed", 1830)
    strict.outbox.unlink()
    strict.post("charge_complete", 2400)
    strict.work(NOON + 2400)
    assert [fact.starts_at for fact in strict.facts()] == [NOON + 2400]
    strict.post("unplugged", 2400 + 360)
    assert strict.charge().fee_minor == 40


def test_only_the_first_acceptance_counts(strict: Town) -> None:
    strict.fill()
    strict.work()
    strict.post("charging_resumed", 1900)
    strict.post("charge_complete", 2100)
    strict.work(NOON + 2100)
    assert strict.kinds() == ["charge_complete", "charge_complete"]
    assert [fact.starts_at for fact in strict.facts()] == [NOON + 1800]


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
    excuse(here, NOON, NOON + 1)  # the time-out is settled, the final notice not yet written
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
    excuse(here, NOON + 1800, NOON + 2100)
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
        excuse(here, NOON + start, NOON + start + 60)
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
