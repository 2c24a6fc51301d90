"""Sellers, sites, stations, stalls, owners and tariffs through the API."""

from collections.abc import Iterator

import pytest

from billing.tariffs import load_tariff, preset
from sessions.events import rfc3339
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import NOON, a_session

MINE = preset("standard").model_dump(mode="json") | {"name": "mine", "rate_minor_per_minute": 50}


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as doors:
        yield doors


def test_from_nothing_to_a_fee(doors: Doors) -> None:
    """A seller, a site, a station whose key is shown once, an owner with a token, and the first car."""
    doors.send("operator", "/v1/sellers", {"id": "new", "name": "New Ltd", "zone": "Europe/Oslo"}, 201)
    doors.send("operator", "/v1/sites", {"id": "quay", "seller": "new", "name": "Quay", "zone": "Europe/Oslo"}, 201)
    station = doors.send("operator", "/v1/stations", {"id": "q1", "site": "quay"}, 201)
    assert "key" not in str(doors.get("operator", "/v1/stations/q1"))
    assigned = doors.send("operator", "/v1/sites/quay/tariffs", {"tariff": "tiers_2018_nok", "reason": "opening"}, 201)
    assert assigned == {"tariff": "tiers_2018_nok", "version": 1, "valid_from": None}
    owner = doors.send("support", "/v1/owners", {"name": "Eva", "email": "eva@example.com", "language": "nb"}, 201)
    doors.send("support", f"/v1/owners/{owner['id']}/tokens", {"token": "EVA"}, 201)
    doors.keys["q1"] = station["key"]
    assert doors.send("q1", "/v1/events", a_session("q1", "first", token="EVA"))["results"][0]["status"] == "accepted"
    (row,) = doors.every_row("support", "/v1/sessions", owner=owner["id"])
    assert (row["session"], row["tariff"], row["fee_minor"], row["currency"]) == (
        "q1/first",
        "tiers_2018_nok",
        40_50,
        "NOK",
    )
    deeds = [(deed["what"], deed["subject"]) for deed in doors.every_row("finance", "/v1/audit", author="operator")]
    assert {("seller_added", "seller new"), ("site_added", "site quay"), ("station_added", "station q1")} <= {*deeds}


def test_what_staff_change_of_an_owners_account_is_in_the_trail_and_names_nobody(doors: Doors) -> None:
    eva = doors.send("support", "/v1/owners", {"id": "eva", "name": "Eva Evans"}, 201)["id"]
    token = doors.send("support", f"/v1/owners/{eva}/tokens", {"token": "EVA"}, 201)["id"]
    car = doors.send("support", f"/v1/owners/{eva}/vehicles", {"name": "van", "plate": "E-VA 1"}, 201)["id"]
    for what in (f"vehicles/{car}", f"tokens/{token}"):
        assert doors.ask("support", "DELETE", f"/v1/owners/{eva}/{what}").status_code == 204
        assert doors.ask("support", "DELETE", f"/v1/owners/{eva}/{what}").status_code == 404
    doors.send("ann", "/v1/me/vehicles", {"name": "hers"}, 201)  # is nobody's deed but her own
    done = [deed for deed in doors.every_row("finance", "/v1/audit") if deed["subject"].startswith("owner ")]
    evas = {"owner_added", "token_given", "vehicle_added", "vehicle_removed", "token_ended"}
    assert {deed["what"] for deed in done if deed["subject"] == "owner eva"} == evas
    assert {deed["what"] for deed in done if deed["subject"] == "owner ann"} == {"token_given"}
    assert not [word for word in ("Evans", "E-VA", "van") if word in str(done)]


def test_another_key_of_a_station_works_beside_the_first(doors: Doors) -> None:
    doors.keys["second"] = doors.send("operator", "/v1/stations/h1/keys", {}, 201)["key"]
    for who in ("h1", "second"):
        assert doors.send(who, "/v1/stations/h1/heartbeat", {"interval_s": 60})["now"] == rfc3339(NOW)
    assert doors.send("second", "/v1/stations/m1/heartbeat", {}, 404)["code"] == "not_found"


