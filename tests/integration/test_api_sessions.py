"""Sessions through the API: lists and pages, one with its evidence, the fee report, and what an owner sees."""

from collections.abc import Iterator
from typing import Any

import pytest

from sessions.events import rfc3339
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import NOON, a_session, post


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as doors:
        yield doors


def plugged_in(session: str, at: int, token: str | None = "ANN", station: str = "h1") -> list[dict[str, Any]]:
    """A car that stands at the station's second stall since `at`, and that is full after ten minutes."""
    steps = (("plugged_in", 0), ("charging_started", 10), ("charge_complete", 600))
    return [
        {
            "id": f"{session}-{number}",
            "station": station,
            "stall": "2",
            "session": session,
            "type": kind,
            "at": rfc3339(at + after),
            **({"token": token} if token and number == 0 else {}),
        }
        for number, (kind, after) in enumerate(steps)
    ]


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["session"] for row in rows]


def test_staff_lists_sessions_newest_first_and_by_what_it_asks_for(doors: Doors) -> None:
    post(doors.app, plugged_in("running", NOW - 1200))
    for who in ("support", "finance", "operator"):
        assert names(doors.every_row(who, "/v1/sessions")) == ["h1/running", "h1/anns", "h2/nobodys", "m1/bobs"]
    for asked, found in (
        ({"site": "market"}, ["m1/bobs"]),
        ({"station": "h2"}, ["h2/nobodys"]),
        ({"owner": "ann"}, ["h1/running", "h1/anns"]),
        ({"owner": "nobody"}, []),
        ({"state": "running"}, ["h1/running"]),
        ({"state": "ended"}, ["h1/anns", "h2/nobodys", "m1/bobs"]),
        ({"state": "unclaimed"}, ["h2/nobodys"]),
        ({"state": "in_review"}, []),
        ({"from": rfc3339(NOON + 1)}, ["h1/running"]),
        ({"to": rfc3339(NOON + 1)}, ["h1/anns", "h2/nobodys", "m1/bobs"]),
    ):
        assert names(doors.every_row("support", "/v1/sessions", **asked)) == found, asked


@pytest.mark.parametrize("named", ["BOB", "b ob 1", "bob", "m1/bobs", "bobs"])
def test_a_session_is_found_by_whatever_its_owner_can_name(doors: Doors, named: str) -> None:
    doors.send("bob", "/v1/me/vehicles", {"name": "van", "plate": "B-OB 1"}, 201)
    assert [row["session"] for row in doors.get("support", "/v1/find", q=named)] == ["m1/bobs"]
    assert doors.get("support", "/v1/find", q="nothing of ours") == []


def test_pages_hold_every_session_once_whatever_arrives_meanwhile(doors: Doors) -> None:
    post(doors.app, *(a_session("m1", f"s{n}", at=NOON - 10_000 * n, token=None) for n in range(1, 8)))
    first = doors.get("support", "/v1/sessions", limit=3)
    post(doors.app, a_session("m1", "late", at=NOON - 5_000, token=None))
    rest = doors.every_row("support", "/v1/sessions", limit=3, cursor=first["next"])
    seen = names(first["items"] + rest)
    assert len(first["items"]) == 3
    assert sorted(set(seen) - {"m1/late"}) == sorted(
        {"h1/anns", "h2/nobodys", "m1/bobs", *(f"m1/s{n}" for n in range(1, 8))}
    )
    assert len(seen) == len(set(seen))


def test_a_running_session_is_shown_with_what_it_would_cost_now(doors: Doors) -> None:
    post(doors.app, plugged_in("running", NOW - 600 - 600))
    row = doors.every_row("ann", "/v1/me/sessions", state="running")[0]
    assert (row["session"], row["state"], row["projected"]) == ("h1/running", "idle", True)
    assert (row["fee_minor"], row["currency"], row["tariff"]) == (2_00, "USD", "standard")
    detail = doors.get("ann", "/v1/me/sessions/h1/running")
    assert (detail["posted"], detail["report"]["fee_minor"]) == (None, 2_00)
    assert detail["report"]["spans"][-1] == {"start": rfc3339(NOW - 300), "end": rfc3339(NOW), "label": "idle"}


def test_a_session_comes_with_its_whole_evidence(doors: Doors) -> None:
    detail = doors.get("support", "/v1/sessions/h1/anns")
    assert (detail["state"], detail["owner"], detail["site"]) == ("ended", "ann", "harbour")
    assert [event["type"] for event in detail["events"]] == [
        "plugged_in",
        "charging_started",
        "charge_complete",
        "unplugged",
    ]
    assert detail["posted"]["fee_minor"] == detail["report"]["fee_minor"] == 2_00
    assert [span["label"] for span in detail["report"]["spans"]] == ["connected", "charging", "grace", "idle"]
    assert detail["sentences"][-1].startswith("You pay $2.00 for 5 minutes")
    assert detail["token"] == doors.app.names.surrogate("ANN")
    assert doors.get("finance", "/v1/reports/h1/anns") == detail["report"]


