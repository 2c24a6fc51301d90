"""`verify` and `rerate` from the command line: what differs is named, what was ordered is posted."""

from pathlib import Path

import pytest
from sqlalchemy import update

from billing.store.tables import charges
from sessions.database import connect, writing
from tests.integration.command_line import SAMPLE, Shell, a_stay, write_lines


@pytest.fixture
def shell(database_url: str) -> Shell:
    """A network with the sample day in its books."""
    shell = Shell(database_url)
    shell.ok("import", SAMPLE)
    return shell


def test_verify_finds_nothing_in_books_that_nobody_touched(shell: Shell) -> None:
    verified = shell.json("verify")
    assert (verified["clean"], verified["differences"]) == (True, [])
    assert (verified["events"], verified["sessions"], verified["charges"], verified["transfers"]) == (162, 40, 40, 23)
    assert "the books balance" in shell.ok("verify").out


def test_verify_names_a_charge_that_was_tampered_with_and_exits_1(shell: Shell) -> None:
    engine = connect(shell.database_url)
    with writing(engine) as connection:
        connection.execute(update(charges).where(charges.c.session_id == "mill-4/d138").values(fee_minor=1))
    engine.dispose()
    ran = shell("verify")
    assert ran.code == 1
    assert any(line.startswith("charge_differs: ") and "d138" in line for line in ran.out.splitlines())
    told = shell("verify", "--json")
    assert (told.code, told.json["clean"]) == (1, False)
    assert "charge_differs" in {one["code"] for one in told.json["differences"]}


def test_rerate_tells_what_the_same_past_would_have_cost_and_changes_nothing(shell: Shell) -> None:
    before = shell.json("owner", "list")
    answer = shell.json("rerate", "--tariff", "deduct_started")
    (site,) = answer["sites"]
    assert (site["site"], site["old_minor"], answer["currency"]) == ("mill-street", {"USD": 179_20}, "USD")
    assert site["difference_minor"] == site["new_minor"] - 179_20 > 0
    assert answer["total"] == {name: site[name] for name in site if name != "site"}
    assert (answer["applied"], answer["posted"]) == (False, None)
    assert shell.json("owner", "list") == before
    said = shell.ok("rerate", "--tariff", "deduct_started").out
    assert "$179.20" in said
    assert "--apply" in said


def test_an_applied_rerate_posts_what_it_said_and_can_be_taken_back(shell: Shell) -> None:
    asked = shell.json("rerate", "--tariff", "deduct_started")["total"]
    there = shell.json("rerate", "--tariff", "deduct_started", "--apply")
    posted = there["posted"]
    assert (there["applied"], posted["sessions"], posted["changed"]) == (True, 40, asked["changed"])
    assert posted["after_minor"]["USD"] - posted["before_minor"]["USD"] == asked["difference_minor"]
    assert shell.json("import", SAMPLE)["total_minor"] == asked["new_minor"]
    back = shell.ok("rerate", "--tariff", "standard", "--apply", "--reason", "it was a mistake").out
    assert f"{asked['changed']} fees of 40 sessions changed" in back
    assert shell.json("import", SAMPLE)["total_minor"] == 179_20
    assert shell.json("verify")["clean"] is True


def test_rerate_looks_at_plug_ins_of_the_time_and_the_site_it_is_asked_about(shell: Shell, tmp_path: Path) -> None:
    shell.ok("site", "add", "other")
    shell.ok("import", write_lines(tmp_path / "events.jsonl", a_stay("s1", 600)), "--site", "other")
    both = shell.json("rerate", "--tariff", "waive_completed")
    assert [site["site"] for site in both["sites"]] == ["mill-street", "other"]
    other = shell.json("rerate", "--tariff", "waive_completed", "--site", "other")
    assert (other["total"]["old_minor"], other["total"]["new_minor"]) == ({"USD": 2_00}, 4_00)
    before = shell.json("rerate", "--tariff", "waive_completed", "--to", "2025-05-13T00:00:00-04:00")
    assert before["total"]["sessions"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--tariff", "cheap"], 1, "there is no tariff cheap"),
        (["--tariff", "standard", "--site", "ghost"], 1, "there is no site ghost"),
        (["--tariff", "standard", "--from", "yesterday"], 2, "--from yesterday: must be an RFC 3339 string"),
        (["--tariff", "standard", "--from", "2025-05-02T00:00:00Z", "--to", "2025-05-01T00:00:00Z"], 2, "later than"),
        ([], 2, "--tariff"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_one_line(
    sqlite_url: str, arguments: list[str], code: int, says: str
) -> None:
    ran = Shell(sqlite_url)("rerate", *arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1)
    assert says in ran.err
