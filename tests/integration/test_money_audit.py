"""What an auditor tries: the processor away for a day, refunds on their way, debts that come back, payments that were
refused without having been tried.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from api.wiring import Idlefee
from billing import ledger
from billing.erasure import erase_person
from billing.jobs import LEASE_S, dead_letters, revive
from billing.ledger import Account, Line, Transfer
from billing.payments import blocks, by_hand, looking, refunds, setups
from billing.payments.by_hand import Received
from billing.payments.credits import Code as CreditCode
from billing.payments.credits import Wanted, ask, take_back
from billing.payments.looking import poll_later
from billing.payments.methods import methods_of
from billing.payments.people import ENGINE, Deed
from billing.payments.processor import Refused
from billing.payments.refunding import Refunding
from billing.payments.refunds import Code
from billing.payments.returning import scan_later
from billing.payments.rooms import TooMuch
from billing.reconcile.bank import lines, listing
from billing.reconcile.bank.lines import import_lines
from billing.reconcile.bank.reading import BankLine
from billing.store.payments import calls, payment_methods, payments
from billing.store.tables import jobs
from billing.verify.money import wrong_subjects
from sessions.database import writing
from sessions.store.queries import SessionKey
from tests.integration.paid_world import FINANCE, paid_world
from tests.integration.paying import DECLINES, NOW, VISA, Till, choose, till

DAY, HOUR = 24 * 3600, 3600


@pytest.fixture
def here(database_url: str) -> Iterator[Till]:
    with till(database_url) as here:
        yield here


def owe(app: Idlefee, amount_minor: int, session: str = "st/s") -> None:
    lines = [
        (Line(Account.RECEIVABLE, "ann", "acme", "USD", None), amount_minor),
        (Line(Account.REVENUE, None, "acme", "USD", None), -amount_minor),
    ]
    with app.writing() as connection:
        ledger.post(connection, [Transfer(SessionKey("site", session), 1, "acme", "USD", "fee", lines)], NOW)


def by_bank(here: Till, amount_minor: int) -> Received:
    received = Received(
        owner_id="ann",
        seller_id="acme",
        currency="USD",
        amount_minor=amount_minor,
        reference="r1",
        received_at=here.clock.now(),
    )
    with here.app.writing() as connection:
        by_hand.record(connection, received, author="finance:f1", now=here.clock.now())
    return received


def parked(here: Till) -> list[str]:
    with here.app.reading() as connection:
        return [job["key"] for job in dead_letters(connection)]


def test_credit_that_is_on_its_way_back_is_not_given_a_second_time(database_url: str) -> None:
    with paid_world(database_url) as world:
        first, second = world.pay(20_00), world.pay(20_00)
        owe(world.app, 20_00)

        def refund(payment_id: str) -> None:
            with world.app.writing() as connection:
                refunds.ask(
                    connection, "ann", payment_id, 20_00, code=Code.FEE_FELL, reason="a test", by=FINANCE, now=world.now
                )

        refund(first)
        world.sandbox.orders.fault("unavailable", on="GET /v1/payment_intents/")
        for lease in world.leases(refunds.SEND):
            Refunding(world.processor).send(lease)
        world.pass_time(24 * 3600)
        with pytest.raises(TooMuch, match="0 minor units are the owner's"):
            refund(second)
        world.see(first)
        assert world.owed() == 0
        with world.app.reading() as connection:
            assert list(wrong_subjects(connection)) == []


def test_a_day_without_the_processor_parks_nothing_and_the_poller_goes_on(here: Till) -> None:
    here.add_card(VISA)
    here.invoice(1000)
    with here.app.writing() as connection:
        poll_later(connection, here.clock.now())
    here.work()
    here.sandbox.orders.fault("unavailable", on="", times=100_000)
    for hour in range(24):
        here.work(NOW + hour * HOUR + 1)
    here.sandbox.orders.no_faults()
    here.work(NOW + 26 * HOUR)
    assert parked(here) == []
    with here.app.reading() as connection:
        due = connection.execute(select(jobs.c.due_at).where(jobs.c.key == "poll_processor")).scalar_one()
    assert due > here.clock.now()


def test_one_payment_the_processor_does_not_know_stops_no_poll(here: Till) -> None:
    here.add_card(VISA)
    here.invoice(1000)
    here.work()
    with here.app.writing() as connection:
        connection.execute(update(payments).values(state="processing", processor_ref="pi_of_another_account"))
        poll_later(connection, here.clock.now())
    here.work(NOW + HOUR)
    assert [name for name in parked(here) if name.startswith("poll")] == []
    with here.app.reading() as connection:
        job = connection.execute(select(jobs).where(jobs.c.key == "poll_processor")).mappings().one()
    assert (job["attempts"], job["last_error"]) == (0, None)


def test_who_was_blocked_and_pays_by_bank_may_charge_again(here: Till) -> None:
    owe(here.app, 10_00)
    here.invoice(10_00)
    here.add_card(DECLINES)
    for day in (0, 1, 3, 7, 14):
        here.work(NOW + day * DAY)
    with here.app.reading() as connection:
        assert blocks.standing(connection, "ann", "acme")
    by_bank(here, 10_00)
    here.work()
    with here.app.reading() as connection:
        assert blocks.standing(connection, "ann", "acme") == []


def test_a_debt_that_was_written_off_and_is_paid_by_bank_is_no_gift(here: Till) -> None:
    owe(here.app, 10_00)
    wanted = Wanted(
        owner_id="ann",
        seller_id="acme",
        currency="USD",
        deed=Deed.WRITE_OFF,
        amount_minor=10_00,
        code=CreditCode.UNCOLLECTIBLE,
        reason="a test",
    )
    with here.app.writing() as connection:
        ask(connection, wanted, ENGINE, NOW)
    by_bank(here, 10_00)
    here.work()
    assert here.owed() == {("acme", "USD"): 0}
    assert here.balances() == {"bank": 10_00, "revenue": -10_00}


def test_what_is_owed_again_is_asked_for_again(here: Till) -> None:
    owe(here.app, 10_00)
    here.invoice(10_00)
    received = by_bank(here, 10_00)
    here.work()
    assert [one.state for one in here.payments()] == ["succeeded"]
    here.add_card(VISA)
    with here.app.writing() as connection:
        by_hand.reverse(connection, "ann", received.id, reason="another's", author="finance:f1", now=here.clock.now())
    here.work()
    assert here.owed() == {("acme", "USD"): 0}
    assert {(one.means, one.state) for one in here.payments()} == {("hand", "cancelled"), ("card", "succeeded")}
    wanted = Wanted(
        owner_id="ann",
        seller_id="acme",
        currency="USD",
        deed=Deed.CREDIT,
        amount_minor=7_00,
        code=CreditCode.GOODWILL,
        reason="a test",
    )
    owe(here.app, 7_00, "st/t")
    with here.app.writing() as connection:
        credit, _ = ask(connection, wanted, ENGINE, NOW)
    here.invoice(7_00)
    here.work()
    with here.app.writing() as connection:
        take_back(connection, "ann", credit.id, FINANCE, "a mistake", here.clock.now())
    here.work()
    assert here.owed() == {("acme", "USD"): 0}


def test_a_call_without_an_answer_is_not_answered_by_a_lookup_that_is_refused(
    here: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.add_card(VISA)
    here.invoice(1000)
    here.sandbox.orders.fault("drop_after", on="POST /v1/payment_intents")

    def gone(*_: object) -> None:
        raise Refused("No such customer", "resource_missing")

    with monkeypatch.context() as patched:
        patched.setattr(type(here.processor), "payments_of", gone)
        here.work()
        here.work(NOW + 10)
    with here.app.reading() as connection:
        answers = connection.execute(select(calls.c.answer).where(calls.c.purpose == "pay")).scalars().all()
    assert (answers, here.payment().state, len(parked(here))) == ([None], "sent", 1)
    with here.app.writing() as connection:
        revive(connection, parked(here)[0])
    here.work()
    assert (here.payment().state, len(here.at_stripe("payment_intent"))) == ("succeeded", 1)


def test_an_owner_who_owes_nothing_any_more_is_not_charged_by_a_repetition(here: Till) -> None:
    owe(here.app, 10_00)
    here.add_card(VISA)
    here.invoice(10_00)
    here.sandbox.orders.fault("unavailable", on="POST /v1/payment_intents")
    here.work()
    assert here.payment().state == "sent"
    by_bank(here, 10_00)
    for hours in (1, 12, 25, 26):
        with here.app.writing() as connection:
            poll_later(connection, here.clock.now())
        here.work(NOW + hours * HOUR)
    assert here.at_stripe("payment_intent") == []
    assert {(one.means, one.state) for one in here.payments()} == {("hand", "succeeded"), ("card", "cancelled")}
    assert here.owed() == {("acme", "USD"): 0}


@pytest.mark.parametrize("change", ["amount", "nothing left"])
def test_who_pays_while_the_amount_is_changed_parks_no_step(
    here: Till, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe(here.app, 10_00)
    here.add_card(DECLINES)
    here.invoice(10_00)
    here.work()
    ref = here.payment().processor_ref or ""
    by_bank(here, 4_00 if change == "amount" else 10_00)
    processor = type(here.processor)
    for name in ("change_payment", "cancel_payment"):
        before = getattr(processor, name)

        def faster(self: object, *args: object, _before: object = before, **more: object) -> object:
            here.processor.confirm_payment(ref, method_ref=VISA, key="the-owner", return_url="http://127.0.0.1/")
            return _before(self, *args, **more)  # type: ignore[operator]

        monkeypatch.setattr(processor, name, faster)
    here.work(NOW + DAY)
    assert parked(here) == []
    card = next(one for one in here.payments() if one.means == "card")
    assert (card.state, card.captured_minor) == ("succeeded", 10_00)


def test_a_worker_that_lost_its_step_in_the_middle_of_the_call_and_the_one_that_took_over_charge_once(
    here: Till,
) -> None:
    owe(here.app, 10_00)
    here.add_card(VISA)
    here.invoice(10_00)
    here.sandbox.orders.fault("slow", on="POST /v1/payment_intents", seconds=1.5)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(here.work)
        for _ in range(200):
            if [one.state for one in here.payments()] == ["sent"]:
                break
            time.sleep(0.01)
        here.clock.advance(LEASE_S + 1)
        here.work()
        assert here.payment().state == "sent", "the other one is still waiting for its answer"
        slow.result(timeout=20)
    here.work(here.clock.now() + HOUR)
    (intent,) = here.at_stripe("payment_intent")
    assert (intent["amount_received"], here.payment().state, here.payment().attempts) == (10_00, "succeeded", 1)
    assert (here.owed(), parked(here)) == ({("acme", "USD"): 0}, [])


def test_a_credit_while_the_payment_is_in_flight_is_the_owners_and_goes_back(here: Till) -> None:
    owe(here.app, 10_00)
    here.add_card(VISA)
    here.invoice(10_00)
    here.sandbox.orders.fault("drop_after", on="POST /v1/payment_intents")
    here.work()
    wanted = Wanted(
        owner_id="ann",
        seller_id="acme",
        currency="USD",
        deed=Deed.CREDIT,
        amount_minor=4_00,
        code=CreditCode.GOODWILL,
        reason="a test",
    )
    with here.app.writing() as connection:
        ask(connection, wanted, ENGINE, here.clock.now())
    here.work(NOW + 60)
    assert here.owed() == {("acme", "USD"): -4_00}
    with here.app.writing() as connection:
        scan_later(connection, here.clock.now())
    for day in range(1, 100, 7):
        here.work(NOW + day * DAY)
    (intent,) = here.at_stripe("payment_intent")
    assert intent["amount_received"] == 10_00
    assert [one["amount"] for one in here.at_stripe("refund")] == [4_00]
    assert here.owed() == {("acme", "USD"): 0}


def test_a_card_that_is_added_after_its_owner_left_is_not_kept(here: Till) -> None:
    engine, clock = here.app.engine, here.clock
    setup = setups.begin_setup(engine, clock, here.processor, "ann", "acme", "http://127.0.0.1/back?s={setup}")
    choose(here.sandbox, setup.processor_ref or "", VISA)
    with here.app.writing() as connection:
        erase_person(connection, "ann", clock.now())
    setups.look_at_setup(engine, clock, here.processor, setup)
    with here.app.reading() as connection:
        assert methods_of(connection, "ann") == []
        assert connection.execute(select(payment_methods.c.last4)).scalars().all() == []
    here.work()
    assert parked(here) == []


def test_a_line_that_is_released_while_it_is_accepted_pays_nobody(here: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    owe(here.app, 10_00)
    line = BankLine("l1", NOW, "USD", 10_00, "thank you")
    import_lines(here.app.engine, here.clock, "acme", [line], author="finance")
    turns = count()

    def overtaken(engine: Engine) -> Any:
        if next(turns) == 1:
            monkeypatch.setattr(lines, "writing", writing)
            lines.release(engine, here.clock, "acme", "l1", author="finance:f2", reason="another's")
        return writing(engine)

    monkeypatch.setattr(lines, "writing", overtaken)
    lines.accept(
        here.app.engine, here.clock, "acme", "l1", listing.to_record("ann"), author="finance:f1", reason="a test"
    )
    here.work()
    assert here.owed() == {("acme", "USD"): 10_00}
    assert [one.state for one in here.payments()] in ([], ["cancelled"])


def test_payments_the_processor_does_not_know_keep_no_other_from_being_looked_up(
    here: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "AT_ONCE", 1)
    here.add_card(VISA)
    for _ in range(2):
        here.invoice(10_00)
    with here.app.writing() as connection:
        poll_later(connection, here.clock.now())
    here.work()  # every event is known by now: nothing but the poller's own look is left
    gone, known = sorted(here.payments(), key=lambda one: one.id)
    with here.app.writing() as connection:
        wrong = {"processor_ref": "pi_of_another_account", "changed_at": NOW - HOUR}
        connection.execute(update(payments).values(state="processing", looks=known.looks))
        connection.execute(update(payments).where(payments.c.id == gone.id).values(**wrong))
    for minutes in (20, 40, 60):
        here.work(NOW + minutes * 60)
    assert {one.id: one.state for one in here.payments()} == {gone.id: "processing", known.id: "succeeded"}
