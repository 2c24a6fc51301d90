"""Stories whose outcome hangs on who else is looked at again: told one event or decision at a time, in the order that
is worst for them, with the slow model looking on after each.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.databases import PostgresDatabases, SqliteDatabases
from tests.model.events import Fact, World
from tests.model.stories import STANDARD
from tests.model.tight import BEGIN
from tests.properties.driving import Books
from tests.properties.witness import HOUR_S, Witness

ST = "north-1"
A, B = (ST, "a"), (ST, "b")


def world(**tariff: Any) -> World:
    """Two stalls; every idle second counts, and every minute begun costs 40."""
    plain = {**STANDARD, "grace_s": 0, "fragment": "started", **tariff}
    return {
        "sites": {"north": {"zone": "Europe/Berlin", "stalls": [(ST, "1"), (ST, "2")]}},
        "stations": {ST: "north"},
        "tariffs": {"standard": plain, "dear": {**plain, "rate_minor_per_minute": 100}},
        "tokens": [{"token": "t1", "owner": "ada", "from": None, "to": None}],
        "session_timeout_s": 24 * HOUR_S,
    }


FULL = world(tiers=[(100, 90)])  # 90 while both stalls are taken


def tells(kind: str, at_s: int, session: str | None = "a", stall: str | None = "1", **more: Any) -> Fact:
    return {
        "kind": "event",
        "id": f"{kind}-{session}-{stall}-{at_s}",
        "station": ST,
        "stall": stall,
        "session": session,
        "type": kind,
        "at": BEGIN + at_s,
        "seq": None,
        "cause": None,
        "token": None,
        "sent_at": None,
        "replayed": False,
        "imported": False,
        **more,
    }


def full_at(at_s: int, session: str = "a", stall: str = "1", **more: Any) -> list[Fact]:
    """Plugged in 100 s before the car is full at `at_s`."""
    return [
        tells("plugged_in", at_s - 100, session, stall, **more),
        tells("charging_started", at_s - 90, session, stall),
        tells("charge_complete", at_s, session, stall),
    ]


def stay(at_s: int, until_s: int, session: str = "a", stall: str = "1") -> list[Fact]:
    return [*full_at(at_s, session, stall), tells("unplugged", until_s, session, stall)]


def void(event: Fact) -> Fact:
    return {"kind": "void", "station": ST, "id": event["id"]}


def excuse(start_s: int, end_s: int) -> Fact:
    return {"kind": "excuse", "site": "north", "stall": None, "start": BEGIN + start_s, "end": BEGIN + end_s}


def rerated(tariff: str) -> Fact:
    return {"kind": "rerate", "site": "north", "from": BEGIN - 60, "to": BEGIN + 60, "tariff": tariff}


def waived(amount_minor: int) -> Fact:
    return {"kind": "waiver", "session": A, "amount_minor": amount_minor}


def again(event: Fact, **other: Any) -> Fact:
    """Another content under the same id."""
    return {**event, **other}


Review = Callable[[Witness], None]


def release(witness: Witness) -> None:
    witness.review(A, "release")


def reject(witness: Witness) -> None:
    witness.review(A, "reject")


def a_day(witness: Witness) -> None:
    witness.pass_time(25 * HOUR_S)


def three_days(witness: Witness) -> None:
    witness.pass_time(73 * HOUR_S)


def a_day_after(at_s: int) -> Review:
    return lambda witness: witness.pass_time(BEGIN + 24 * HOUR_S + at_s - witness.now)


Step = Fact | Review
LAST = tells("unplugged", 300)
NEXT = tells("plugged_in", 200, "b")
MOVED = tells("plugged_in", 150, "b", "2")
WORD = tells("meter", 4000, None)
CONTRADICTED: list[Step] = [*full_at(100), tells("meter", 160, None), WORD, a_day_after(100)]
CONTRADICTED += [again(WORD, at=BEGIN + 3000), a_day_after(161)]

# What is told, and what a's fee comes to in the end.
STORIES: dict[str, tuple[World, list[Step], int]] = {
    "a fault in the second of the unplug takes away its seq": (
        world(),
        [
            *(tells(kind, at_s, seq=1) for kind, at_s in (("plugged_in", 0), ("charging_started", 10))),
            tells("charge_complete", 300, seq=2),
            tells("unplugged", 300, seq=1),
            tells("station_fault", 300, None, cause="x"),
        ],
        0,
    ),
    "who names a stall by a second plug-in ends nobody there": (
        world(),
        [*full_at(100), tells("meter", 400, None), a_day, NEXT, tells("plugged_in", 50, "b", "2")],
        5 * 40,
    ),
    "a plug-in that moves lets the one before go on": (
        world(),
        [*full_at(100), tells("meter", 190, None), tells("meter", 400, None), NEXT, a_day, MOVED],
        5 * 40,
    ),
    "a plug-in that moves here ends the one before": (
        world(),
        [
            *(*full_at(100), tells("meter", 130, None), tells("meter", 400, None), MOVED),
            *(a_day, tells("plugged_in", 140, "b")),
        ],
        40,
    ),
    "a voided plug-in lets the one before go on": (
        world(),
        [*full_at(100), tells("meter", 190, None), tells("meter", 400, None), NEXT, a_day, void(NEXT)],
        5 * 40,
    ),
    "a word that is contradicted was none, and silence is sooner": (world(), CONTRADICTED, 40),
    "a neighbour makes the site full": (FULL, [*stay(100, 300), *stay(150, 260, "b", "2")], 2 * 90 + 2 * 40),
    "a neighbour that never was does not": (
        FULL,
        [*stay(100, 300), *stay(150, 260, "b", "2"), void(tells("plugged_in", 50, "b", "2"))],
        4 * 40,
    ),
    "a neighbour that leaves late makes it dearer": (
        FULL,
        [*stay(100, 300), *full_at(150, "b", "2"), tells("unplugged", 400, "b", "2")],
        4 * 90,
    ),
    "a neighbour that fell silent stood there until its last word": (
        FULL,
        [tells("plugged_in", 50, "b", "2"), *stay(100, 300), tells("meter", 230, None, "2"), a_day],
        2 * 90 + 2 * 40,
    ),
    "a neighbour on another stall after all": (
        FULL,
        [*stay(100, 300), tells("plugged_in", 60, "b", "2"), tells("plugged_in", 40, "b", "1")],
        4 * 40,
    ),
    "a neighbour's clock moves it": (
        FULL,
        [*stay(100, 300), *stay(150, 260, "b", "2"), tells("meter", 200, "b", "2", sent_at=BEGIN - 3600)],
        4 * 40,
    ),
    "a stall nobody knew of is one more in service": (
        FULL,
        [*stay(100, 300), *stay(150, 260, "b", "2"), tells("meter", 5, None, "3")],
        4 * 40,
    ),
    "a plug-in that is voided takes the fee along": (world(), [*stay(100, 300), void(tells("plugged_in", 0))], 0),
    "running again it costs no more until it ends, here by silence": (
        world(),
        [*stay(100, 300), void(LAST), tells("meter", 500, None)],
        7 * 40,
    ),
    "ended again it costs what it should": (
        world(),
        [*stay(100, 300), void(LAST), tells("meter", 500, None), tells("unplugged", 700)],
        10 * 40,
    ),
    "in doubt it falls and does not rise": (
        world(),
        [*stay(100, 300), tells("meter", 110), again(tells("meter", 110), at=BEGIN + 111), excuse(100, 200)],
        2 * 40,
    ),
    "what was released stays released": (
        world(),
        [
            *stay(100, 300),
            *(again(tells("meter", 110), at=BEGIN + at_s) for at_s in (110, 111)),
            void(LAST),
            tells("unplugged", 400),
            release,
            excuse(100, 200),
            void(tells("unplugged", 400)),
            tells("unplugged", 900),
        ],
        5 * 40,
    ),
    "rejected it costs nothing whatever comes": (
        world(review_above_minor=100),
        [*stay(100, 300), reject, void(LAST), tells("unplugged", 160)],
        0,
    ),
    "final it falls by itself": (world(), [*stay(100, 300), three_days, three_days, excuse(100, 200)], 2 * 40),
    "final it does not rise": (
        world(),
        [*stay(100, 300), three_days, three_days, void(LAST), tells("unplugged", 900)],
        0,
    ),
    "the last order holds": (world(), [*stay(100, 300), *map(rerated, ("dear", "standard", "dear"))], 4 * 100),
    "an order is taken back by the next": (world(), [*stay(100, 300), *map(rerated, ("dear", "standard"))], 4 * 40),
    "a waiver pays nobody": (world(), [*stay(100, 300), waived(40), waived(400), excuse(100, 200)], 0),
    "waivers add up": (world(), [*stay(100, 300), waived(40), waived(1)], 3 * 40 - 1),
    "a token named where it means nothing is not named": (
        world(),
        [*stay(100, 300), tells("charge_complete", 120, token="t1")],
        4 * 40,
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_told_one_by_one(story: str, sqlite_databases: SqliteDatabases) -> None:
    books = books_after(story, sqlite_databases)
    assert books.charges[f"{ST}/a"].fee_minor == STORIES[story][2]


def test_told_one_by_one_on_postgresql(postgres_databases: PostgresDatabases) -> None:
    """A few, those that lean on queries the most."""
    for story in list(STORIES)[:4]:
        books = books_after(story, postgres_databases)
        assert books.charges[f"{ST}/a"].fee_minor == STORIES[story][2], story


def books_after(story: str, databases: SqliteDatabases | PostgresDatabases) -> Books:
    here, steps, _ = STORIES[story]
    with databases.migrated() as url:
        witness = Witness(url, deepcopy(here), BEGIN + 2 * HOUR_S)
        try:
            witness.decide({"kind": "assign", "site": "north", "tariff": "standard", "from": None})
            for step in steps:
                if callable(step):
                    step(witness)
                elif step["kind"] == "event":
                    witness.take([step])
                else:
                    witness.decide(step)
            witness.end()
            return witness.product.books()
        finally:
            witness.close()
