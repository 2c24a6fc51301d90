"""The worker: does what is due, in `serve`'s own process or alone by `idlefee worker`. Any number share one PostgreSQL.

It knows which step takes how many at once, and nothing of what they do. A worker that is killed loses nothing: what it
held is free again when its lease runs out, and a step's effects commit with its end.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from sqlalchemy import Connection

from api.access import letters, sweeping
from api.access.letters import Letters
from api.channels import channels_of, mailer_of
from api.wiring import Idlefee
from billing import decisions, jobs, orders, timers
from billing.engine import LOOK_AT_CHARGING, LOOK_AT_STAY
from billing.invoices import issuing, waking
from billing.invoices import sides as invoices
from billing.jobs import Hopeless, Job, Lease
from billing.notices import Channel, Notices
from billing.notices.steps.money import TELL_OF_MONEY
from billing.payments import refunds, returning
from billing.payments.collecting import COLLECT, Collecting
from billing.payments.dunning import look_due
from billing.payments.looking import HANDLE, Looking, poll_later
from billing.payments.methods import DETACH, FORGET, Cards
from billing.payments.patience import POLL
from billing.payments.processor import Processor
from billing.payments.refunding import Refunding
from billing.payments.seen import LOOK_AT_ARREARS
from billing.periods import steps as periods
from billing.reconcile import nightly
from billing.reconcile.bank import lines as bank_lines
from billing.sums import making as sums
from sessions.database import is_outage

log = structlog.get_logger()

LOOK_EVERY_S = 0.2  # how long a worker with nothing to do waits before it looks again
OUTAGE_S = 2  # …and one whose database is gone
OUTSIDE_AT_ONCE = 4  # steps that wait for somebody else's server have threads of their own: a slow one delays no other

RECURRING: tuple[Callable[[Connection, int], None], ...] = (
    sums.sum_later,
    periods.later,
    returning.scan_later,
    nightly.reconcile_later,
)  # steps that come again once asked for
RECUR = frozenset(
    {sums.STEP, periods.CLOSE, periods.SEAL, returning.SCAN, nightly.STEP, POLL, sweeping.STEP}
)  # …and their kinds: never parked for good


@dataclass(frozen=True, slots=True)
class Step:
    """How a kind of job is done: by whom, how many share a transaction, how many such turns before others have one, and
    whether it may wait for a server that is not ours.
    """

    handler: Callable[[Lease], None]
    at_once: int
    turns: int = 1
    outside: bool = False


def steps_over(
    channels: Sequence[Channel],
    link: str | None,
    post: Letters,
    processor: Processor | None,
    digests: Path | None = None,
    stripe_seller: str | None = None,
) -> dict[str, Step]:
    """Every kind of job and its step, those that people wait for first."""
    notices = Notices(channels, link)
    looking, cards = Looking(processor), Cards(processor)
    return {
        letters.SIGN_IN_LINK: Step(post.sign_in_link, at_once=1, turns=20, outside=True),
        letters.CONFIRM_ADDRESS: Step(post.confirm_address, at_once=1, turns=20, outside=True),
        "charge_complete": Step(notices.standing.charge_complete, at_once=200),
        LOOK_AT_STAY: Step(notices.standing.look, at_once=200),
        "hand_over": Step(notices.hand_over, at_once=1, turns=20, outside=True),
        "final": Step(notices.outcomes.final, at_once=100),
        "correction": Step(notices.outcomes.correction, at_once=100),
        TELL_OF_MONEY: Step(notices.money.tell, at_once=100),
        LOOK_AT_CHARGING: Step(notices.charging.almost_full, at_once=200),
        "time_out": Step(timers.time_out, at_once=300),
        "finalise": Step(timers.finalise, at_once=300),
        decisions.LOOK_AGAIN: Step(timers.token_given, at_once=1, turns=50),
        orders.STEP: Step(orders.take_over, at_once=1),
        invoices.STEP: Step(issuing.issue_due, at_once=20, turns=5),
        waking.WAKE: Step(waking.wake, at_once=1),
        HANDLE: Step(looking.handle, at_once=1, turns=20, outside=True),
        COLLECT: Step(Collecting(processor).collect, at_once=1, turns=20, outside=True),
        POLL: Step(looking.poll, at_once=1, outside=True),
        refunds.SEND: Step(Refunding(processor).send, at_once=1, turns=20, outside=True),
        LOOK_AT_ARREARS: Step(look_due, at_once=20, turns=5),
        returning.SCAN: Step(returning.scan, at_once=1, turns=50),
        returning.STEP: Step(returning.return_due, at_once=20, turns=5),
        nightly.STEP: Step(nightly.Reconciling(processor, stripe_seller).nightly, at_once=1, outside=True),
        bank_lines.RECORD: Step(bank_lines.record_payment, at_once=1, turns=50),
        DETACH: Step(cards.detach, at_once=1, turns=20, outside=True),
        FORGET: Step(cards.forget, at_once=1, turns=20, outside=True),
        letters.ACCOUNT_LETTER: Step(post.account_letter, at_once=1, turns=20, outside=True),
        sweeping.STEP: Step(sweeping.sweep, at_once=1),
        sums.STEP: Step(sums.sum_days, at_once=1, turns=50),
        periods.CLOSE: Step(periods.close_months, at_once=1),
        periods.SEAL: Step(periods.Sealing(digests).seal_days, at_once=1, turns=50),
    }


class Worker:
    """Does due steps one after the other until it is stopped."""

    def __init__(self, app: Idlefee, channels: Sequence[Channel] | None = None) -> None:
        settings = app.settings
        link = None if settings.base_url is None else f"{settings.base_url.rstrip('/')}/me"
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._app = app
        post = Letters(mailer_of(app), settings.sender, app.secret, settings.home)
        self._steps = steps_over(
            channels_of(app) if channels is None else channels,
            link,
            post,
            app.processor,
            settings.digests,
            settings.stripe_seller,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.run, name="worker", daemon=True)

    def start(self) -> None:
        """Work in a thread of this process until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the step at hand, then stop."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def run(self) -> None:
        """Work until `stop` is called, from another thread or a signal's handler."""
        log.info("worker started", worker=self.name)
        self._ask_for_what_recurs()
        inside = [kind for kind, step in self._steps.items() if not step.outside]
        outside = [kind for kind, step in self._steps.items() if step.outside]
        lanes = [
            threading.Thread(target=self._work, args=(f"{self.name}/{n}", outside), name=f"worker/{n}", daemon=True)
            for n in range(1, OUTSIDE_AT_ONCE + 1)
        ]
        for lane in lanes:
            lane.start()
        self._work(self.name, inside)
        for lane in lanes:
            lane.join()
        log.info("worker stopped", worker=self.name)

    def _ask_for_what_recurs(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._app.writing() as connection:
                    jobs.revive_all(connection, RECUR)
                    for ask in RECURRING:
                        ask(connection, self._app.clock.now())
                    if self._app.processor is not None:
                        poll_later(connection, self._app.clock.now())
                return
            except Exception as error:
                log.warning("worker waits", error=str(error), exc_info=None if is_outage(error) else error)
                self._stopping.wait(OUTAGE_S)

    def _work(self, name: str, kinds: Sequence[str]) -> None:
        while not self._stopping.is_set():
            try:
                idle_s = 0.0 if self._round(name, kinds) else LOOK_EVERY_S
            except Exception as error:  # the thread lives on: what is due stays due
                log.warning("worker waits", error=str(error), exc_info=None if is_outage(error) else error)
                idle_s = OUTAGE_S
            self._stopping.wait(idle_s)

    def run_due(self) -> int:
        """Do everything that is due at this moment, and what that makes due; answers how many steps that were."""
        done = 0
        while (count := self._round(self.name, list(self._steps))) and not self._stopping.is_set():
            done += count
        return done

    def _round(self, name: str, kinds: Sequence[str]) -> int:
        """A few turns for each kind that has something due; answers how many steps were taken on."""
        with self._app.reading() as connection:
            due = jobs.ready(connection, kinds, self._app.clock.now())
        return sum(self._turns(name, kind, self._steps[kind]) for kind in due)

    def _turns(self, name: str, kind: str, step: Step) -> int:
        taken = 0
        for _ in range(step.turns):
            if self._stopping.is_set():
                break
            with self._app.writing() as connection:
                leased = jobs.lease(connection, name, self._app.clock.now(), step.at_once, kind)
            if leased:
                self._do(step, Lease(self._app.engine, self._app.clock, name, leased))
                taken += len(leased)
            if len(leased) < step.at_once:
                break
        return taken

    def _do(self, step: Step, lease: Lease) -> None:
        """Together if that works, else one by one, so that a bad one spoils no other."""
        try:
            step.handler(lease)
        except Exception as error:  # noqa: BLE001 - whatever it was, the step is tried again and then parked
            first, *others = lease.jobs
            if not others:
                self._failed(lease.worker, first, error)
                return
            log.warning("shared step failed, each runs alone", kind=first.kind, jobs=len(lease.jobs), error=str(error))
            for job in lease.jobs:
                self._do(step, replace(lease, jobs=[job]))

    def _failed(self, name: str, job: Job, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        with self._app.writing() as connection:
            now, hopeless = self._app.clock.now(), isinstance(error, Hopeless)
            parked = jobs.fail(connection, name, job, reason, now, hopeless=hopeless, recurs=job.kind in RECUR)
        if parked:
            log.error("step parked until a person looks", job=job.key, error=reason, exc_info=error)
        else:
            log.warning("step failed, it is tried again", job=job.key, error=reason)


@contextmanager
def working(app: Idlefee) -> Iterator[Worker]:
    """A worker in this process while the block runs."""
    worker = Worker(app)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
