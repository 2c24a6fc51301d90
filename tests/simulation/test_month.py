"""A month of failures, refunds and disputes, at whose end every book agrees to the cent.

Everyday with a few owners; `make soak` with a thousand, or as many as `IDLEFEE_OWNERS` says.
"""

import os
from pathlib import Path

from tests.simulation.month import month
from tests.simulation.proof import figures, prove
from tests.simulation.trouble import Trouble

SOAK = os.environ.get("IDLEFEE_TESTS") == "soak"
OWNERS = int(os.environ.get("IDLEFEE_OWNERS", "1000")) if SOAK else 12
DAYS, A_DAY = (30, 0.04) if SOAK else (4, 0.3)
SEED = 4


def test_a_month_closes_to_the_cent(tmp_path: Path) -> None:
    with month(f"sqlite:///{tmp_path / 'month.db'}", OWNERS, SEED, A_DAY) as here:
        here.begin()
        trouble = Trouble(here)
        trouble.live(DAYS)
        print(figures(here))  # noqa: T201 - what `make soak` is asked for
        prove(here, trouble.unexplained)