def test_times_are_told_on_our_clock(doors: Doors) -> None:
    """The station's clock is an hour slow; its events were live."""
    events = [
        event | {"at": rfc3339(at), "sent_at": rfc3339(at), "id": f"slow-{number}", "session": "slow", "stall": "9"}
        for number, (event, at) in enumerate(
            zip(a_session("h1", "slow"), (NOW - 7200, NOW - 7190, NOW - 6600, NOW - 3600), strict=True)
        )
    ]
    post(doors.app, events[-1:])  # sent as it happened, so that its offset is the hour
    post(doors.app, [event | {"sent_at": rfc3339(NOW - 3600)} for event in events[:-1]])
    detail = doors.get("support", "/v1/sessions/h1/slow")
    assert detail["report"]["clock_offset_s"] == 3600
    assert (detail["plugged_in_at"], detail["unplugged_at"]) == (rfc3339(NOW - 3600), rfc3339(NOW))
    assert detail["report"]["plugged_in_at"] == detail["plugged_in_at"]


def test_a_session_whose_name_holds_slashes_and_blanks_is_found(doors: Doors) -> None:
    name = "2024/05 ü?&#%/report"
    post(doors.app, [event | {"session": name, "stall": "7"} for event in a_session("h1", "odd")])
    path = "/v1/me/sessions/h1/2024/05%20%C3%BC%3F%26%23%25/report"
    assert doors.get("ann", path)["session"] == f"h1/{name}"
    row = next(row for row in doors.every_row("ann", "/v1/me/sessions", limit=1) if row["session"] == f"h1/{name}")
    assert row["fee_minor"] == 2_00


def test_an_owner_sees_their_own_sessions_and_nobody_elses(doors: Doors) -> None:
    assert names(doors.every_row("ann", "/v1/me/sessions")) == ["h1/anns"]
    assert names(doors.every_row("bob", "/v1/me/sessions")) == ["m1/bobs"]
    other, none = (doors.ask("ann", "GET", f"/v1/me/sessions/{name}") for name in ("m1/bobs", "m1/none"))
    assert (other.status_code, other.json()) == (none.status_code, none.json())
    assert other.status_code == 404


def test_a_claimed_session_is_its_owners_from_then_on(doors: Doors) -> None:
    doors.send("support", "/v1/claims", {"session": "h2/nobodys", "owner": "ann", "reason": "receipt shown"})
    assert names(doors.every_row("ann", "/v1/me/sessions")) == ["h1/anns", "h2/nobodys"]
    post(doors.app, plugged_in("running", NOW - 900, token=None))
    doors.send("support", "/v1/claims", {"session": "h1/running", "owner": "bob", "reason": "he called"})
    assert names(doors.every_row("bob", "/v1/me/sessions", state="running")) == ["h1/running"]
    doors.send("support", "/v1/claims", {"session": "h1/running", "owner": None, "reason": "it was not his"})
    assert names(doors.every_row("bob", "/v1/me/sessions", state="running")) == []


def test_an_owner_has_an_account(doors: Doors) -> None:
    me = doors.get("bob", "/v1/me")
    assert (me["id"], me["name"], me["balances"]) == (
        "bob",
        "Bob Bobson",
        [{"seller": "acme", "currency": "USD", "amount_minor": 4_00}],
    )
    assert doors.get("bob", "/v1/me/balance") == me["balances"]
    assert [token["token"] for token in doors.get("bob", "/v1/me/tokens")] == ["BOB"]
    car = doors.send("bob", "/v1/me/vehicles", {"name": "van", "plate": "B-OB 1"}, 201)
    assert doors.get("bob", "/v1/me/vehicles") == [car]
    assert doors.ask("ann", "DELETE", f"/v1/me/vehicles/{car['id']}").status_code == 404
    assert doors.ask("bob", "DELETE", f"/v1/me/vehicles/{car['id']}").status_code == 204
    assert doors.get("bob", "/v1/me/vehicles") == []


def test_a_car_names_a_token_of_its_owner_only(doors: Doors) -> None:
    theirs = doors.get("ann", "/v1/me/tokens")[0]["id"]
    assert doors.send("ann", "/v1/me/vehicles", {"name": "mine", "token_id": theirs}, 201)["token_id"] == theirs
    refused = doors.send("bob", "/v1/me/vehicles", {"name": "mine", "token_id": theirs}, 422)
    assert refused["code"] == "not_their_token"
