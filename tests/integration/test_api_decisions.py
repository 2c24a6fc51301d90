"""Decisions through the API: each is a fact with its author and reason, settled at once, done once under one key."""

from collections.abc import Iterator
from typing import Any

import pytest

from billing.jobs import MOST_ATTEMPTS, Job, fail, lease, schedule
from sessions.events import rfc3339
from tests.integration.doors import NOW, Doors, open_doors
from tests.integration.small_world import NOON, a_session, post


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as doors:
        yield doors


def fee(doors: Doors, session: str) -> int:
    return int(doors.get("support", f"/v1/sessions/{session}")["posted"]["fee_minor"])


def in_review(doors: Doors, session: str = "doubt") -> str:
    """A session whose live offsets lie further apart than both can be right."""
    events = a_session("h1", session, at=NOON - 20_000)
    lags = (0, 0, 0, 500)
    post(
        doors.app,
        [event | {"sent_at": rfc3339(NOW - lag), "stall": "5"} for event, lag in zip(events, lags, strict=True)],
    )
    return f"h1/{session}"


# -- waivers ------------------------------------------------------------------------------------------------


def test_waivers_add_up_and_the_owners_balance_falls(doors: Doors) -> None:
    waiver = {"session": "m1/bobs", "amount_minor": 1_50, "reason": "rude neighbour"}
    done = doors.send("support", "/v1/waivers", waiver)
    assert done["changed"] == [
        {
            "session": "m1/bobs",
            "owner": "bob",
            "owner_before": "bob",
            "fee_before_minor": 4_00,
            "fee_minor": 2_50,
            "currency": "USD",
        }
    ]
    assert doors.send("finance", "/v1/waivers", waiver)["posted"]["fee_minor"] == 1_00
    assert doors.get("bob", "/v1/me/balance")[0]["amount_minor"] == 1_00
    assert (
        doors.send("finance", "/v1/waivers", {"session": "m1/bobs", "reason": "all of it"})["posted"]["fee_minor"] == 0
    )
    decisions = doors.get("support", "/v1/sessions/m1/bobs")["decisions"]
    assert [(one["kind"], one["amount_minor"], one["author"].partition(":")[0]) for one in decisions] == [
        ("waiver", None, "finance"),
        ("waiver", 1_50, "finance"),
        ("waiver", 1_50, "support"),
    ]


def test_support_waives_within_its_limit_a_session(doors: Doors) -> None:
    limit = doors.app.settings.support_waives_up_to_minor
    doors.send("support", "/v1/waivers", {"session": "m1/bobs", "amount_minor": limit - 1, "reason": "first"})
    for amount in (2, None):
        refused = doors.send(
            "support", "/v1/waivers", {"session": "m1/bobs", "amount_minor": amount, "reason": "again"}, 403
        )
        assert refused["code"] == "over_limit"
    doors.send("support", "/v1/waivers", {"session": "m1/bobs", "amount_minor": 1, "reason": "up to it"})
    doors.send("support", "/v1/waivers", {"session": "h1/anns", "amount_minor": limit, "reason": "another session"})
    assert len(doors.every_row("support", "/v1/decisions", site="market", kind="waiver")) == 2


# -- once under one key -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "path", "body"),
    [
        ("support", "/v1/waivers", {"session": "m1/bobs", "amount_minor": 1_00, "reason": "once"}),
        ("support", "/v1/claims", {"session": "h2/nobodys", "owner": "ann", "reason": "once"}),
        (
            "operator",
            "/v1/excuses",
            {"site": "market", "starts_at": rfc3339(NOON), "ends_at": rfc3339(NOON + 3600), "reason": "once"},
        ),
        (
            "operator",
            "/v1/out-of-service",
            {"station": "h1", "stall": "1", "starts_at": rfc3339(NOON), "reason": "once"},
        ),
        ("finance", "/v1/rerates", {"tariff": "waive_completed", "reason": "once"}),
    ],
)
def test_the_same_request_under_one_key_is_done_once(doors: Doors, who: str, path: str, body: dict[str, Any]) -> None:
    key = "k-1"
    first = doors.send(who, path, body, key=key)
    doors.app.clock.advance(60)  # type: ignore[attr-defined]
    again = doors.send(who, path, body, key=key)
    assert (first["replayed"], again["replayed"]) == (False, True)
    reused = doors.send(who, path, body | {"reason": "another"}, 409, key=key)
    assert reused["code"] == "key_reused"
    assert doors.send(who, path, body | {"reason": "another"}, key="k-2")["replayed"] is False
    recorded = sum(len(doors.every_row(who, "/v1/decisions", site=site)) for site in ("harbour", "market"))
    assert recorded == (4 if path == "/v1/rerates" else 2)


