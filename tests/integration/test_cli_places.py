"""Places, people and keys on the command line, and the tariffs that sites bill by."""

from pathlib import Path

import pytest

from api.access.keys import Role, authenticate
from api.settings import Settings
from api.wiring import running
from tests.integration.command_line import Shell, a_stay, write_lines


@pytest.fixture
def shell(database_url: str) -> Shell:
    return Shell(database_url)


@pytest.fixture
def lite(sqlite_url: str) -> Shell:
    """For what has nothing to do with the kind of database."""
    return Shell(sqlite_url)


def test_from_nothing_to_a_station_with_a_key_that_is_shown_once(shell: Shell) -> None:
    site = shell.json("site", "add", "mill", "--zone", "Europe/Berlin")
    assert site == {"site": "mill", "seller": "seller", "zone": "Europe/Berlin", "tariff": "standard"}
    station = shell.json("station", "add", "st-1")
    assert station["site"] == "mill"
    with running(Settings(database_url=shell.database_url)) as app, app.reading() as connection:
        principal = authenticate(connection, station["key"], app.clock.now())
        assert principal is not None
        assert (principal.role, principal.station_id) == (Role.STATION, "st-1")
    listed = shell.ok("access", "list").out + shell.ok("access", "list", "--json").out
    assert station["key_id"] in listed
    assert station["key"] not in listed
    if shell.database_url.startswith("sqlite"):
        assert station["key"].encode() not in Path(shell.database_url.removeprefix("sqlite:///")).read_bytes()


