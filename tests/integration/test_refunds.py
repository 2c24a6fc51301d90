"""Refunds: never more than is left, never twice, by one person within a limit and by two above it."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, insert, select, update

from api.wiring import Idlefee
from billing.decisions import AmountTooSmall, ReasonMissing
from billing.invoices.sides import Side
from billing.jobs import LEASE_S, Hopeless
from billing.payments import refunds
from billing.payments.credits import AlreadyDecided, Wanted
from billing.payments.credits import Code as CreditCode
from billing.payments.credits import ask as credit
from billing.payments.people import ENGINE, Deed, NotAllowed, Person
from billing.payments.refunding import Refunding
from billing.payments.refunds import Code, NotRefundable, Refund
from billing.payments.returning import SCAN, STEP, return_credit, return_due, scan, scan_later
from billing.payments.rooms import ON_ITS_WAY, Room, TooMuch, room_of
from billing.store.accounts import account_transfers
from billing.store.payments import calls, payments
from billing.store.payments import refunds as rows
from sessions.facts import KeyReused
from sessions.sites import Unknown
from tests.databases import SqliteDatabases
from tests.integration.paid_world import FINANCE, SECOND, SUPPORT, PaidWorld, paid_world
from tests.integration.small_world import LATER, small_world


@pytest.fixture
def world(database_url: str) -> Iterator[PaidWorld]:
    with paid_world(database_url) as world:
        yield world


def ask(world: PaidWorld, payment_id: str, amount_minor: int, by: Person = FINANCE, **more: Any) -> Refund:
    code, key = more.pop("code", Code.FEE_FELL), more.pop("key", None)
    with world.app.writing() as connection:
        refund, _ = refunds.ask(
            connection, "ann", payment_id, amount_minor, code=code, reason="a test", by=by, now=world.now, key=key
        )
    return refund


def send(world: PaidWorld) -> None:
    for lease in world.leases(refunds.SEND):
        Refunding(world.processor).send(lease)


def stands(world: PaidWorld, refund: Refund) -> str:
    with world.app.reading() as connection:
        return refunds.known_refund(connection, "ann", refund.id).state


def test_a_refund_goes_to_the_card_and_the_books_follow(world: PaidWorld) -> None:
    payment = world.pay(20_00)
    refund = ask(world, payment, 5_00)
    assert (refund.state, world.payment(payment)["refunding_minor"]) == ("approved", 5_00)
    send(world)
    assert stands(world, refund) == "succeeded"
    assert (world.payment(payment)["refunded_minor"], world.payment(payment)["refunding_minor"]) == (5_00, 0)
    assert (world.owed(), world.books()["processor"]) == (-15_00, 20_00 - 88 - 5_00)


def test_what_one_person_may_give_and_what_takes_two(world: PaidWorld) -> None:
    payment = world.pay(900_00)
    assert ask(world, payment, 20_00, SUPPORT).state == "approved"
    world.pass_time(24 * 3600)
    asked = ask(world, payment, 20_01, SUPPORT)
    with pytest.raises(NotAllowed, match=r"up to 5000 minor units as a refund, and 2001 were given"):
        ask(world, payment, 30_00, SUPPORT)
    above = ask(world, payment, 200_01, FINANCE)
    assert (asked.state, above.state) == ("asked", "asked")
    same_person = Person("finance:f9", "finance", frozenset({FINANCE.author}))
    with world.app.writing() as connection:
        for refund, by in ((asked, SUPPORT), (above, FINANCE), (above, same_person)):
            with pytest.raises(NotAllowed):
                refunds.approve(connection, "ann", refund.id, by, "fine", world.now)
        assert refunds.approve(connection, "ann", above.id, SECOND, "fine", world.now).decided_because == "fine"
        refused = refunds.refuse(connection, "ann", asked.id, FINANCE, "the fee was right", world.now)
        assert (refused.state, refused.decided_by) == ("refused", FINANCE.author)
        with pytest.raises(AlreadyDecided):
            refunds.approve(connection, "ann", asked.id, SECOND, "after all", world.now)
    send(world)
    assert world.payment(payment)["refunded_minor"] == 220_01


def test_what_is_refused_says_why(world: PaidWorld) -> None:
    payment = world.pay(20_00)
    with pytest.raises(TooMuch, match=r"2000 minor units are left of the payment"):
        ask(world, payment, 20_01)
    with pytest.raises(AmountTooSmall):
        ask(world, payment, 0)
    with pytest.raises(Unknown):
        ask(world, "pay_none", 1)
    with pytest.raises(ReasonMissing):
        ask(world, payment, 1_00, code=Code.ELSEWHERE)
    first = ask(world, payment, 1_00, key="k")
    assert ask(world, payment, 1_00, key="k").id == first.id
    with pytest.raises(KeyReused):
        ask(world, payment, 2_00, key="k")
    ask(world, payment, 18_00)
    with pytest.raises(TooMuch, match=r"1900 on their way"):
        ask(world, payment, 2_00)
    with world.app.writing() as connection:
        connection.execute(update(payments).values(means="hand"))
    with pytest.raises(NotRefundable):
        ask(world, payment, 1)


def test_a_refund_of_what_is_owed_gives_the_credit_as_well(world: PaidWorld) -> None:
    payment = world.pay(20_00)
    ask(world, payment, 20_00)
    send(world)
    other = world.pay(10_00)
    with world.app.writing() as connection:  # nothing of it is the owner's: a fee is owed
        connection.execute(update(rows).values(state="approved", withdrawn_minor=0))
    with pytest.raises(TooMuch, match="goodwill"):
        ask(world, other, 5_00)
    ask(world, other, 5_00, code=Code.GOODWILL)
    assert (world.owed(), world.books()["goodwill"]) == (-15_00, 5_00)
    send(world)
    assert world.owed() == -10_00


def test_a_dispute_leaves_nothing_to_refund(world: PaidWorld) -> None:
    payment = world.pay(20_00)
    refund = ask(world, payment, 1_00)
    send(world)
    world.sandbox.orders.dispute(world.payment(payment)["processor_ref"])
    world.see(payment)
    with pytest.raises(TooMuch):
        ask(world, payment, 1_00)
    assert stands(world, refund) == "succeeded"
    with world.app.reading() as connection:
        why = connection.execute(select(account_transfers.c.reason).order_by(account_transfers.c.n)).scalars().all()
    assert why == ["the payment succeeded", "a refund: succeeded", "a dispute: open"]


@pytest.mark.parametrize("card", ["pm_card_refundFail", "pm_card_pendingRefund"])
def test_a_refund_that_fails_later_is_the_owners_credit_again(world: PaidWorld, card: str) -> None:
    payment = world.pay(20_00, card=card)
    refund = ask(world, payment, 20_00)
    send(world)
    with world.app.reading() as connection:
        ref = refunds.known_refund(connection, "ann", refund.id).processor_ref
    world.sandbox.orders.fail_refund(str(ref))
    world.see(payment)
    assert (stands(world, refund), world.owed()) == ("failed", -20_00)
    assert ask(world, payment, 20_00).state == "approved"


def test_without_a_processor_the_step_waits_for_a_person(world: PaidWorld) -> None:
    ask(world, world.pay(20_00), 1_00)
    (lease,) = world.leases(refunds.SEND)
    with pytest.raises(Hopeless):
        Refunding(None).send(lease)


def test_two_who_ask_at_once_never_get_more_than_there_is(world: PaidWorld) -> None:
    payment = world.pay(20_00)

    def one(_: int) -> bool:
        try:
            ask(world, payment, 15_00)
        except TooMuch:
            return False
        return True

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(one, range(2))) == [False, True]
    send(world)
    assert world.payment(payment)["refunded_minor"] == 15_00


WHAT = st.sampled_from(("ask", "take back", "arrive", "dispute"))


@pytest.fixture(scope="module")
def app(sqlite_databases: SqliteDatabases) -> Iterator[Idlefee]:
    with sqlite_databases.migrated() as url, small_world(url) as app:
        with app.writing() as connection:
            row = {"owner_id": "ann", "id": "p", "seller_id": "acme", "currency": "USD", "means": "card"}
            paid = {"amount_minor": 50, "captured_minor": 50, "state": "succeeded", "processor_ref": "pi_1"}
            more = {"author": "test", "created_at": LATER, "changed_at": LATER}
            connection.execute(insert(payments).values(**row, **paid, **more))
        yield app


@given(steps=st.lists(st.tuples(WHAT, st.integers(1, 30)), max_size=12))
def test_captured_always_covers_what_went_goes_and_is_disputed(app: Idlefee, steps: list[tuple[str, int]]) -> None:
    with app.engine.connect().execution_options(writes=True) as connection:
        for what, amount in steps:
            step(connection, what, amount)
            room = room_now(connection)
            assert room.refunded_minor + room.on_its_way_minor + room.disputed_minor <= room.captured_minor
        connection.rollback()


def room_now(connection: Connection) -> Room:
    return room_of(connection, dict(connection.execute(select(payments)).mappings().one()))


def step(connection: Connection, what: str, amount: int) -> None:
    """Somebody asks; the first that is on its way is taken back, or arrives; a bank takes some of what is left."""
    before = room_now(connection)
    going = connection.execute(select(rows.c.id).where(rows.c.state.in_(ON_ITS_WAY))).scalars().first()
    if what == "ask":
        try:
            refunds.ask(connection, "ann", "p", amount, code=Code.GOODWILL, reason="x", by=ENGINE, now=LATER)
        except TooMuch:
            assert amount > before.left_minor
        else:
            assert amount <= before.left_minor
    elif what == "dispute":
        disputed = before.disputed_minor + min(amount, before.left_minor)
        connection.execute(update(payments).values(disputed_minor=disputed))
    elif going is not None:
        state = "refused" if what == "take back" else "succeeded"
        connection.execute(update(rows).where(rows.c.id == going).values(state=state))
        there = select(func.coalesce(func.sum(rows.c.amount_minor), 0)).where(rows.c.state == "succeeded")
        connection.execute(update(payments).values(refunded_minor=connection.execute(there).scalar_one()))


# -- wherever it is interrupted -----------------------------------------------------------------------------


class Crash(BaseException):
    """The process dies here: nobody catches it."""


@dataclass
class Interrupted:
    """Counts every commit and every call of a step, and lets the process die before or after the `at`th."""

    processor: Any
    at: int | None = None
    after: bool = False
    points: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            self.point(name, after=False)
            answer = getattr(self.processor, name)(*args, **more)
            self.point(name, after=True)
            return answer

        return call

    def point(self, name: str, *, after: bool) -> None:
        if not after:
            self.points.append(name)
        if self.at == len(self.points) and self.after == after:
            raise Crash(name)

    def commit(self, _connection: Any) -> None:
        self.point("commit", after=False)


def run(world: PaidWorld, interrupted: Interrupted) -> None:
    """Send what is due; when the process dies another one begins once the lease has run out."""
    event.listen(world.app.engine, "commit", interrupted.commit)
    try:
        for lease in world.leases(refunds.SEND):
            Refunding(interrupted).send(lease)
    except Crash:
        interrupted.at = None
        world.pass_time(LEASE_S + 1)
        for lease in world.leases(refunds.SEND):
            Refunding(interrupted).send(lease)
    finally:
        event.remove(world.app.engine, "commit", interrupted.commit)


@pytest.mark.crash
def test_a_refund_is_made_once_wherever_the_process_dies(world: PaidWorld, capsys: pytest.CaptureFixture[str]) -> None:
    payment = world.pay(100_00)
    ask(world, payment, 1_00)
    whole = Interrupted(world.processor)
    run(world, whole)
    tried = 0
    for at, name in enumerate(whole.points, start=1):
        for after in (False, True) if name != "commit" else (False,):
            refund = ask(world, payment, 1_00)
            run(world, Interrupted(world.processor, at, after))
            tried += 1
            assert stands(world, refund) == "succeeded", (at, name, after)
            assert world.payment(payment)["refunded_minor"] == (tried + 1) * 1_00, (at, name, after)
    seen = world.processor.payment(world.payment(payment)["processor_ref"])
    assert (len(seen.refunds), world.owed()) == (tried + 1, -100_00 + (tried + 1) * 1_00)
    with world.app.reading() as connection:
        assert connection.execute(select(calls.c.key).where(calls.c.answered_at.is_(None))).first() is None
    with capsys.disabled():
        said = f" [{len(whole.points)} points of a refund: {', '.join(whole.points)}; died {tried} times] "
        sys.stdout.write(said)


@pytest.mark.parametrize(
    ("fault", "days"),
    [
        *((fault, 0) for fault in ("drop_before", "drop_after", "error_after", "unavailable", "conflict")),
        *((fault, 2) for fault in ("rate_limit", "drop_after", "error_before")),  # keys are forgotten after a day
    ],
)
def test_a_refund_whose_answer_was_lost_is_made_once(world: PaidWorld, fault: str, days: int) -> None:
    payment = world.pay(20_00)
    refund = ask(world, payment, 5_00)
    world.sandbox.orders.fault(fault, on="POST /v1/refunds")
    send(world)
    assert stands(world, refund) == "sent"
    world.pass_time(LEASE_S + 1 + days * 24 * 3600)
    send(world)
    assert (stands(world, refund), world.payment(payment)["refunded_minor"]) == ("succeeded", 5_00)
    assert len(world.processor.payment(world.payment(payment)["processor_ref"]).refunds) == 1


# -- credit that nothing uses up ----------------------------------------------------------------------------


def test_credit_goes_back_after_the_policys_days_to_the_newest_payments_first(world: PaidWorld) -> None:
    older = world.pay(10_00)
    world.pass_time(3600)
    newer = world.pay(5_00)
    side = Side("ann", "acme", "USD")

    def work() -> None:
        with world.app.writing() as connection:
            scan_later(connection, world.now)
        for lease in world.leases(SCAN):
            scan(lease)
        for lease in world.leases(STEP):
            return_due(lease)
        send(world)

    world.pass_time(90 * 24 * 3600 - 3600 - 1)
    work()
    assert world.owed() == -15_00
    world.pass_time(1)
    with world.app.writing() as connection:
        before = Wanted(
            owner_id="ann",
            seller_id="acme",
            currency="USD",
            deed=Deed.CREDIT,
            amount_minor=3_00,
            code=CreditCode.GOODWILL,
            reason="a gift",
        )
        credit(connection, before, ENGINE, world.now)
        connection.execute(update(payments).where(payments.c.id == older).values(disputed_minor=4_00))
        assert [(one.payment_id, one.amount_minor) for one in return_credit(connection, side, world.now)] == [
            (newer, 5_00),
            (older, 6_00),
        ]
        assert return_credit(connection, side, world.now) == []
    send(world)
    assert world.owed() == -18_00 + 11_00
