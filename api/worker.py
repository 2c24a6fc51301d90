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
from dataclasses import dataclass

import structlog

from api.access import letters, sweeping
from api.access.letters import Letters
from api.channels import channels_of, mailer_of
from api.wiring import Idlefee
from billing import decisions, jobs, orders, timers
from billing.jobs import Hopeless, Job, Lease
from billing.notices import Channel, Notices
from sessions.database import is_outage

log = structlog.get_logger()

LOOK_EVERY_S = 0.2  # how long a worker with nothing to do waits before it looks again
OUTAGE_S = 2  # …and one whose database is gone


@dataclass(frozen=True, slots=True)
class Step:
    """How a kind of job is done: by whom, how many share a transaction, how many such turns before others have one."""

    handler: Callable[[Lease], None]
    at_once: int
    turns: int = 1


def steps_over(channels: Sequence[Channel], link: str | None, post: Letters) -> dict[str, Step]:
    """Every kind of job and its step, those that people wait for first."""
    notices = Notices(channels, link)
    return {
        letters.SIGN_IN_LINK: Step(post.sign_in_link, at_once=1, turns=20),
        letters.CONFIRM_ADDRESS: Step(post.confirm_address, at_once=1, turns=20),
        "charge_complete": Step(notices.charge_complete, at_once=200),
        "hand_over": Step(notices.hand_over, at_once=1, turns=50),
        "final": Step(notices.final, at_once=100),
        "correction": Step(notices.correction, at_once=100),
        "time_out": Step(timers.time_out, at_once=300),
        "finalise": Step(timers.finalise, at_once=300),
        decisions.LOOK_AGAIN: Step(timers.token_given, at_once=1, turns=50),
        orders.STEP: Step(orders.take_over, at_once=1),
        letters.ACCOUNT_LETTER: Step(post.account_letter, at_once=1, turns=20),
        sweeping.STEP: Step(sweeping.sweep, at_once=1),
    }


class Worker:
    """Does due steps one after the other until it is stopped."""

    def __init__(self, app: Idlefee, channels: Sequence[Channel] | None = None) -> None:
        settings = app.settings
        link = None if settings.base_url is None else f"{settings.base_url.rstrip('/')}/me"
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._app = app
        post = Letters(mailer_of(app), settings.sender, app.secret, settings.home)
        self._steps = steps_over(channels_of(app) if channels is None else channels, link, post)
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
        while not self._stopping.is_set():
            try:
                idle_s = 0.0 if self._round() else LOOK_EVERY_S
            except Exception as error:  # the thread lives on: what is due stays due
                log.warning("worker waits", error=str(error), exc_info=None if is_outage(error) else error)
                idle_s = OUTAGE_S
            self._stopping.wait(idle_s)
        log.info("worker stopped", worker=self.name)

    def run_due(self) -> int:
        """Do everything that is due at this moment, and what that makes due; answers how many steps that were."""
        done = 0
        while (count := self._round()) and not self._stopping.is_set():
            done += count
        return done

    def _round(self) -> int:
        """A few turns for each kind that has something due; answers how many steps were taken on."""
        with self._app.reading() as connection:
            kinds = jobs.ready(connection, list(self._steps), self._app.clock.now())
        return sum(self._turns(kind, self._steps[kind]) for kind in kinds)

    def _turns(self, kind: str, step: Step) -> int:
        taken = 0
        for _ in range(step.turns):
            if self._stopping.is_set():
                break
            with self._app.writing() as connection:
                leased = jobs.lease(connection, self.name, self._app.clock.now(), step.at_once, kind)
            if leased:
                self._do(step, leased)
                taken += len(leased)
            if len(leased) < step.at_once:
                break
        return taken

    def _do(self, step: Step, leased: Sequence[Job]) -> None:
        """Together if that works, else one by one, so that a bad one spoils no other."""
        try:
            step.handler(Lease(self._app.engine, self._app.clock, self.name, leased))
        except Exception as error:  # noqa: BLE001 - whatever it was, the step is tried again and then parked
            if len(leased) == 1:
                self._failed(leased[0], error)
                return
            log.warning("shared step failed, each runs alone", kind=leased[0].kind, jobs=len(leased), error=str(error))
            for job in leased:
                self._do(step, [job])

    def _failed(self, job: Job, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        with self._app.writing() as connection:
            now, hopeless = self._app.clock.now(), isinstance(error, Hopeless)
            parked = jobs.fail(connection, self.name, job, reason, now, hopeless=hopeless)
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