def test_a_revoked_key_opens_nothing(shell: Shell) -> None:
    made = shell.json("access", "add", "finance", "--label", "books")
    shell.ok("access", "revoke", made["id"])
    again = shell("access", "revoke", made["id"])
    assert (again.code, "idlefee access list" in again.err) == (1, True)
    with running(Settings(database_url=shell.database_url)) as app, app.reading() as connection:
        assert authenticate(connection, made["key"], app.clock.now()) is None
    assert "revoked" in shell.ok("access", "list").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["boss"], "choose one of"),
        (["owner"], "--owner"),
        (["support", "--owner", "ann"], "--owner"),
        (["station"], "--station"),
        (["station", "--station", "st-1", "--link"], "leave out --link"),
    ],
)
def test_access_that_makes_no_sense_is_refused(lite: Shell, arguments: list[str], says: str) -> None:
    ran = lite("access", "add", *arguments)
    assert (ran.code, says in ran.err, ran.err.count("\n")) == (2, True, 1)
    assert lite.json("access", "list") == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["site", "add", "mill"], 1, "site mill exists already"),
        (["site", "add", "two words"], 2, "letters, digits"),
        (["site", "add", "new", "--zone", "Berlin"], 2, "IANA time zone"),
        (["site", "add", "new", "--seller", "ghost"], 1, "there is no seller ghost"),
        (["site", "add", "new", "--tariff", "cheap"], 1, "there is no tariff cheap"),
        (["seller", "add", "seller"], 1, "exists already"),
        (["station", "add", "st-1", "--site", "ghost"], 1, "there is no site ghost: see `idlefee site list`"),
        (["stall", "add", "st-9/A"], 1, "there is no station st-9"),
        (["stall", "add", "A"], 2, "STATION/STALL"),
        (["owner", "add", "a b"], 2, "letters, digits"),
        (["owner", "add", "june", "--email", "june@home, all@home"], 2, "is no e-mail address"),
        (["owner", "add", "june", "--name", "June\nBcc: all"], 2, "none of them a line end"),
        (["token", "add", "X", "--owner", "ghost"], 1, "idlefee owner add ghost"),
        (["token", "add", "X", "--owner", "g", "--from", "2025-05-01T10:00:00"], 2, "must name its UTC offset"),
        (["vehicle", "add", "B-AB 12", "--owner", "ghost"], 1, "there is no owner ghost"),
        (["access", "add", "owner", "--owner", "ghost"], 1, "there is no owner ghost"),
        (["access", "add", "station", "--station", "ghost"], 1, "there is no station ghost"),
        (["tariff", "assign", "standard", "--site", "ghost"], 1, "there is no site ghost"),
        (["tariff", "assign", "cheap", "--site", "mill"], 1, "there is no tariff cheap"),
        (["tariff", "show", "standard", "--version", "9"], 1, "there is no tariff standard version 9"),
        (["excuse", "--reason", "x", "--site", "mill"], 2, "--from is missing"),
        (["jobs", "revive", "none"], 1, "no step none is parked"),
        (["explain", "ghost"], 1, "there is no session ghost"),
        (["find", "ghost"], 1, "nothing here is called ghost"),
        (["void", "st-9", "e", "--reason", "x"], 1, "there is no station st-9"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(lite: Shell, arguments: list[str], code: int, says: str) -> None:
    lite.ok("site", "add", "mill")
    ran = lite(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran
    assert says in ran.err


def test_a_station_needs_its_site_named_where_there_are_several(lite: Shell) -> None:
    none = lite("station", "add", "st-1")
    assert (none.code, "idlefee site add" in none.err) == (1, True)
    for site in ("mill", "port"):
        lite.ok("site", "add", site)
    several = lite("station", "add", "st-1")
    assert (several.code, "--site: mill, port" in several.err) == (2, True)


def test_every_list_shows_what_was_added(shell: Shell) -> None:
    shell.ok("seller", "add", "acme", "--name", "Acme [b]Ltd[/b]")
    shell.ok("site", "add", "mill", "--name", "Mill")
    shell.ok("station", "add", "st-1")
    shell.ok("stall", "add", "st-1/A")
    shell.ok("owner", "add", "ann", "--email", "ann@example.org")
    shell.ok("token", "add", "CARD", "--owner", "ann", "--from", "2025-05-01T10:00:00+02:00")
    shell.ok("vehicle", "add", "B-AB 12", "--owner", "ann", "--token", "CARD")
    assert shell.json("seller", "list") == [{"seller": "acme", "name": "Acme [b]Ltd[/b]", "zone": "UTC"}]
    assert "Acme [b]Ltd[/b]" in shell.ok("seller", "list").out
    assert [site["stations"] for site in shell.json("site", "list")] == [1]
    assert "never" in shell.ok("station", "list").out
    assert shell.json("stall", "list") == [{"site": "mill", "station": "st-1", "stall": "A"}]
    assert "ann@example.org" in shell.ok("owner", "list").out
    assert shell.json("token", "list", "--owner", "ann") == [
        {"token": "CARD", "owner": "ann", "from": "2025-05-01T08:00:00Z", "to": None}
    ]
    assert shell.json("vehicle", "list", "--owner", "ann") == [{"plate": "B-AB 12", "name": "B-AB 12"}]
    for command in (("owner", "add", "ann"), ("token", "add", "CARD", "--owner", "ann")):
        assert shell(*command).code == 1
    assert shell("vehicle", "add", "B-AB 12", "--owner", "ann").code == 1
    shell.ok("vehicle", "remove", "B-AB 12", "--owner", "ann")
    assert shell("vehicle", "remove", "B-AB 12", "--owner", "ann").code == 1
    shell.ok("vehicle", "add", "B-AB 12", "--owner", "ann")
    shell.ok("token", "end", "CARD", "--owner", "ann")
    assert shell("token", "end", "CARD", "--owner", "ann").code == 1


def test_a_tariff_that_was_shown_can_be_added_again_and_changes_nothing(lite: Shell, tmp_path: Path) -> None:
    lite.ok("migrate")
    file = tmp_path / "standard.toml"
    file.write_text(lite.ok("tariff", "show", "standard").out, encoding="utf-8")
    assert lite.json("tariff", "add", file)["version"] == 1
    file.write_text(
        file.read_text("utf-8").replace("rate_minor_per_minute = 40", "rate_minor_per_minute = 45"), "utf-8"
    )
    assert lite.json("tariff", "add", file)["version"] == 2
    assert lite.json("tariff", "show", "standard", "--version", "1")["rate_minor_per_minute"] == 40


def test_all_faults_of_a_tariff_are_named_at_once(lite: Shell, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('name = "Bad Name"\ncurrency = "XXZ"\nrate = 4\n', encoding="utf-8")
    ran = lite("tariff", "add", file)
    assert ran.code == 2
    for field in ("name", "currency", "rate", "rate_minor_per_minute"):
        assert f"bad.toml: {field}: " in ran.err


def test_a_site_bills_by_another_tariff_only_from_now_on(shell: Shell, tmp_path: Path) -> None:
    shell.ok("import", write_lines(tmp_path / "events.jsonl", a_stay("s1", 600)))
    assigned = shell.json("tariff", "assign", "waive_completed", "--site", "site")
    assert assigned["valid_from"] is not None
    past = shell("tariff", "assign", "deduct_started", "--site", "site", "--from", "2025-05-01T00:00:00Z")
    assert (past.code, "idlefee rerate" in past.err) == (1, True)
    assert {row["name"]: row["sites"] for row in shell.json("tariff", "list")}["waive_completed"] == ["site"]
    shell.ok("site", "add", "new")
    assert "since ever" in shell.ok("tariff", "assign", "deduct_started", "--site", "new").out
