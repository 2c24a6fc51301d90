"""What owners hear while a car charges and stands: each moment once, and the present only; on both databases."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from billing import decisions
from billing.notices.preferences import Preferences, save_preferences
from billing.notices.steps.money import Dispute, Payment, tell_dispute, tell_payment
from billing.owners import set_language
from billing.tariffs import Tariff
from sessions.store.queries import SessionKey
from tests.integration.telling import HOUR_S, NOON, Town, text_of, town

A = SessionKey("harbour", "s1/a")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path / "outbox") as found:
        yield found


def work_through(here: Town, *until: int) -> None:
    """The worker comes at each of these seconds after noon."""
    for at in until:
        here.work(NOON + at)


def told(here: Town, owner_id: str = "ann") -> list[tuple[str, int]]:
    """What was told, and how many seconds after noon."""
    return [(notice.kind, notice.created_at - NOON) for notice in here.told(owner_id)]


# -- a full car ---------------------------------------------------------------------------------------------


def test_a_car_that_stays_is_told_of_moment_by_moment(here: Town) -> None:
    here.fill()
    work_through(here, *range(1800, 3601, 10))
    assert told(here) == [
        ("charge_complete", 1800),
        ("one_minute_left", 2040),
        ("fee_begun", 2100),
        ("fee_step", 2700),
        ("fee_step", 3300),
    ]
    minute, begun, step = (here.told()[n] for n in (1, 2, 3))
    assert minute.subject == "One minute left: move your car by 13:35"
    assert begun.body.splitlines()[:2] == [
        "The idle fee is running: $0.40 a minute since 13:35. $0.00 so far.",
        "Moving the car stops the fee.",
    ]
    assert step.subject == "The idle fee is at $4.00"
    assert (minute.reason, begun.reason) == ("the grace period is about to end", "the fee has begun")
    assert len(here.mails()) == 5


def test_who_leaves_hears_no_more_of_it(here: Town) -> None:
    here.fill()
    work_through(here, 1800, 2040)
    here.post("unplugged", 2090)
    work_through(here, 2100, 2700, 3300)
    assert [kind for kind, _ in told(here)] == ["charge_complete", "one_minute_left", "final"]
    assert [key for key in here.waiting() if key.startswith("look_at_stay")] == []


def test_an_excuse_puts_the_moments_off(here: Town) -> None:
    here.fill()
    here.work()
    here.excuse(NOON + 1900, NOON + 2500)
    work_through(here, *range(1900, 2701, 20))
    assert told(here)[1:] == [("one_minute_left", 2640), ("fee_begun", 2700)]


def test_a_fault_that_is_reported_late_brings_no_false_alarm(here: Town) -> None:
    here.fill()
    here.work()
    here.upload([here.event("station_fault", 1900, cause="outage")])
    work_through(here, *range(1900, 2401, 20))
    assert [kind for kind, _ in told(here)] == ["charge_complete"]
    here.post("station_restored", 2500, cause="outage")
    work_through(here, *range(2500, 2721, 20))
    assert told(here)[1:] == [("one_minute_left", 2640), ("fee_begun", 2700)]


def test_a_blip_restarts_nothing_and_moves_the_rest(here: Town) -> None:
    here.fill()
    here.work()
    here.post("charging_resumed", 1900)
    here.post("charge_complete", 1960)
    work_through(here, *range(1960, 2201, 20))
    assert told(here) == [("charge_complete", 1800), ("one_minute_left", 2100), ("fee_begun", 2160)]


def test_a_worker_that_was_down_for_an_hour_tells_the_present(here: Town) -> None:
    here.fill()
    here.work()
    here.work(NOON + 1800 + HOUR_S)
    assert told(here)[1:] == [("fee_step", 1800 + HOUR_S)]
    assert here.told()[-1].subject == "The idle fee is at $22.00"


def test_a_cap_that_is_reached_ends_the_steps(database_url: str, tmp_path: Path) -> None:
    capped = Tariff(name="capped", currency="USD", rate_minor_per_minute=40, cap_minor=4_40)
    with town(database_url, tmp_path / "outbox", capped) as here:
        here.fill()
        work_through(here, *range(1800, 4801, 60))
        assert told(here)[2:] == [("fee_begun", 2100), ("fee_step", 2700)]
        assert "A session here never costs more than $4.40." in here.told()[-1].body


def test_whose_the_car_has_become_hears_what_is_true_and_who_lost_it_nothing_more(here: Town) -> None:
    here.fill()
    work_through(here, 1800, 2040, 2100)
    with here.app.writing() as connection:
        decisions.claim(connection, A, "bob", author="op", reason="his car", now=here.clock.now())
    work_through(here, *range(2100, 2761, 60))
    assert [kind for kind, _ in told(here)] == ["charge_complete", "one_minute_left", "fee_begun"]
    assert told(here, "bob") == [("charge_complete", 2100), ("fee_step", 2700)]


def test_time_that_waits_for_a_notice_begins_its_moments_with_it(database_url: str, tmp_path: Path) -> None:
    required = Tariff(name="told", currency="USD", rate_minor_per_minute=40, requires_notice=True)
    with town(database_url, tmp_path / "outbox", required) as here:
        here.fill()
        work_through(here, *range(1920, 2281, 20))
        assert told(here) == [("charge_complete", 1920), ("one_minute_left", 2160), ("fee_begun", 2220)]
        assert here.told()[0].subject.endswith("13:37")


def test_imports_and_strangers_hear_of_no_moment(here: Town) -> None:
    here.fill(token=None)
    here.at(NOON + 3000)
    here.upload([here.event("plugged_in", 0, session="b", station="s2", token="ANN")], imported=True)
    work_through(here, 3000, 4000)
    assert (here.told(), here.mails()) == ([], [])


# -- a car that soon will be full ---------------------------------------------------------------------------


def charge(here: Town, *samples: tuple[int, float]) -> None:
    here.post("plugged_in", 0, token="ANN")
    here.post("charging_started", 10)
    for at, percent in samples:
        here.post("meter", at, data={"soc_percent": percent, "power_w": 50_000})
        here.work()


def test_who_charges_is_told_ten_minutes_before_as_an_estimate(here: Town) -> None:
    charge(here, *((at, 50 + at / 60) for at in range(60, 2700, 60)))
    (notice,) = here.told()
    assert (notice.kind, notice.created_at) == ("almost_full", NOON + 2400)
    assert notice.body.splitlines()[:2] == [
        "Your car will be full at about 13:50. This is an estimate from how it has charged so far.",
        "From then on you have 5 minutes to move it before the idle fee of $0.40 a minute begins.",
    ]
    here.post("charge_complete", 2760)
    here.work()
    assert here.kinds() == ["almost_full", "charge_complete"]


def test_a_charger_that_reports_no_state_of_charge_promises_nothing(here: Town) -> None:
    here.post("plugged_in", 0, token="ANN")
    here.post("charging_started", 10)
    for at in range(60, 2700, 300):
        here.post("meter", at, data={"energy_wh": at * 10})
        here.work()
    assert here.told() == []


def test_an_estimate_is_overtaken_by_the_unplug(here: Town) -> None:
    charge(here, *((at, 50 + at / 60) for at in range(60, 2340, 60)))
    here.post("unplugged", 2350)
    work_through(here, 2400, 3000, 4000)
    assert here.kinds() == ["final"]
    assert [key for key in here.waiting() if key.startswith("look_at")] == []


# -- quiet hours and mutes ----------------------------------------------------------------------------------


def asks(here: Town, wanted: Preferences) -> None:
    with here.app.writing() as connection:
        save_preferences(connection, "ann", wanted, here.clock.now())


SIESTA = Preferences(13 * 60, 15 * 60, "Europe/Berlin")  # noon in UTC is 13:00 there


def subjects(here: Town) -> set[str]:
    return {mail["Subject"] for mail in here.mails()}


def test_quiet_hours_hold_back_all_but_what_costs_and_what_is_overtaken_is_dropped(here: Town) -> None:
    asks(here, SIESTA)
    here.fill()
    work_through(here, *range(1800, 2801, 20))
    assert [kind for kind, _ in told(here)] == ["charge_complete", "one_minute_left", "fee_begun", "fee_step"]
    assert subjects(here) == {"Your car is full: move it by 13:35", "The idle fee has begun"}
    here.post("unplugged", 2800)
    work_through(here, 2 * HOUR_S - 1)
    assert len(here.mails()) == 2
    work_through(here, 2 * HOUR_S)
    assert subjects(here) - {"Your car is full: move it by 13:35", "The idle fee has begun"} == {
        "You pay $4.40 at Harbour"
    }
    assert here.parked() == []


def test_what_is_muted_stays_in_the_inbox(here: Town) -> None:
    asks(here, Preferences(muted=frozenset({("one_minute_left", "email"), ("charge_complete", "email")})))
    here.fill()
    work_through(here, *range(1800, 2201, 20))
    assert [kind for kind, _ in told(here)] == ["charge_complete", "one_minute_left", "fee_begun"]
    # That the car is full goes out where nothing else would carry it.
    assert subjects(here) == {"Your car is full: move it by 13:35", "The idle fee has begun"}


# -- languages and money ------------------------------------------------------------------------------------


def test_an_owner_hears_in_their_language(here: Town) -> None:
    with here.app.writing() as connection:
        set_language(connection, "ann", "de")
    here.fill()
    here.work()
    here.post("unplugged", 2400)
    here.work()
    full, final = here.told()
    with here.app.writing() as connection:
        set_language(connection, "ann", "en")
    assert [notice.language for notice in here.told()] == ["de", "de"]  # as they were written
    assert full.subject == "Ihr Auto ist vollgeladen: bitte bis 13:35 Uhr wegfahren"
    assert "5 Minuten zu je 0,40\xa0$: 2,00\xa0$." in final.body.splitlines()


def test_money_that_moved_is_told_once_an_outcome(here: Town) -> None:
    failed = Payment("p-1", "ann", "Acme", "Europe/Berlin", 12_40, "EUR", "failed", NOON + 48 * HOUR_S)
    for payment in (failed, failed, replace(failed, outcome="succeeded", retry_at=None)):
        with here.app.writing() as connection:
            tell_payment(connection, payment, here.clock.now())
        here.work()
    with here.app.writing() as connection:
        dispute = Dispute("d-1", "ann", "Acme", "Europe/Berlin", 12_40, "EUR", "opened")
        tell_dispute(connection, dispute, here.clock.now())
    here.work()
    assert sorted(here.kinds()) == ["dispute", "payment", "payment"]
    assert {mail["Subject"] for mail in here.mails()} == {notice.subject for notice in here.told()}
    body = next(text_of(mail) for mail in here.mails() if "did not go through" in mail["Subject"])
    assert body.splitlines()[:2] == [
        "Your payment of €12.40 to Acme did not go through. What you owe has not changed.",
        "We try again on Jan 17, 2027.",
    ]
