"""The worker: each step once, its effects with its end or not at all, whatever fails, dies or comes late meanwhile."""

import threading
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select

from api.channels.mail import Mail
from api.channels.outbox import OutboxFolder
from api.worker import Worker, working
from billing import jobs, ledger
from billing.assignments import add_version
from billing.decisions import order_rerate
from billing.engine import Cause, resettle
from billing.jobs import Job
from billing.store.tables import deliveries, transfers
from billing.tariffs import Tariff
from billing.verify import verify
from sessions.facts import Kind
from sessions.store.queries import SessionKey
from tests.integration.telling import DAY_S, HOUR_S, NOON, Town, town

FINAL_S = 72 * HOUR_S
A = SessionKey("harbour", "s1/a")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path / "outbox") as found:
        yield found


# -- failing and trying again -------------------------------------------------------------------------------


def test_what_failed_is_tried_again_and_then_done_once(here: Town) -> None:
    here.outbox.write_text("in the way")
    here.a_stay(600)
    here.work()
    assert sorted(key.partition(":")[0] for key in here.waiting()) == ["finalise", "hand_over", "time_out"]
    here.outbox.unlink()
    assert here.work() == 0  # not before its time
    here.work(here.clock.now() + 2 * jobs.FIRST_RETRY_S)
    assert len(here.mails()) == 1
    assert here.work(here.clock.now() + HOUR_S) == 0