def test_a_key_is_its_callers_own_and_holds_at_every_site(doors: Doors) -> None:
    waiver = {"session": "m1/bobs", "amount_minor": 1_00, "reason": "once"}
    key = "k-1"
    assert doors.send("support", "/v1/waivers", waiver, key=key)["replayed"] is False
    assert doors.send("finance", "/v1/waivers", waiver, key=key)["replayed"] is False
    assert doors.send("support", "/v1/waivers", waiver | {"session": "h1/anns"}, 409, key=key)["code"] == "key_reused"
    assert fee(doors, "m1/bobs") == 2_00


def test_a_release_sent_again_is_a_replay_although_nothing_waits_any_more(doors: Doors) -> None:
    session, key = in_review(doors), "k-1"
    release = {"session": session, "reason": "the clock was set"}
    assert doors.send("operator", "/v1/reviews/release", release, key=key)["posted"]["fee_minor"] == 2_00
    assert doors.send("operator", "/v1/reviews/release", release, key=key)["replayed"] is True
    assert doors.send("operator", "/v1/reviews/release", release, 409)["code"] == "nothing_to_decide"


def test_a_replayed_waiver_is_no_second_step_over_the_limit(doors: Doors) -> None:
    most = doors.app.settings.support_waives_up_to_minor
    waiver = {"session": "m1/bobs", "amount_minor": most, "reason": "all I may"}
    key = "k-1"
    doors.send("support", "/v1/waivers", waiver, key=key)
    assert doors.send("support", "/v1/waivers", waiver, key=key)["replayed"] is True


# -- reviews ------------------------------------------------------------------------------------------------


def test_what_waits_in_review_is_listed_released_and_rejected(doors: Doors) -> None:
    released, rejected = in_review(doors, "doubt"), in_review(doors, "another")
    waiting = doors.every_row("support", "/v1/reviews")
    assert {row["session"]: (row["why"], row["computed_minor"], row["fee_minor"]) for row in waiting} == {
        released: (["clock_offsets"], 2_00, 0),
        rejected: (["clock_offsets"], 2_00, 0),
    }
    doors.send("operator", "/v1/reviews/release", {"session": released, "reason": "checked"})
    doors.send("operator", "/v1/reviews/reject", {"session": rejected, "reason": "checked"})
    assert (fee(doors, released), fee(doors, rejected)) == (2_00, 0)
    assert doors.every_row("operator", "/v1/reviews") == []


# -- operators' facts ---------------------------------------------------------------------------------------


def test_an_excuse_of_a_site_settles_everybody_it_touches(doors: Doors) -> None:
    excuse = {"site": "harbour", "starts_at": rfc3339(NOON), "ends_at": rfc3339(NOON + 2400), "reason": "gate stuck"}
    done = doors.send("operator", "/v1/excuses", excuse)
    assert {change["session"]: change["fee_minor"] for change in done["changed"]} == {"h1/anns": 0, "h2/nobodys": 2_00}
    assert fee(doors, "m1/bobs") == 4_00
    excused = doors.get("ann", "/v1/me/sessions/h1/anns")
    assert "The operator excused the time from" in " ".join(excused["sentences"])


def test_an_excuse_of_one_stall_leaves_its_neighbours_alone(doors: Doors) -> None:
    interval = {"site": "harbour", "starts_at": rfc3339(NOON), "ends_at": rfc3339(NOON + 3600), "reason": "flooded"}
    done = doors.send("operator", "/v1/excuses", interval | {"station": "h2", "stall": "1"})
    assert [change["session"] for change in done["changed"]] == ["h2/nobodys"]
    assert doors.send("operator", "/v1/excuses", interval | {"station": "h2"}, 422)["code"] == "half_a_stall"
    assert doors.send("operator", "/v1/excuses", interval | {"station": "m1", "stall": "1"}, 404)["code"] == "not_found"


def test_a_stall_out_of_service_raises_how_full_a_site_was(doors: Doors) -> None:
    """The harbour's two stalls hold a car each: all full. A third one empty, and then out of service: full again."""
    doors.send("operator", "/v1/stations/h1/stalls", {"stall": "3"}, 201)
    doors.send("finance", "/v1/rerates", {"tariff": "tiers_2018_usd", "sites": ["harbour"], "reason": "as listed"})
    before = fee(doors, "h1/anns")
    out = {"station": "h1", "stall": "3", "starts_at": rfc3339(NOON), "reason": "cable cut"}
    done = doors.send("operator", "/v1/out-of-service", out)
    assert (before, fee(doors, "h1/anns")) == (2_50, 5_00)
    assert {change["session"] for change in done["changed"]} == {"h1/anns", "h2/nobodys"}

    back = {"station": "h1", "stall": "3", "reason": "new cable"}
    for too_early in (NOON - 60, NOON):
        refused = doors.send("operator", "/v1/back-in-service", back | {"ends_at": rfc3339(too_early)}, 409)
        assert refused["code"] == "in_service"
    done = doors.send("operator", "/v1/back-in-service", back, key="k-back")  # now, when both have left
    assert (done["changed"], fee(doors, "h1/anns")) == ([], 5_00)
    doors.app.clock.advance(60)  # type: ignore[attr-defined]
    assert doors.send("operator", "/v1/back-in-service", back, key="k-back")["replayed"] is True
    assert doors.send("operator", "/v1/back-in-service", back, 409)["code"] == "in_service"
    done = doors.send("operator", "/v1/back-in-service", back | {"ends_at": rfc3339(NOON + 60)})  # or rather at once
    assert ({change["session"] for change in done["changed"]}, fee(doors, "h1/anns")) == (
        {"h1/anns", "h2/nobodys"},
        2_50,
    )
    doors.send("operator", "/v1/out-of-service", out | {"starts_at": rfc3339(NOON + 60), "reason": "cut again"})
    assert fee(doors, "h1/anns") == 5_00  # an end that was told is none for what begins with it


