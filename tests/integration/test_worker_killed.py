"""A worker that is killed, by SIGKILL in a process of its own, at the worst moments; on both databases."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing.jobs import LEASE_S
from tests.integration.telling import NOON, Town, town

pytestmark = pytest.mark.crash

# What the doomed process runs: the product's own worker and outbox, and a death at the moment that is named.
DOOMED = """
import os, signal, sys
from pathlib import Path
from api.channels.mail import Mail
from api.channels.outbox import OutboxFolder
from api.settings import Settings
from api.wiring import running
from api.worker import Worker
from billing import jobs
from sessions.clock import FixedClock

url, outbox, now, moment = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

class Outbox(OutboxFolder):
    def send(self, id_, message):
        if moment == "before the channel accepts":
            die()
        reference = super().send(id_, message)
        if moment == "after the channel accepted":
            die()
        return reference

settings = Settings(database_url=url, outbox=Path(outbox))
with running(settings, FixedClock(int(now))) as app:
    if moment == "before the commit":
        jobs.Turn.ended = die
    Worker(app, [Mail(Outbox(settings.outbox), settings.sender)]).run_due()
"""


def let_a_worker_die(here: Town, moment: str) -> None:
    arguments = [here.app.settings.database_url, str(here.outbox), str(here.clock.now()), moment]
    died = subprocess.run([sys.executable, "-c", DOOMED, *arguments], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr


@pytest.mark.parametrize(
    ("moment", "mails"),
    [
        ("before the commit", 1),  # of its very first step: the others are free
        ("before the channel accepts", 0),  # what the dead one held is its own until the lease runs out
        ("after the channel accepted", 1),
    ],
)
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    database_url: str, tmp_path: Path, moment: str, mails: int
) -> None:
    with town(database_url, tmp_path / "outbox") as here:
        here.a_stay(600)
        let_a_worker_die(here, moment)
        here.work()
        assert len(here.mails()) == mails
        here.work(here.clock.now() + LEASE_S)
        (notice,), (mail,) = here.told(), here.mails()
        assert notice.subject == "You pay $2.00 at Harbour"
        assert mail["Message-ID"] == f"<{notice.id}@localhost>"
        assert [file.name for file in here.outbox.iterdir()] == [f"{notice.id}.eml"]
        assert [key.partition(":")[0] for key in here.waiting() if not key.startswith("time_out")] == ["finalise"]


def test_a_notice_accepted_by_a_channel_but_not_by_us_counts_from_the_second_time(
    database_url: str, tmp_path: Path
) -> None:
    """The later moment is the cheaper one: in doubt the owner does not pay."""
    with town(database_url, tmp_path / "outbox") as here:
        here.fill()
        let_a_worker_die(here, "after the channel accepted")
        assert (len(here.mails()), here.facts()) == (1, [])
        here.work(here.clock.now() + LEASE_S)
        assert [fact.starts_at for fact in here.facts()] == [NOON + 1800 + LEASE_S]
        assert len(here.mails()) == 1