def test_waits_double_and_differ_by_key() -> None:
    waits = [jobs.retry_after_s("a", attempt) for attempt in range(1, jobs.MOST_ATTEMPTS)]
    assert waits == sorted(waits)
    assert all(2**n <= wait <= 2**n * 3 // 2 for n, wait in enumerate(waits, start=1))
    assert jobs.retry_after_s("a", 40) <= jobs.LONGEST_RETRY_S * 3 // 2
    assert len({jobs.retry_after_s(str(key), 10) for key in range(50)}) > 10


def test_what_keeps_failing_is_parked_where_a_person_sees_it(here: Town) -> None:
    here.outbox.write_text("in the way")
    here.a_stay(600)
    for _ in range(jobs.MOST_ATTEMPTS):
        assert here.parked() == []
        here.work(here.clock.now() + 2 * jobs.LONGEST_RETRY_S)
    (letter,) = here.parked()
    assert letter["kind"] == "hand_over"
    assert "FileExistsError" in letter["last_error"]
    assert here.kinds() == ["final"]  # the inbox has it all the same

    here.outbox.unlink()
    here.work(here.clock.now() + DAY_S)
    assert here.mails() == []
    with here.app.writing() as connection:
        assert jobs.revive(connection, letter["key"])
        assert not jobs.revive(connection, "unheard-of")
    here.work()
    assert (len(here.mails()), here.parked()) == (1, [])


def test_one_bad_step_spoils_no_other(here: Town) -> None:
    here.a_stay(600)
    here.a_stay(900, session="b", station="s2")
    with here.app.writing() as connection:
        jobs.schedule(connection, [Job("final:broken", "final", NOON, {"site_id": "harbour"})], NOON)
    here.work()
    assert here.kinds() == ["final", "final"]
    assert "final:broken" in here.waiting()


# -- leases -------------------------------------------------------------------------------------------------


def test_a_step_in_a_workers_hands_is_passed_over_until_its_lease_runs_out(here: Town) -> None:
    here.a_stay(600)
    with here.app.writing() as connection:
        held = jobs.lease(connection, "another", here.clock.now(), 10, "final")
    assert [job.key for job in held] == ["final:s1/a"]
    here.work()
    assert here.told() == []
    here.work(here.clock.now() + jobs.LEASE_S)
    assert here.kinds() == ["final"]


def test_who_lost_a_lease_does_nothing_any_more(here: Town) -> None:
    here.a_stay(600)
    with here.app.writing() as connection:
        held = jobs.lease(connection, "slow", here.clock.now(), 10, "final")
    here.work(here.clock.now() + jobs.LEASE_S)
    with jobs.Lease(here.app.engine, here.clock, "slow", held).transaction() as turn:
        assert list(turn.jobs) == []
    with here.app.writing() as connection:
        assert not jobs.fail(connection, "slow", held[0], "late", here.clock.now())
    assert here.kinds() == ["final"]


def test_a_step_that_takes_its_worker_down_each_time_is_parked(here: Town) -> None:
    with here.app.writing() as connection:
        jobs.schedule(connection, [Job("final:deadly", "final", NOON, {})], NOON)
    for _ in range(jobs.MOST_ATTEMPTS):
        with here.app.writing() as connection:
            assert jobs.lease(connection, "doomed", here.clock.now(), 10, "final")
        here.at(here.clock.now() + jobs.LEASE_S)
    with here.app.writing() as connection:
        assert jobs.lease(connection, "doomed", here.clock.now(), 10, "final") == []
    assert [letter["key"] for letter in here.parked()] == ["final:deadly"]


def test_effects_and_end_are_one(here: Town) -> None:
    here.a_stay(600)
    with here.app.writing() as connection:
        held = jobs.lease(connection, "dying", here.clock.now(), 10, "final")

    def die_before_the_commit() -> None:
        with jobs.Lease(here.app.engine, here.clock, "dying", held).transaction() as turn:
            jobs.schedule(turn.connection, [Job("left-over", "final", NOON, {})], NOON)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die_before_the_commit()
    assert "left-over" not in here.waiting()
    assert "final:s1/a" in here.waiting()


class Counting:
    """A folder that counts what it is handed, from any number of threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = OutboxFolder(folder)
        self.taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def send(self, id_: str, message: EmailMessage) -> str:
        with self._lock:
            self.taken[id_] += 1
        return self.folder.send(id_, message)


def test_two_workers_never_do_the_same_step(postgres_url: str, tmp_path: Path) -> None:
    counting = Counting(tmp_path / "outbox")
    channel = Mail(counting, "idlefee <noreply@localhost>")
    with town(postgres_url, tmp_path / "outbox", channels=[channel]) as here:
        here.at(NOON + 3 * HOUR_S)
        story = [("plugged_in", 0), ("charging_started", 10), ("charge_complete", 60), ("unplugged", 900)]
        for n in range(60):
            token = {"token": "ANN"}
            named = {"session": f"n{n}", "station": f"s{1 + n % 2}"}
            here.upload([here.event(kind, at + 1000 * n % 9000, **named, **token) for kind, at in story])
        here.post("meter", 3 * HOUR_S, station="s1", session="n0")
        workers = [Worker(here.app, [channel]) for _ in range(3)]
        threads = [threading.Thread(target=worker.run_due) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        here.work()
        assert here.kinds().count("final") == 50  # an inbox shows the latest fifty
        with here.app.reading() as connection:
            accepted = connection.execute(select(deliveries.c.notice_id, deliveries.c.channel)).all()
        assert len(accepted) == len(set(accepted)) == 120
        assert set(counting.taken.values()) == {1}
        assert len(here.mails()) == len(counting.taken) == 60
        assert here.parked() == []


def test_a_worker_in_a_thread_works_until_it_is_stopped(here: Town) -> None:
    here.a_stay(600)
    with working(here.app):
        for _ in range(200):
            if here.mails():
                break
            threading.Event().wait(0.05)
    assert len(here.mails()) == 1


# -- time-outs and finality ---------------------------------------------------------------------------------


def test_a_silent_session_ends_after_a_day_and_idle_time_runs_to_its_last_word(here: Town) -> None:
    here.fill()
    here.post("meter", 2600, data={"soc_percent": 100})
    here.work(NOON + DAY_S)
    assert "time_out:s1/a" in here.waiting()  # something was heard since
    here.work(NOON + 2600 + DAY_S - 1)
    assert here.kinds() == ["charge_complete"]
    here.work(NOON + 2600 + DAY_S)
    assert here.charge().fee_minor == 3_20  # the table of the rules
    assert here.kinds() == ["charge_complete", "final"]


def test_a_worker_a_week_late_settles_the_same(here: Town) -> None:
    here.fill()
    here.post("meter", 2600, data={"soc_percent": 100})
    here.work(NOON + 7 * DAY_S)
    assert here.charge().fee_minor == 3_20


def test_a_session_heard_of_again_times_out_again(here: Town) -> None:
    here.fill()
    here.work(NOON + 1800 + DAY_S)
    assert here.charge().fee_minor == 0
    here.post("meter", 1800 + DAY_S + 60, data={"soc_percent": 100})
    assert here.charge().held == ("not_ended",)
    here.work(NOON + 1800 + 2 * DAY_S + 60)
    assert here.charge().held == ()
    assert here.charge().fee_minor == (DAY_S + 60 - 300) // 60 * 40


def test_a_session_is_final_72_hours_after_its_final_notice(here: Town) -> None:
    here.a_stay(600)
    here.work(NOON + 2400 + 1000)
    here.work(NOON + 3400 + FINAL_S - 1)
    assert here.charge().finalised_at is None
    here.work(NOON + 3400 + FINAL_S)
    assert here.charge().finalised_at == NOON + 3400 + FINAL_S
    assert [fact.kind for fact in here.facts()] == [Kind.FINALISED]
    assert here.waiting() == {}


def test_after_that_a_fall_posts_by_itself_and_a_rise_waits(here: Town) -> None:
    here.a_stay(600)
    here.work()
    here.work(here.clock.now() + FINAL_S)
    fault = {"cause": "outage"}
    here.upload([here.event("station_fault", 1800, **fault), here.event("station_restored", 1920, **fault)])
    assert (here.charge().fee_minor, here.charge().held) == (1_20, ())
    here.upload([here.event("station_restored", 1860, **fault)])
    assert (here.charge().fee_minor, here.charge().held) == (1_20, ("rise_after_finalisation",))
    here.work(here.clock.now() + HOUR_S)
    assert here.told()[-1].fees_minor == {"s1/a": 1_20}


def test_a_late_worker_makes_no_bill_higher_that_should_have_been_final(here: Town) -> None:
    fault = {"cause": "outage"}
    here.fill()
    here.upload([here.event("station_fault", 1800, **fault), here.event("station_restored", 1920, **fault)])
    here.post("unplugged", 2400)
    here.work()
    here.at(here.clock.now() + FINAL_S + HOUR_S)  # and no worker since
    here.upload([here.event("station_restored", 1860, **fault)])
    assert (here.charge().fee_minor, here.charge().held) == (1_20, ("rise_after_finalisation",))
    assert verify(here.app.engine, here.clock.now(), print).clean
    here.work()
    assert here.charge().held == ("rise_after_finalisation",)
    assert here.charge().finalised_at == here.clock.now()


def test_hundreds_become_final_in_a_few_transactions(here: Town) -> None:
    here.at(NOON + DAY_S)
    story = [("plugged_in", 0), ("charging_started", 10), ("charge_complete", 60), ("unplugged", 120)]
    for start in range(0, 400, 100):
        here.upload(
            [here.event(kind, at + 200 * n, session=f"n{n}") for n in range(start, start + 100) for kind, at in story]
        )
    assert here.work(NOON + DAY_S + FINAL_S) == 400
    assert here.waiting() == {}
    assert here.charge("n399").finalised_at == NOON + DAY_S + FINAL_S


# -- orders -------------------------------------------------------------------------------------------------


def test_orders_to_and_fro_make_four_corrections_and_the_right_balance(here: Town) -> None:
    here.a_stay(600)
    here.work()
    with here.app.writing() as connection:
        for name, rate in (("dear", 1_00), ("cheap", 10)):
            tariff = Tariff(name=name, currency="USD", rate_minor_per_minute=rate)
            add_version(connection, tariff, "test", here.clock.now())
    for name, fee_minor in (("dear", 5_00), ("cheap", 50), ("dear", 5_00), ("cheap", 50)):
        here.at(here.clock.now() + HOUR_S)
        now = here.clock.now()
        with here.app.writing() as connection:
            (order,) = order_rerate(
                connection, ["harbour"], name, NOON, NOON + 1, author="finance", reason="agreed", now=now
            )
            resettle(connection, [A], now, Cause(f"re-rated to {name}", f"rerate:{order.n}"))
        assert here.charge().fee_minor == fee_minor
        here.work(now + 60)
        assert here.told()[-1].fees_minor == {"s1/a": fee_minor}
    assert here.kinds() == ["final"] + ["correction"] * 4
    assert here.told()[-1].subject == "Your fee changed from $5.00 to $0.50"
    with here.app.reading() as connection:
        assert connection.execute(select(transfers.c.n).order_by(transfers.c.n)).scalars().all() == [1, 2, 3, 4, 5]
        assert ledger.owner_balances(connection, "ann") == {("acme", "USD"): 50}
        assert sum(row.balance_minor for row in ledger.trial_balance(connection)) == 0