def test_the_network_is_listed_page_by_page(doors: Doors) -> None:
    assert [site["id"] for site in doors.every_row("support", "/v1/sites", limit=1)] == ["harbour", "market"]
    assert doors.get("support", "/v1/sites/market")["zone"] == "Europe/Berlin"
    assert [seller["id"] for seller in doors.every_row("support", "/v1/sellers")] == ["acme"]
    stations = doors.every_row("support", "/v1/stations", limit=2)
    assert [(station["id"], [stall["stall"] for stall in station["stalls"]]) for station in stations] == [
        ("h1", ["1"]),
        ("h2", ["1"]),
        ("m1", ["1"]),
    ]
    doors.send("h1", "/v1/stations/h1/heartbeat", {"interval_s": 60, "sent_at": rfc3339(NOW + 30)})
    station = doors.get("support", "/v1/stations/h1")
    assert (station["heard_at"], station["interval_s"], station["clock_ahead_s"]) == (rfc3339(NOW), 60, 30)
    assert [station["id"] for station in doors.every_row("support", "/v1/stations", site="market")] == ["m1"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/sellers", {"id": "acme", "name": "Acme", "zone": "UTC"}, 409, "name_taken"),
        ("/v1/sellers", {"id": "a b", "name": "Acme", "zone": "UTC"}, 422, "invalid_request"),
        ("/v1/sellers", {"id": "b", "name": "B", "zone": "Europe/Atlantis"}, 422, "bad_name"),
        ("/v1/sites", {"id": "s", "seller": "none", "name": "S", "zone": "UTC"}, 404, "not_found"),
        ("/v1/stations", {"id": "h1", "site": "market"}, 409, "name_taken"),
        ("/v1/stations", {"id": "x1", "site": "none"}, 404, "not_found"),
        ("/v1/stations/h1/stalls", {"stall": "1"}, 409, "name_taken"),
        ("/v1/stations/none/keys", {}, 404, "not_found"),
        ("/v1/owners", {"id": "ann"}, 409, "name_taken"),
        ("/v1/owners", {"email": "not an address"}, 422, "invalid_request"),
        ("/v1/owners/none/tokens", {"token": "T"}, 404, "not_found"),
        ("/v1/owners/bob/tokens", {"token": "ANN"}, 409, "token_taken"),
        (
            "/v1/owners/bob/tokens",
            {"token": "T", "valid_from": rfc3339(NOON), "valid_to": rfc3339(NOON)},
            422,
            "empty_interval",
        ),
        ("/v1/owners/none/vehicles", {"name": "van"}, 404, "not_found"),
        ("/v1/sites/harbour/tariffs", {"tariff": "none", "reason": "x"}, 404, "not_found"),
        ("/v1/sites/none/tariffs", {"tariff": "standard", "reason": "x"}, 404, "not_found"),
        (
            "/v1/sites/harbour/tariffs",
            {"tariff": "standard", "valid_from": rfc3339(NOON), "reason": "x"},
            422,
            "back_dated",
        ),
    ],
)
def test_what_cannot_be_added_is_refused(
    doors: Doors, path: str, body: dict[str, object], status: int, code: str
) -> None:
    assert doors.send("operator", path, body, status)["code"] == code


def test_a_token_given_late_finds_the_sessions_it_was_named_in(doors: Doors) -> None:
    doors.send("h1", "/v1/events", a_session("h1", "early", at=NOON - 9000, token="NEW"))
    given = doors.send("support", "/v1/owners/bob/tokens", {"token": "NEW", "valid_from": rfc3339(NOON - 9000)}, 201)
    assert [(change["session"], change["owner"], change["fee_minor"]) for change in given["changed"]] == [
        ("h1/early", "bob", 2_00)
    ]
    assert doors.ask("support", "DELETE", f"/v1/owners/bob/tokens/{given['id']}").status_code == 204
    assert doors.ask("support", "DELETE", f"/v1/owners/bob/tokens/{given['id']}").status_code == 404
    token = next(token for token in doors.get("support", "/v1/owners/bob")["tokens"] if token["id"] == given["id"])
    assert (token["valid_from"], token["valid_to"]) == (rfc3339(NOON - 9000), rfc3339(NOW))
    assert doors.every_row("bob", "/v1/me/sessions")[-1]["session"] == "h1/early"


