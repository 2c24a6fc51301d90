"""Sessions that real stations recorded bill to the cent, on both databases.

The data are not ours to pass on: they lie beside the project, or nowhere, and then these tests are skipped.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import select

from api.imports import import_file
from api.settings import Settings
from api.wiring import Idlefee, running
from billing.assignments import assign, latest
from billing.ledger import Account, trial_balance
from billing.store.tables import charges, entries, jobs, transfers
from sessions.clock import FixedClock
from sessions.events import SessionEvent
from sessions.intake import Status, Upload
from sessions.sites import add_seller, add_site, add_station
from sessions.store.tables import sessions

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NOW_S = 1_767_225_600  # 2026-01-01T00:00:00Z: long after every session recorded

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the real charging data are not here: {DATA.name} belongs beside the project, in shared/"
)


class Recorded(NamedTuple):
    """What the data's own README says of a file."""

    file: str
    sessions: int
    not_billable: dict[str, int]
    billable: int
    unclaimed: int
    charged: dict[str, int]
    total_minor: dict[str, int]
    unclaimed_minor: int  # under `deduct_completed`


CALTECH = Recorded(
    file="acn_caltech_2020/acndata_sessions.json",
    sessions=2_475,
    not_billable={"complete_after_unplug": 61, "no_completion": 443},
    billable=1_971,
    unclaimed=439,
    charged={"deduct_completed": 1_496},
    total_minor={
        "deduct_completed": 144_454_00,
        "deduct_started": 145_046_80,
        "waive_completed": 147_464_00,
    },
    unclaimed_minor=12_692_40,
)
JPL = Recorded(
    file="acn_jpl_week_sep2021/last_week.json",
    sessions=232,
    not_billable={"complete_after_unplug": 4},
    billable=228,
    unclaimed=13,
    charged={"deduct_completed": 160},
    total_minor={
        "deduct_completed": 12_942_00,
        "deduct_started": 13_004_80,
        "waive_completed": 13_262_00,
    },
    unclaimed_minor=471_20,
)
TARIFFS = ("deduct_completed", "deduct_started", "waive_completed")


def expected_fees(recorded: Recorded, tariff: str) -> dict[str, int]:
    with (DATA / recorded.file).with_name("expected_fees.csv").open(encoding="utf-8", newline="") as file:
        return {row["session"]: int(row[f"{tariff}_cents"]) for row in csv.DictReader(file)}


def expected_idle_s(recorded: Recorded) -> dict[str, int]:
    """Seconds from completion to unplug, of those sessions that can be billed."""
    with (DATA / recorded.file).with_name("expected_fees.csv").open(encoding="utf-8", newline="") as file:
        idle = {row["session"]: row["idle_seconds"] for row in csv.DictReader(file)}
    return {session: int(seconds) for session, seconds in idle.items() if seconds and int(seconds) >= 0}


def fees_of(app: Idlefee) -> dict[str, int]:
    """The posted fee of every session, by the station's own name for it."""
    with app.reading() as connection:
        rows = connection.execute(select(charges.c.session_id, charges.c.fee_minor)).all()
    return {session_id.split("/", 1)[1]: fee_minor for session_id, fee_minor in rows}


@pytest.mark.parametrize("tariff", TARIFFS)
@pytest.mark.parametrize("recorded", [CALTECH, JPL], ids=["caltech", "jpl"])
def test_every_recorded_session_bills_to_the_cent(database_url: str, recorded: Recorded, tariff: str) -> None:
    with running(Settings(database_url=database_url), FixedClock(NOW_S)) as app:
        imported = import_file(app, DATA / recorded.file, tariff=tariff)
        assert imported.problems == []
        assert fees_of(app) == expected_fees(recorded, tariff)

        summary = imported.summary
        assert (summary.sessions, summary.billable, summary.running) == (recorded.sessions, recorded.billable, 0)
        assert dict(summary.not_billable) == recorded.not_billable
        assert summary.unclaimed == recorded.unclaimed
        assert dict(summary.total_minor) == {"USD": recorded.total_minor[tariff]}
        if tariff in recorded.charged:
            assert summary.charged == recorded.charged[tariff]
            assert dict(summary.unclaimed_minor) == {"USD": recorded.unclaimed_minor}

        with app.reading() as connection:
            balances = {row.account: row.balance_minor for row in trial_balance(connection)}
        claimed = recorded.total_minor[tariff] - summary.unclaimed_minor["USD"]
        assert balances == {
            Account.RECEIVABLE: claimed,
            Account.REVENUE: -claimed,
            Account.UNCLAIMED: summary.unclaimed_minor["USD"],
            Account.DEFERRED: -summary.unclaimed_minor["USD"],
        }


