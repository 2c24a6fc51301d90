"""Questions about sessions and decisions on them, from the command line."""

import json
from pathlib import Path

import pytest

from sessions.clock import SystemClock
from sessions.events import rfc3339
from tests.integration.command_line import Shell, a_stay, write_lines


@pytest.fixture
def shell(database_url: str) -> Shell:
    return Shell(database_url)


@pytest.fixture
def lite(sqlite_url: str) -> Shell:
    """For what has nothing to do with the kind of database."""
    return Shell(sqlite_url)


@pytest.fixture
def billed(shell: Shell, tmp_path: Path) -> Shell:
    """A network with one session of $2.00 of ann's, `st-1/s1`, and one of $4.00 that nobody claimed, `st-1/s2`."""
    shell.ok("owner", "add", "ann", "--name", "Ann")
    shell.ok("token", "add", "ANN", "--owner", "ann")
    events = [*a_stay("s1", 600, token="ANN"), *a_stay("s2", 900, day=2, token="BOB")]
    shell.ok("import", write_lines(tmp_path / "events.jsonl", events))
    return shell


def test_explain_says_the_fee_in_sentences_and_shows_every_event(billed: Shell) -> None:
    said = billed.ok("explain", "st-1/s1").out
    assert "$2.00" in said
    assert "5 minutes at $0.40 make $2.00." in said
    assert "Posted: $2.00, owner ann." in said
    assert "█" in said
    view = billed.json("explain", "s2")
    assert (view["session"], view["posted"]["fee_minor"], view["posted"]["owner"]) == ("st-1/s2", 4_00, None)
    assert [event["type"] for event in view["events"]] == [
        "plugged_in",
        "charging_started",
        "charge_complete",
        "unplugged",
    ]
    assert view["report"]["billed_s"] == 600


def test_explain_names_the_reason_of_an_ignored_event(lite: Shell, tmp_path: Path) -> None:
    stay = a_stay("s1", 600)
    early = stay[2].replace("charge_complete", "x", 1).replace("10:30:00", "10:00:05")
    lite.ok("import", write_lines(tmp_path / "events.jsonl", [*stay, early]))
    assert "ignored: no energy had flowed" in lite.ok("explain", "s1").out
    ignored = [event["ignored"] for event in lite.json("explain", "s1")["events"]]
    assert ignored == [None, "before_energy", None, None, None]


def test_a_session_without_a_plug_in_is_explained_too(lite: Shell, tmp_path: Path) -> None:
    lite.ok("import", write_lines(tmp_path / "events.jsonl", a_stay("s1", 600)[1:]))
    assert "never reported that a car was plugged in" in lite.ok("explain", "s1").out


def test_a_session_name_of_several_stations_must_be_told_apart(lite: Shell, tmp_path: Path) -> None:
    events = [*a_stay("s1", 600), *a_stay("s1", 600, station="st-2")]
    lite.ok("import", write_lines(tmp_path / "events.jsonl", events))
    ran = lite("explain", "s1")
    assert (ran.code, "st-1/s1, st-2/s1" in ran.err) == (1, True)


def test_find_knows_tokens_plates_owners_and_sessions(billed: Shell) -> None:
    billed.ok("vehicle", "add", "B-AB 12", "--owner", "ann")
    billed.ok("vehicle", "add", "B-CD 34", "--owner", "ann", "--token", "ANN")
    for name in ("ANN", "B-AB 12", "B-CD 34", "ann", "s1", "st-1/s1"):
        assert [row["session"] for row in billed.json("find", name)] == ["st-1/s1"], name
    assert [row["owner"] for row in billed.json("find", "BOB")] == [None]
    assert "$2.00" in billed.ok("find", "ANN").out
    assert billed("find", "nobody", "--json").json == []


def test_a_waiver_takes_part_of_a_fee_or_all_of_it(billed: Shell) -> None:
    part = billed.json("waive", "s1", "--amount", "0.50", "--reason", "long queue")
    assert [(one["before_minor"], one["after_minor"]) for one in part["settlements"]] == [(2_00, 1_50)]
    assert "$1.50 → $0.00, owner ann" in billed.ok("waive", "s1", "--reason", "long queue").out
    assert "Waived: $2.00" in billed.ok("explain", "s1").out


@pytest.mark.parametrize(
    ("amount", "says"), [("0.505", "2 digits"), ("lots", "such as 2.50"), ("-1", "above zero"), ("NaN", "such as")]
)
def test_an_amount_that_is_none_waives_nothing(lite: Shell, tmp_path: Path, amount: str, says: str) -> None:
    lite.ok("import", write_lines(tmp_path / "events.jsonl", a_stay("s1", 600)))
    ran = lite("waive", "s1", "--amount", amount, "--reason", "x")
    assert (ran.code, says in ran.err, ran.err.count("\n")) == (2, True, 1)
    assert lite.json("explain", "s1")["posted"]["fee_minor"] == 2_00


def test_a_decision_without_a_reason_is_refused(lite: Shell, tmp_path: Path) -> None:
    lite.ok("import", write_lines(tmp_path / "events.jsonl", a_stay("s1", 600)))
    ran = lite("waive", "s1", "--reason", "  ")
    assert (ran.code, "say why" in ran.err) == (2, True)