def test_owners_are_listed_and_have_cars(doors: Doors) -> None:
    assert [owner["id"] for owner in doors.every_row("finance", "/v1/owners", limit=1)] == ["ann", "bob"]
    car = doors.send("support", "/v1/owners/ann/vehicles", {"name": "van", "plate": "A 1"}, 201)
    assert doors.get("support", "/v1/owners/ann")["vehicles"] == [car]
    assert doors.ask("support", "DELETE", f"/v1/owners/bob/vehicles/{car['id']}").status_code == 404
    assert doors.ask("support", "DELETE", f"/v1/owners/ann/vehicles/{car['id']}").status_code == 204
    assert doors.get("support", "/v1/owners/ann")["vehicles"] == []


# -- tariffs ------------------------------------------------------------------------------------------------


def test_a_tariff_is_versioned_and_its_history_kept(doors: Doors) -> None:
    added = doors.send("operator", "/v1/tariffs", MINE, 201)
    assert added == MINE | {"version": 1}
    assert doors.send("operator", "/v1/tariffs", MINE, 201)["version"] == 1  # the same again adds nothing
    assert doors.send("operator", "/v1/tariffs", MINE | {"cap_minor": 10_00}, 201)["version"] == 2
    history = doors.get("support", "/v1/tariffs/mine/versions")
    assert [one["version"] for one in history] == [2, 1]
    assert doors.get("support", "/v1/tariffs/mine")["cap_minor"] == 10_00
    assert doors.get("support", "/v1/tariffs/mine", version=1)["cap_minor"] is None
    newest = {one["name"]: one["version"] for one in doors.every_row("support", "/v1/tariffs", limit=5)}
    assert (newest["mine"], newest["standard"]) == (2, 1)


def test_a_tariff_may_be_toml_and_all_its_faults_are_named_at_once(doors: Doors) -> None:
    toml = {"Content-Type": "application/toml"}
    sent = b'name = "toml"\ncurrency = "USD"\nrate_minor_per_minute = 25\n'
    added = doors.ask("operator", "POST", "/v1/tariffs", content=sent, headers=toml)
    assert (added.status_code, added.json()["rate_minor_per_minute"]) == (201, 25)
    shown = doors.ask("operator", "GET", "/v1/tariffs/toml?format=toml")
    assert shown.headers["content-type"].startswith("application/toml")
    assert load_tariff(shown.text).rate_minor_per_minute == 25
    faulty = b'name = "BAD NAME"\ncurrency = "XXX1"\nrate_minor_per_minute = true\nextra = 1\n'
    refused = doors.ask("operator", "POST", "/v1/tariffs", content=faulty, headers=toml)
    assert refused.status_code == 422
    assert {fault["where"] for fault in refused.json()["faults"]} == {
        "name",
        "currency",
        "rate_minor_per_minute",
        "extra",
    }


def test_a_tariff_is_tried_without_being_added(doors: Doors) -> None:
    assert doors.send("operator", "/v1/tariffs?dry_run=true", MINE, 201)["name"] == "mine"
    assert doors.ask("operator", "GET", "/v1/tariffs/mine").status_code == 404


def test_presets_are_shown_with_their_history(doors: Doors) -> None:
    names = doors.get("support", "/v1/presets")
    assert {"standard", "tesla_2016_deduct", "tiers_2018_jpy"} <= set(names)
    assert "2016" in doors.get("support", "/v1/presets/tesla_2016_waive")["sources"]
    assert doors.ask("support", "GET", "/v1/presets/none").status_code == 404


def test_a_tariff_holds_from_a_moment_on(doors: Doors) -> None:
    begins = rfc3339(NOW + 3600)
    later = {"tariff": "deduct_started", "valid_from": begins, "reason": "new prices"}
    doors.send("operator", "/v1/sites/harbour/tariffs", later, 201)
    assert doors.send("operator", "/v1/sites/harbour/tariffs", later, 409)["code"] == "already_assigned"
    assert doors.get("support", "/v1/sites/harbour/tariffs") == [
        {"tariff": "standard", "version": 1, "valid_from": None},
        {"tariff": "deduct_started", "version": 1, "valid_from": begins},
    ]
