"""The owner pays exactly once: whatever fails on the way to the processor, and wherever a process dies.

Every commit and every call of a collection is a moment; the process dies before and after each, a fresh one goes on,
within a minute or more than a day later, when the processor has forgotten the key. Then every trouble there is on each
call. Each time one owner pays one invoice; in the end all of them have paid once, and our books hold what the
processor's own balance holds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from api.sandbox.faults import Fault
from billing import jobs
from billing.jobs import LEASE_S, Lease
from billing.owners import Owner, add_owner
from billing.payments.collecting import COLLECT, Collecting, collect_again
from billing.payments.gateway import Gateway
from tests.integration.crashing import Points
from tests.integration.paying import DECLINES, VISA, Till, till

AMOUNT = 1000
SOON, A_DAY_LATER = LEASE_S + 1, 25 * 3600
PATIENT_S, IMPATIENT_S = 10, 0.4

Scene = Callable[[Till, str], None]


@contextmanager
def watched_till(url: str, answer_s: float = PATIENT_S) -> Iterator[tuple[Till, Points]]:
    with till(url) as plain:
        points = Points(plain.app.engine)
        gateway = Gateway(plain.sandbox.key, plain.sandbox.url, answer_s)
        yield replace(plain, app=replace(plain.app, processor=points.watching(gateway))), points


def a_first_try(here: Till, owner_id: str) -> None:
    """An owner with a good card and an invoice."""
    newcomer(here, owner_id)
    here.add_card(VISA, owner_id)
    here.invoice(AMOUNT, owner_id=owner_id)


def a_second_try(here: Till, owner_id: str) -> None:
    """An owner whose card was declined, and who has added another."""
    newcomer(here, owner_id)
    here.add_card(DECLINES, owner_id)
    here.invoice(AMOUNT, owner_id=owner_id)
    here.work()
    (failed,) = here.payments(owner_id)
    assert (failed.state, failed.attempts) == ("failed", 1)
    here.add_card(VISA, owner_id)
    with here.app.writing() as connection:
        collect_again(connection, failed, here.clock.now())


def newcomer(here: Till, owner_id: str) -> None:
    with here.app.writing() as connection:
        add_owner(connection, Owner(owner_id, None, None), here.clock.now())


SCENES: tuple[Scene, ...] = (a_first_try, a_second_try)


def one_step(here: Till) -> None:
    """A worker takes the one collection that is due, and does it."""
    app, now = here.app, here.clock.now()
    with app.writing() as connection:
        taken = jobs.lease(connection, "doomed", now, 1, COLLECT)
    Collecting(here.processor).collect(Lease(app.engine, app.clock, "doomed", taken))


def settle(here: Till, wait_s: int) -> None:
    """Fresh workers, until nothing moves: soon, and after the processor has forgotten."""
    for pause_s in (wait_s, 60, 3600, A_DAY_LATER, 3600):
        here.clock.advance(pause_s)
        here.work()


def assert_paid_once(here: Till, owner_id: str) -> None:
    (payment,) = here.payments(owner_id)
    assert (payment.state, payment.captured_minor) == ("succeeded", AMOUNT), payment
    assert here.owed(owner_id) == {("acme", "USD"): -AMOUNT}
    intents = [one for one in here.at_stripe("payment_intent") if one["metadata"]["idlefee_owner"] == owner_id]
    assert [one["status"] for one in intents] == ["succeeded"], intents


def assert_books_agree(here: Till) -> None:
    """What we say the processor holds is what it holds: the sum of its own balance, fees taken."""
    lines = here.at_stripe("balance_transaction")
    assert here.balances()["processor"] == sum(line["net"] for line in lines)
    assert here.balances()["processor_fees"] == sum(line["fee"] for line in lines)


@pytest.mark.crash
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_process_that_dies_anywhere_collects_exactly_once(
    database_url: str, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    with watched_till(database_url) as (here, points):
        scene(here, "whole")
        with points.counting() as names:
            one_step(here)
        moments = list(names)
        assert_paid_once(here, "whole")
        for wait_s in (SOON, A_DAY_LATER):
            owners = []
            for point in reversed(range(len(moments))):  # the first last: what dies before its lease is still due
                owners.append(f"{point}-{wait_s}")
                scene(here, owners[-1])
                with points.dying_at(point):
                    one_step(here)
                assert points.names == moments[: point + 1]
            settle(here, wait_s)
            for owner_id in owners:
                assert_paid_once(here, owner_id)
        assert_books_agree(here)
    calls = sum("commit" not in name for name in moments)
    with capsys.disabled():
        print(  # noqa: T201 - a figure that is asked for
            f"\n{scene.__name__}: died at each of {len(moments)} moments ({len(moments) - calls} of commits, {calls} "
            f"of calls), and went on soon and more than a day later: {2 * len(moments)} owners paid once"
        )


TROUBLE = [fault for fault in Fault if fault is not Fault.SLOW]


@pytest.mark.parametrize("scene", [a_first_try, pytest.param(a_second_try, marks=pytest.mark.crash)])
def test_trouble_on_any_call_collects_exactly_once(database_url: str, scene: Scene) -> None:
    with watched_till(database_url, IMPATIENT_S) as (here, _):
        faults = here.sandbox.orders.fault
        for fault in TROUBLE:
            scene(here, fault.value)
            faults(fault.value, on="POST /v1/payment_intents", seconds=2 * IMPATIENT_S)
            here.work()
        for fault in TROUBLE:  # and once more, as they are looked for and asked for again
            faults(fault.value, on="GET /v1/payment_intents", seconds=2 * IMPATIENT_S)
            faults(fault.value, on="POST /v1/payment_intents", seconds=2 * IMPATIENT_S)
        settle(here, SOON)
        here.sandbox.orders.no_faults()
        settle(here, SOON)
        for fault in TROUBLE:
            assert_paid_once(here, fault.value)
        assert_books_agree(here)