def test_an_excuse_settles_every_session_it_touches(billed: Shell) -> None:
    begins, ends = "2025-05-01T10:36:00Z", "2025-05-01T12:36:00+02:00"
    empty = billed("excuse", "--site", "site", "--from", begins, "--to", ends, "--reason", "snow")
    assert (empty.code, "later than --from" in empty.err) == (2, True)
    done = billed.json("excuse", "--site", "site", "--from", begins, "--to", "2025-05-01T10:38:00Z", "--reason", "snow")
    assert [(one["session"], one["after_minor"]) for one in done["settlements"]] == [("st-1/s1", 1_20)]
    stall = ("excuse", "--stall", "st-1/1", "--from", "2025-05-02T10:00:00Z", "--to", "2025-05-02T12:00:00Z")
    assert [one["after_minor"] for one in billed.json(*stall, "--reason", "stuck cable")["settlements"]] == [0]
    assert billed(*stall, "--site", "site", "--reason", "both").code == 2


def test_a_voided_event_counts_for_nothing(billed: Shell) -> None:
    done = billed.json("void", "st-1", "s1-charge_complete", "--reason", "a test of the station's maker")
    assert [(one["before_minor"], one["after_minor"]) for one in done["settlements"]] == [(2_00, 0)]
    assert "an operator voided it" in billed.ok("explain", "s1").out


def test_a_claim_moves_a_fee_and_can_be_taken_back(billed: Shell) -> None:
    assert "owner ann" in billed.ok("claim", "s2", "--owner", "ann", "--reason", "she called").out
    assert billed.json("owner", "list")[0]["owes_minor"] == {"USD": 6_00}
    billed.ok("claim", "s2", "--nobody", "--reason", "it was her neighbour")
    assert billed.json("owner", "list")[0]["owes_minor"] == {"USD": 2_00}
    assert billed("claim", "s2", "--reason", "nobody named").code == 2


def test_a_stall_out_of_service_is_recorded(billed: Shell) -> None:
    done = billed.json("out-of-service", "st-1/1", "--from", "2025-05-01T00:00:00Z", "--reason", "broken")
    assert done["recorded"] is True
    assert billed("out-of-service", "st-1/9", "--reason", "broken").code == 1
    mended = ("back-in-service", "st-1/1", "--reason", "mended")
    assert billed.json(*mended, "--at", "2025-05-02T00:00:00Z")["recorded"] is True
    refused = billed(*mended)
    assert (refused.code, refused.err.count("until further notice")) == (1, 1)


def test_what_waits_in_review_is_listed_released_and_rejected(shell: Shell, tmp_path: Path) -> None:
    tariff = tmp_path / "careful.toml"
    tariff.write_text(
        'name = "careful"\ncurrency = "EUR"\nrate_minor_per_minute = 50\nreview_above_minor = 100\n', encoding="utf-8"
    )
    shell.ok("tariff", "add", tariff)
    shell.ok("site", "add", "mill", "--tariff", "careful")
    events = [*a_stay("s1", 600), *a_stay("s2", 900, day=2)]
    imported = shell.json("import", write_lines(tmp_path / "events.jsonl", events))
    assert (imported["in_review"], imported["total_minor"], imported["currency"]) == (2, 0, "EUR")
    assert [row["computed_minor"] for row in shell.json("review", "list")] == [2_50, 5_00]
    assert "€2.50" in shell.ok("review", "list").out
    shell.ok("review", "release", "s1", "--reason", "checked")
    shell.ok("review", "reject", "s2", "--reason", "the cable was stuck")
    assert shell.json("review", "list") == []
    assert "Nothing waits" in shell.ok("review", "list").out
    fees = {row["session"]: row["fee_minor"] for name in ("s1", "s2") for row in shell.json("find", name)}
    assert fees == {"st-1/s1": 2_50, "st-1/s2": 0}
    assert shell("review", "release", "s2", "--reason", "again").code == 1


def test_a_session_that_is_not_over_is_found_as_one(lite: Shell, tmp_path: Path) -> None:
    plugged_in = json.loads(a_stay("s1", 600)[0]) | {"at": rfc3339(SystemClock().now() - 60)}
    lite.ok("import", write_lines(tmp_path / "e.jsonl", [json.dumps(plugged_in)]), "--site", "depot")

    assert "not over yet" in lite.ok("find", "s1").out
    assert lite.json("find", "s1")[0]["not_billable"] is None


def test_explain_leaves_out_the_stalls_faults_of_other_days(lite: Shell, tmp_path: Path) -> None:
    faults = [
        {"id": f"f-{day}-{kind}", "station": "st-1", "stall": "1", "type": kind, "cause": "ground"}
        | {"at": f"2025-05-{day:02}T10:{minute}:00Z"}
        for day in (1, 2, 3)
        for kind, minute in (("station_fault", 40), ("station_restored", 42))
    ]
    lines = [*a_stay("s1", 900, day=2), *map(json.dumps, faults)]
    lite.ok("import", write_lines(tmp_path / "e.jsonl", lines), "--site", "depot")

    named = [event["id"] for event in lite.json("explain", "s1")["events"]]
    assert named[-3:] == ["f-2-station_fault", "f-2-station_restored", "s1-unplugged"]
    assert not {"f-1-station_fault", "f-3-station_fault"} & set(named)
