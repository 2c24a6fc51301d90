"""What owners are told, when, and what is dropped because the facts have overtaken it; on both databases."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing import decisions
from billing.rating import NoticeProof, report_from_json
from billing.tariffs import NoFeeHours, Tariff
from billing.verify import Difference, verify
from sessions.facts import Kind
from sessions.store.queries import SessionKey
from tests.integration.telling import DAY_S, HOUR_S, NOON, Town, text_of, town

A = SessionKey("harbour", "s1/a")


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
        assert here.kinds() == ["charge_complete", "fee_step"]
        assert all("The idle fee is running" in notice.body for notice in here.told())
        assert {text_of(mail) for mail in here.mails()} == {notice.body for notice in here.told()}


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
    proof = report_from_json(json.loads(strict.charge().report)).notice
    assert proof == NoticeProof(NOON + 1920, "email", strict.told()[0].id)
    found: list[Difference] = []
    verify(strict.app.engine, strict.clock.now(), found.append)
    assert found == []


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