def test_a_voided_event_counts_for_nothing_and_is_voided_once(doors: Doors) -> None:
    void = {"station": "h1", "event": "anns-3", "reason": "stuck sensor"}
    assert doors.send("operator", "/v1/voids", void)["changed"][0]["fee_minor"] == 0
    assert doors.send("operator", "/v1/voids", void | {"reason": "again"})["replayed"] is True
    assert doors.send("operator", "/v1/voids", void | {"event": "none"}, 404)["code"] == "not_found"
    ignored = [(event["id"], event["ignored"]) for event in doors.get("ann", "/v1/me/sessions/h1/anns")["events"]]
    assert ("anns-3", "voided") in ignored


def test_decisions_are_listed_newest_first_with_who_and_why(doors: Doors) -> None:
    for n in range(5):
        doors.send("support", "/v1/waivers", {"session": "h1/anns", "amount_minor": 1, "reason": f"reason {n}"})
    doors.send("support", "/v1/claims", {"session": "h2/nobodys", "owner": "ann", "reason": "hers"})
    listed = doors.every_row("support", "/v1/decisions", site="harbour", limit=2)
    assert [row["reason"] for row in listed] == ["hers", *(f"reason {n}" for n in (4, 3, 2, 1, 0))]
    of_one = doors.every_row("support", "/v1/decisions", site="harbour", session="h2/nobodys")
    assert [(row["kind"], row["owner"]) for row in of_one] == [("claim", "ann")]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/waivers", {"session": "h1/anns", "reason": "  "}, "invalid_request"),
        ("/v1/waivers", {"session": "h1/anns", "amount_minor": 0, "reason": "x"}, "invalid_request"),
        ("/v1/waivers", {"session": "h1/anns", "amount_minor": True, "reason": "x"}, "invalid_request"),
        ("/v1/waivers", {"session": "h1/none", "amount_minor": 1, "reason": "x"}, "not_found"),
        ("/v1/claims", {"session": "h1/anns", "owner": "nobody", "reason": "x"}, "not_found"),
        (
            "/v1/excuses",
            {"site": "harbour", "starts_at": rfc3339(NOON), "ends_at": rfc3339(NOON), "reason": "x"},
            "empty_interval",
        ),
    ],
)
def test_a_decision_that_cannot_be_is_refused_and_changes_nothing(
    doors: Doors, path: str, body: dict[str, Any], code: str
) -> None:
    response = doors.ask("finance" if path == "/v1/waivers" else "operator", "POST", path, json=body)
    assert (response.status_code // 100, response.json()["code"]) == (4, code)
    assert doors.every_row("operator", "/v1/decisions", site="harbour") == []
    assert fee(doors, "h1/anns") == 2_00


# -- parked steps -------------------------------------------------------------------------------------------


def test_parked_steps_are_listed_and_revived(doors: Doors) -> None:
    now = doors.app.clock.now()
    with doors.app.writing() as connection:
        schedule(connection, [Job("a step", "a kind", now, {"site_id": "harbour"}, "harbour")], now)
        (job,) = lease(connection, "w", now, 1, "a kind")
        spent = Job(job.key, job.kind, job.due_at, job.body, attempts=MOST_ATTEMPTS - 1)
        assert fail(connection, "w", spent, "it broke", now)
    (parked,) = doors.every_row("operator", "/v1/jobs/dead")
    assert (parked["key"], parked["last_error"], parked["body"]) == ("a step", "it broke", {"site_id": "harbour"})
    assert doors.ask("operator", "POST", "/v1/jobs/revive", json={"key": "a step"}).status_code == 204
    assert doors.every_row("operator", "/v1/jobs/dead") == []
    assert doors.send("operator", "/v1/jobs/revive", {"key": "a step"}, 404)["code"] == "not_found"