def test_the_default_tariff_is_the_one_that_deducts_completed_minutes(database_url: str) -> None:
    with running(Settings(database_url=database_url), FixedClock(NOW_S)) as app:
        imported = import_file(app, DATA / JPL.file)
        assert imported.summary.total_minor["USD"] == JPL.total_minor["deduct_completed"]
        assert fees_of(app) == expected_fees(JPL, "deduct_completed")


def test_idle_seconds_are_those_of_the_record_and_none_before_the_plug_in(database_url: str) -> None:
    with running(Settings(database_url=database_url), FixedClock(NOW_S)) as app:
        import_file(app, DATA / CALTECH.file)
        with app.reading() as connection:
            rows = connection.execute(
                select(sessions.c.id, sessions.c.complete_s).where(sessions.c.not_billable.is_(None))
            ).all()
    before_arrival = "2_39_78_366_2020-03-12 20:20:14.592808"  # complete 9 s before it was plugged in
    expected = expected_idle_s(CALTECH) | {before_arrival: 14_517}
    assert {session_id.split("/", 1)[1]: complete_s for session_id, complete_s in rows} == expected


def test_a_second_import_changes_nothing_and_nobody_is_told(database_url: str) -> None:
    with running(Settings(database_url=database_url), FixedClock(NOW_S)) as app:
        first = import_file(app, DATA / JPL.file)
        before = snapshot(app)
        second = import_file(app, DATA / JPL.file, tariff="standard")
        assert (first.changed, second.changed) == (True, False)
        assert (second.new_events, second.known_events) == (0, first.new_events)
        assert second.summary == first.summary
        assert snapshot(app) == before
        with app.reading() as connection:
            assert set(connection.execute(select(jobs.c.kind)).scalars()) == {"finalise", "invoice"}


def snapshot(app: Idlefee) -> list[list[tuple[object, ...]]]:
    with app.reading() as connection:
        return [
            sorted(map(tuple, connection.execute(select(table)).all()), key=repr)
            for table in (transfers, entries, charges, jobs)
        ]


# One session of a Hager station, OCPP 1.6, read off the station's log by hand. The log names no zone: UTC here.
HAGER = [
    ("plugged_in", "2024-04-29T05:26:23Z"),  # "Vehicle connection"; the cable was in the socket 5 s before
    ("station_fault", "2024-04-29T05:27:04Z"),  # Suspended EVSE: the station holds back…
    ("charge_complete", "2024-04-29T05:27:05Z"),  # …and Suspended EV, before any energy: no completion
    ("station_restored", "2024-04-29T05:27:05Z"),
    ("charging_started", "2024-04-29T05:27:11Z"),
    ("charging_started", "2024-04-29T05:27:14Z"),  # told twice
    ("charge_complete", "2024-04-29T09:09:16Z"),  # Suspended EV: the car asks for no more
    ("unplugged", "2024-04-29T10:31:46Z"),  # "Vehicle disconnection"; the cable left the socket 7 s later
]


@pytest.mark.parametrize(
    ("tariff", "fee_minor"), [("deduct_completed", 30_80), ("deduct_started", 31_20), ("waive_completed", 32_80)]
)
def test_the_hager_session_is_billed_from_its_second_suspension(database_url: str, tariff: str, fee_minor: int) -> None:
    events = [
        SessionEvent.model_validate(
            {"id": f"e-{number}", "station": "hager", "stall": "3", "session": "1", "type": kind, "at": at}
            | ({"cause": "suspended_evse"} if kind.startswith("station_") else {})
        )
        for number, (kind, at) in enumerate(HAGER)
    ]
    with running(Settings(database_url=database_url), FixedClock(NOW_S)) as app:
        with app.writing() as connection:
            add_seller(connection, "seller", "Seller", "Europe/Paris", NOW_S)
            add_site(connection, "site", "seller", "Site", "Europe/Paris", NOW_S)
            add_station(connection, "hager", "site", NOW_S)
            assign(connection, "site", latest(connection, tariff), author="test", reason="test", now=NOW_S)
        results = app.intake.submit(Upload(events, "test", imported=True)).result()
        assert {result.status for result in results} == {Status.ACCEPTED}
        with app.reading() as connection:
            session = connection.execute(select(sessions.c.completed_at, sessions.c.complete_s)).one()
        assert session.complete_s == 4_950
        assert fees_of(app) == {"1": fee_minor}
