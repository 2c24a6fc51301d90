"""Whatever a car does, whenever the worker comes and however late an event: no notice tells of a fee that the bill does
not know, names a deadline after the first charged second, or tells one moment twice.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from billing.money import format_money
from billing.notices import Notice, notices_of_session
from billing.notices.kinds import CHARGE_COMPLETE, FEE_BEGUN, FEE_STEP, ONE_MINUTE_LEFT
from billing.notices.moments import unmoved
from billing.rating import FeeReport, rate
from billing.settle import assess
from billing.store.tables import jobs
from sessions.folding import fold_sessions
from sessions.grace import IDLE
from sessions.store.queries import SessionKey
from tests.integration.telling import DAY_S, NOON, Town, town

BERLIN = ZoneInfo("Europe/Berlin")
DEADLINE = re.compile(r"[Mm]ove (?:it|your car) by (\d\d):(\d\d)")


class Happening(NamedTuple):
    """What the car or its charger does so many seconds after the one before, and how late the station says so."""

    after_s: int
    kind: str
    late_s: int


happenings = st.builds(
    Happening,
    st.integers(1, 700),
    st.sampled_from(["charging_resumed", "charge_complete", "charge_complete", "station_fault", "station_restored"]),
    st.sampled_from([0, 0, 0, 5, 90, 400]),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("any-order")
    with town(f"sqlite:///{folder}/any.db", folder / "outbox") as found:
        yield found


@settings(
    max_examples=settings().max_examples // 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(happenings, max_size=7),
    st.lists(st.integers(1, 900), min_size=1, max_size=12),
    st.booleans(),
)
def test_no_notice_says_more_than_the_bill(place: Town, story: list[Happening], looks: list[int], leaves: bool) -> None:
    begins = place.clock.now() - NOON + DAY_S
    name = f"session-{begins}"
    uploads, at = [], begins + 1800
    for one in [Happening(0, "charge_complete", 0), *story]:
        at += one.after_s
        uploads.append((at + one.late_s, at, one.kind))
    if leaves:
        uploads.append((at + 1000, at + 1000, "unplugged"))
    comes, coming = [], begins + 1800
    for gap in looks:
        coming += gap
        comes.append((coming, coming, "work"))
    place.post("plugged_in", begins, session=name, token="ANN")
    place.post("charging_started", begins + 10, session=name)
    key = SessionKey("harbour", f"s1/{name}")
    for now, happened_at, kind in sorted([*uploads, *comes]):
        place.at(max(NOON + now, place.clock.now()))
        if kind == "work":
            look(place, key)
        else:
            more = {"cause": "outage"} if kind.startswith("station") else {}
            place.upload([place.event(kind, happened_at, session=name, **more)])
    told = notices(place, key)
    for kind in (ONE_MINUTE_LEFT, FEE_BEGUN, FEE_STEP):
        moments = [one.created_at for one in told if one.kind == kind]
        assert all(later - earlier >= 60 for earlier, later in pairwise(moments)), (kind, moments)
    if not leaves:
        place.at(place.clock.now() + 10)
        place.upload([place.event("unplugged", place.clock.now() - NOON, session=name)])


def look(place: Town, key: SessionKey) -> None:
    """The worker comes; whatever it tells must be so."""
    known = {one.id for one in notices(place, key)}
    place.work()
    with place.app.reading() as connection:
        assert connection.execute(select(jobs.c.key).where(jobs.c.last_error.is_not(None))).all() == []
    for one in notices(place, key):
        if one.id not in known:
            must_be_so(place, key, one)


def notices(place: Town, key: SessionKey) -> list[Notice]:
    with place.app.reading() as connection:
        return notices_of_session(connection, key)


def must_be_so(place: Town, key: SessionKey, notice: Notice) -> None:
    now = place.clock.now()
    so_far, ahead = bills(place, key, now)
    if notice.kind in (FEE_BEGUN, FEE_STEP):
        assert so_far.stays, "no fee runs where no car was full"
        assert f"{format_money(so_far.fee_minor, 'USD')} so far" in notice.body
        assert any(span.label == IDLE and span.start <= now < span.end for span in ahead.stays[-1].spans)
    if notice.kind in (CHARGE_COMPLETE, ONE_MINUTE_LEFT) and (named := DEADLINE.search(notice.body)):
        idle = (span for stay in ahead.stays for span in stay.spans if span.label == IDLE and span.end > now)
        first_charged = max(now, next(idle).start)
        assert datetime.fromtimestamp(first_charged, UTC).astimezone(BERLIN).strftime("%H:%M") == ":".join(
            named.groups()
        )
        assert notice.kind == CHARGE_COMPLETE or 0 < first_charged - now <= 60


def bills(place: Town, key: SessionKey, now: int) -> tuple[FeeReport, FeeReport]:
    """What it costs up to now, and if the car stays for ever, by the facts of this moment."""
    with place.app.reading() as connection:
        (folded,) = fold_sessions(connection, [key], now)
        (one,) = assess(connection, [folded], now)
    name = key.id.partition("/")[2]
    so_far, ahead = (
        rate(unmoved(folded.timeline, name, until), one.tariff, one.context) for until in (now, now + DAY_S)
    )
    return so_far, ahead
