"""`idlefee import`: files in, fees out; what is wrong is named with its line, what is right is not lost."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import SAMPLE, Shell, a_stay, run, write_lines

SAMPLE_TOTAL_MINOR = 179_20  # README shows it

HEADER = "site,zone,station,stall,session,owner,plugged_in,charge_complete,unplugged"
TEN_MINUTES = (
    "mill,Europe/Berlin,m-1,A,s1,ann,2025-05-13T10:00:00+02:00,2025-05-13T11:00:00+02:00,2025-05-13T11:10:00+02:00"
)


@pytest.fixture
def shell(database_url: str) -> Shell:
    return Shell(database_url)


@pytest.fixture
def lite(sqlite_url: str) -> Shell:
    """For what has nothing to do with the kind of database."""
    return Shell(sqlite_url)


def sample_as_events() -> list[str]:
    """The sample as its stations would have told it, one event a line."""
    lines = []
    kinds = {"fault_from": "station_fault", "fault_to": "station_restored"}
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for column in (
                *("plugged_in", "charging_started", "charge_complete"),
                *("fault_from", "fault_to", "unplugged"),
            ):
                if row[column]:
                    kind = kinds.get(column, column)
                    event = {"id": f"{row['session']}-{kind}", "type": kind, "at": row[column]}
                    event |= {name: row[name] for name in ("station", "stall", "session")}
                    if kind == "plugged_in" and row["owner"]:
                        event["token"] = row["owner"]
                    if column in kinds:
                        event["cause"] = row["fault"]
                    lines.append(json.dumps(event))
    return lines


def test_the_sample_comes_to_the_total_that_the_readme_shows(shell: Shell) -> None:
    imported = shell.json("import", SAMPLE)
    assert imported | {"problems": []} == {
        "sessions": 40,
        "billable": 36,
        "charged": 23,
        "running": 0,
        "in_review": 0,
        "not_billable": {"complete_after_unplug": 1, "no_completion": 3},
        "unclaimed": {"sessions": 4, "amount_minor": 8_40},
        "currency": "USD",
        "total_minor": SAMPLE_TOTAL_MINOR,
        "format": "csv",
        "changed": True,
        "new_events": 162,
        "known_events": 0,
        "conflicts": 0,
        "problems": [],
    }
    assert "$179.20" in shell.ok("import", SAMPLE).out
    assert "$179.20" in (SAMPLE.parent / "README.md").read_text(encoding="utf-8")


def test_a_second_import_changes_nothing_and_says_so(shell: Shell) -> None:
    first = shell.json("import", SAMPLE)
    owed = shell.json("owner", "list")
    again = shell.ok("import", SAMPLE)
    assert "Nothing changed" in again.out
    second = shell.json("import", SAMPLE)
    assert second == first | {"changed": False, "new_events": 0, "known_events": first["new_events"]}
    assert shell.json("owner", "list") == owed


def test_shuffled_events_of_the_same_day_make_the_same_bills(shell: Shell, tmp_path: Path) -> None:
    lines = sample_as_events()
    random.Random(7).shuffle(lines)
    imported = shell.json("import", write_lines(tmp_path / "day.jsonl", lines), "--site", "mill-street")
    assert (imported["format"], imported["total_minor"]) == ("jsonl", SAMPLE_TOTAL_MINOR)
    assert imported["not_billable"] == {"complete_after_unplug": 1, "no_completion": 3}


def test_a_token_of_json_lines_stands_for_nobody_until_somebody_is_named(lite: Shell, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "day.jsonl", a_stay("s1", 600, token="ANN"))
    assert lite.json("import", file)["unclaimed"] == {"sessions": 1, "amount_minor": 2_00}
    lite.ok("owner", "add", "ann")
    given = lite.json("token", "add", "ANN", "--owner", "ann")
    assert [(one["owner"], one["after_minor"]) for one in given["settlements"]] == [("ann", 2_00)]
    assert lite.json("import", file)["unclaimed"] == {"sessions": 0, "amount_minor": 0}


def test_a_row_whose_token_was_heard_of_before_claims_what_waited(lite: Shell, tmp_path: Path) -> None:
    lite.ok("site", "add", "mill", "--zone", "Europe/Berlin")
    lite.ok("import", write_lines(tmp_path / "events.jsonl", a_stay("s0", 600, token="ann")))
    table = write_lines(tmp_path / "day.csv", [HEADER, TEN_MINUTES])
    lite.ok("import", table)
    assert [row["owes_minor"] for row in lite.json("owner", "list")] == [{"USD": 4_00}]


def test_bad_rows_are_named_with_their_line_and_good_ones_are_stored(lite: Shell, tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "day.csv",
        [
            HEADER,
            "mill,Europe/Berlin,m-1,A,s0,ann,2025-05-13T10:00:00,,",
            TEN_MINUTES,
            "",
            "mill,Europe/Berlin,m 2,A,s2,ann,2025-05-13T10:00:00+02:00,,",
            "mill,Europe/Berlin,m-3",
            "mill,Nowhere/Here,m-4,A,s4,,2025-05-13T10:00:00+02:00,,",
            "other,Nowhere/Here,m-5,A,s5,,2025-05-13T10:00:00+02:00,,",
            "other,Europe/Berlin,m-1,A,s6,,2025-05-13T10:00:00+02:00,,",
            "mill,Europe/Berlin,m-1,A,s7,,2125-05-13T10:00:00+02:00,,",
        ],
    )
    ran = lite("import", file, "--json")
    assert ran.code == 1
    assert (ran.json["sessions"], ran.json["total_minor"]) == (2, 2_00)  # s1, and s4, whose site has its zone
    assert [(problem["line"], problem["lost"]) for problem in ran.json["problems"]] == [
        (2, True),
        (5, True),
        (6, True),
        (8, True),
        (9, True),
        (10, True),
        (10, True),
    ]
    said = {problem["line"]: problem["message"] for problem in ran.json["problems"]}
    assert "plugged_in must name its UTC offset" in said[2]
    assert "station" in said[5]
    assert "3 cells where the header names 9 columns" in said[6]
    assert "IANA time zone" in said[8]
    assert "m-1 is registered at site mill, not at other" in said[9]
    assert "more than a day ahead" in said[10]
    assert "day.csv line 2: " in ran.err


def test_a_bad_line_of_json_spoils_no_other(lite: Shell, tmp_path: Path) -> None:
    good = a_stay("s1", 600)
    file = write_lines(tmp_path / "day.jsonl", [*good[:2], "{not json", "[]", '{"id": "x"}', *good[2:]])
    ran = lite("import", file, "--json")
    assert (ran.code, ran.json["total_minor"]) == (1, 2_00)
    assert [problem["line"] for problem in ran.json["problems"]] == [3, 4, 5]


def acn(*sessions: dict[str, Any]) -> str:
    return json.dumps({"_meta": {"site": "lot"}, "_items": list(sessions)}, indent=2)


def acn_session(number: int, **changed: object) -> dict[str, object]:
    return {
        "sessionID": f"s{number}",
        "siteID": "0009",
        "stationID": "9-1",
        "spaceID": "L-1",
        "timezone": "America/Los_Angeles",
        "userID": "000000001",
        "connectionTime": f"Wed, {number:02} Jan 2020 18:00:00 GMT",
        "doneChargingTime": f"Wed, {number:02} Jan 2020 19:00:00 GMT",
        "disconnectTime": f"Wed, {number:02} Jan 2020 19:10:00 GMT",
        "kWhDelivered": 12.5,
        "userInputs": None,
    } | changed


def test_a_bad_session_of_acn_data_is_named_with_the_line_it_begins_on(lite: Shell, tmp_path: Path) -> None:
    file = tmp_path / "sessions.json"
    bad = acn_session(2, connectionTime="yesterday", spaceID=7)
    file.write_text(acn(acn_session(1), bad, acn_session(3, userID=None)), encoding="utf-8")
    ran = lite("import", file, "--json")
    assert (ran.code, ran.json["format"], ran.json["sessions"], ran.json["total_minor"]) == (1, "acn", 2, 4_00)
    (problem,) = ran.json["problems"]
    line = file.read_text(encoding="utf-8").splitlines()[problem["line"] - 1 :]
    assert line[0].strip() == "{"
    assert line[1].strip() == '"sessionID": "s2",'
    assert "connectionTime must be a moment such as" in problem["message"]
    assert "spaceID" in problem["message"]
    assert ran.json["unclaimed"] == {"sessions": 1, "amount_minor": 2_00}


def test_the_format_is_told_from_the_content_where_the_name_does_not_tell_it(lite: Shell, tmp_path: Path) -> None:
    contents = {
        "acn": json.dumps({"_items": [acn_session(1)]}),
        "csv": f"{HEADER}\n{TEN_MINUTES}\n",
        "jsonl": "\n".join(a_stay("s9", 600, station="m-1")),
    }
    for name, content in contents.items():
        file = tmp_path / f"{name}.txt"
        file.write_text(content, encoding="utf-8")
        assert lite.json("import", file, "--site", "mill")["format"] == name


def test_tariffs_are_the_first_assignment_and_no_other(shell: Shell, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "day.csv", [HEADER, TEN_MINUTES])
    assert shell.json("import", file, "--tariff", "waive_completed")["total_minor"] == 4_00
    assert shell.json("import", file, "--tariff", "waive_completed")["changed"] is False
    more = write_lines(
        tmp_path / "more.csv", [HEADER, TEN_MINUTES.replace("s1", "s2"), TEN_MINUTES.replace("mill", "x")]
    )
    refused = shell("import", more, "--tariff", "standard")
    assert refused.code == 1
    assert "idlefee rerate" in refused.err
    assert "waive_completed" in refused.err
    assert [site["site"] for site in shell.json("site", "list")] == ["mill"]
    assert shell.json("import", file)["sessions"] == 1


def test_an_unknown_tariff_is_refused_before_anything_is_stored(lite: Shell) -> None:
    ran = lite("import", SAMPLE, "--tariff", "cheap")
    assert (ran.code, ran.err) == (1, "there is no tariff cheap: see `idlefee tariff list`\n")
    assert lite.json("site", "list") == []


def test_a_corrected_file_is_a_conflict_that_raises_no_fee(shell: Shell, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "day.csv", [HEADER, TEN_MINUTES])
    shell.ok("import", file)
    write_lines(file, [HEADER, TEN_MINUTES.replace("11:10:00", "12:10:00")])
    corrected = shell("import", file, "--json")
    assert corrected.code == 1
    assert (corrected.json["changed"], corrected.json["conflicts"], corrected.json["in_review"]) == (True, 1, 1)
    assert corrected.json["total_minor"] <= 2_00
    assert [problem["lost"] for problem in corrected.json["problems"]] == [False]
    assert shell("import", file, "--json").json["changed"] is False


def test_a_token_that_is_somebody_elses_is_named_and_keeps_its_owner(lite: Shell, tmp_path: Path) -> None:
    lite.ok("owner", "add", "bob")
    lite.ok("token", "add", "CARD", "--owner", "bob")
    row = TEN_MINUTES.replace(",ann,", ",ann,CARD,")
    file = write_lines(tmp_path / "day.csv", [HEADER.replace("owner", "owner,token"), row])
    ran = lite("import", file, "--json")
    assert ran.code == 1
    assert "stands for owner bob, not for ann" in ran.json["problems"][0]["message"]
    assert {row["owner"]: row["owes_minor"] for row in lite.json("owner", "list")} == {"ann": {}, "bob": {"USD": 2_00}}


def test_stations_that_no_row_places_need_a_site_where_there_are_several(lite: Shell, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "day.jsonl", a_stay("s1", 600))
    for site in ("north", "south"):
        lite.ok("site", "add", site)
    ran = lite("import", file, "--json")
    assert (ran.code, ran.json["sessions"]) == (1, 0)
    assert "--site SITE" in ran.json["problems"][0]["message"]
    assert lite.json("import", file, "--site", "south")["total_minor"] == 2_00
    assert [(one["station"], one["site"]) for one in lite.json("station", "list")] == [("st-1", "south")]


def test_a_new_site_needs_to_know_its_seller_where_there_are_several(lite: Shell) -> None:
    for seller in ("acme", "bolt"):
        lite.ok("seller", "add", seller)
    ran = lite("import", SAMPLE)
    assert (ran.code, "--seller" in ran.err) == (2, True)
    lite.ok("import", SAMPLE, "--seller", "bolt")
    assert [site["seller"] for site in lite.json("site", "list")] == ["bolt"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", "it is empty"),
        ("a.csv", "when,where\n1,2\n", "column 'when' is unknown"),
        ("a.csv", "site,station\n", "column 'stall' is missing"),
        ("a.csv", 'site,station,stall,session,plugged_in\n"a', "no CSV"),
        ("a.json", '{"_items": 7}', "no ACN document"),
        ("a.json", '{"_items": [', "not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    lite: Shell, tmp_path: Path, name: str, content: str, says: str
) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    ran = lite("import", file)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert says in ran.err
    assert str(file) in ran.err


def test_a_missing_file_makes_no_database(tmp_path: Path) -> None:
    database = tmp_path / "new.db"
    ran = run("import", tmp_path / "none.csv", "--database", f"sqlite:///{database}")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert not database.exists()


def test_text_that_is_no_utf_8_is_refused(lite: Shell, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(HEADER.encode() + b"\n\xff\xfe\n")
    ran = lite("import", file)
    assert (ran.code, "UTF-8" in ran.err) == (2, True)
