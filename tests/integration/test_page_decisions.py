"""What staff decide on pages: once, with a reason, within their rights, and never by a form from elsewhere."""

import re
from collections.abc import Iterator

import pytest

from sessions.events import rfc3339
from tests.integration.page_visits import FULL_AT, Visits, event, standing, until, visits, words_of
from tests.integration.small_world import NOON, a_session, post


@pytest.fixture
def visited(database_url: str) -> Iterator[Visits]:
    with visits(database_url) as found:
        yield found


def test_support_waives_within_its_limit_and_once(visited: Visits) -> None:
    until(visited, NOON + 90_000)
    post(visited.app, a_session("h1", "anns"), a_session("h2", "dear", idle_s=7200))
    form = {"amount": "1.20", "reason": "first time here", "request_key": "one"}
    visited.send("support", "/sessions/h1/anns", "/decide/waive", 303, **form)
    visited.send("support", "/sessions/h1/anns", "/decide/waive", 303, **form)
    page = visited.read("ann", "/sessions/h1/anns")
    assert "$1.20 of the fee was waived. You pay $0.80." in page
    assert "first time here" in page
    refused = visited.send("support", "/sessions/h2/dear", "/decide/waive", 403, amount="", reason="all of it")
    assert "Nothing was changed." in words_of(refused.text)
    assert "You pay $46.00" in visited.read("ann", "/sessions/h2/dear")
    visited.send("finance", "/sessions/h2/dear", "/decide/waive", 303, amount="", reason="goodwill")
    assert "You pay $0.00." in visited.read("ann", "/sessions/h2/dear")


def test_an_amount_that_is_none_is_refused(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    for amount in ("0", "-1", "1.234", "abc", "NaN", "1e99", "Infinity"):
        refused = visited.send("finance", "/sessions/h1/anns", "/decide/waive", 422, amount=amount, reason="why")
        assert "Nothing was changed." in words_of(refused.text)
    assert "You pay $2.00" in visited.read("ann", "/sessions/h1/anns")


def test_a_decision_without_a_reason_is_refused(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    visited.send("finance", "/sessions/h1/anns", "/decide/waive", 422, amount="", reason=" ")
    visited.send("finance", "/sessions/h1/anns", "/decide/waive", 422, amount="", reason="x" * 501)
    assert "You pay $2.00" in visited.read("ann", "/sessions/h1/anns")


@pytest.mark.parametrize(
    ("decision", "then"), [("release", "You pay $2.00"), ("reject", "dropped it. Nothing to pay.")]
)
def test_an_operator_decides_what_waits_in_review(visited: Visits, decision: str, then: str) -> None:
    until(visited, NOON + 9000)
    said = event("meter", NOON + 100, "anns")
    post(visited.app, a_session("h1", "anns"), [said])
    post(visited.app, [said | {"at": rfc3339(NOON + 101)}])
    waiting = visited.read("operator", "/operations")
    assert "One message id came with two different contents." in waiting
    assert "h1, message anns-meter" in waiting
    assert "h1/anns" in visited.read("finance", "/books/waiting/in_review")
    visited.send("operator", "/sessions/h1/anns", "/decide/review", 422, decision="perhaps", reason="undecided")
    visited.send("operator", "/sessions/h1/anns", "/decide/review", 303, decision=decision, reason="looked at it")
    assert then in visited.read("ann", "/sessions/h1/anns")
    assert "Nothing waits for you." in visited.read("operator", "/operations")


def test_a_voided_message_is_not_used_any_more(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, [*standing("s"), event("unplugged", FULL_AT + 600, "s")])
    complete = f"s-charge_complete-{FULL_AT}"
    visited.send("operator", "/sessions/h1/s", "/decide/void", 303, event=complete, reason="the station was repaired")
    page = visited.read("ann", "/sessions/h1/s")
    assert "Not used: an operator voided it" in page
    assert "Nothing to pay" in page


def test_an_excuse_is_given_in_the_sites_own_time(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    span = {"place": "harbour", "from": "2027-01-15T09:36", "to": "2027-01-15T09:38", "reason": "a lorry in the way"}
    visited.send("operator", "/operations", "/decide/excuse", 303, **span)
    page = visited.read("ann", "/sessions/h1/anns")
    assert "The operator excused the time from 09:36 to 09:38: a lorry in the way." in page
    assert "You pay $1.20" in page
    for wrong in ({"from": "2027-01-15T09:38"}, {"to": "tomorrow"}, {"to": "2027-01-15T09:40+01:00"}, {"from": ""}):
        visited.send("operator", "/operations", "/decide/excuse", 422, **span | wrong)
    assert "You pay $1.20" in visited.read("ann", "/sessions/h1/anns")


def test_an_hour_that_occurs_twice_is_excused_to_its_second_end(visited: Visits) -> None:
    """On 31 October 2027 Berlin's clocks go from 03:00 back to 02:00."""
    second_half_past_two = 1_824_946_200  # 02:30 again, an hour after the first
    begins = second_half_past_two - 3600 - 1800
    until(visited, begins + 90_000)
    post(visited.app, a_session("h1", "anns", at=begins, idle_s=3600 + 1800))
    span = {"place": "harbour h1 1", "from": "2027-10-31T02:30", "to": "2027-10-31T02:30", "reason": "a dark hour"}
    visited.send("operator", "/operations", "/decide/excuse", 303, **span)
    assert "You pay $10.00" in visited.read("ann", "/sessions/h1/anns")  # of 90 minutes 60 excused, 5 grace, 25 idle


def test_a_stall_out_of_service_says_so(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    form = {"place": "harbour h1 1", "from": "2027-01-15T09:00", "to": "", "reason": "paint"}
    visited.send("operator", "/operations", "/decide/out-of-service", 303, **form)
    assert "h1 · 1 Out of service" in visited.read("", "/")
    back = {"place": "harbour h1 1", "at": "2027-01-15T09:30", "reason": "dry"}
    assert "h1 · 1, since Jan 15, 2027, 09:00 CET" in visited.read("operator", "/operations")
    visited.send("operator", "/operations", "/decide/back-in-service", 409, **back | {"at": "2027-01-15T08:30"})
    visited.send("operator", "/operations", "/decide/back-in-service", 303, **back)
    assert "h1 · 1 Free" in visited.read("", "/")
    shown = visited.read("operator", "/operations")
    assert "Back in service h1 · 1, since 2027-01-15T" in shown
    assert "Bring a stall back" not in shown


def test_a_form_from_elsewhere_changes_nothing(visited: Visits) -> None:
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    token = re.search(r'name="form_token" value="(\w+)"', visited.get("finance", "/sessions/h1/anns"))
    other = re.search(r'name="form_token" value="(\w+)"', visited.get("support", "/sessions/h1/anns"))
    assert token is not None
    assert other is not None
    form = {"session": "h1/anns", "amount": "", "reason": "mine"}
    ours = form | {"form_token": token[1]}
    forged: list[tuple[dict[str, str], dict[str, str]]] = [
        (form, {}),
        (form | {"form_token": other[1]}, {}),
        (ours, {"Sec-Fetch-Site": "cross-site"}),
        (ours, {"Sec-Fetch-Site": "same-site"}),
    ]
    for data, headers in forged:
        answer = visited.browser("finance").post("/decide/waive", data=data, headers=headers)
        assert answer.status_code == 403
        assert "Nothing was changed." in words_of(answer.text)
    assert "You pay $2.00" in visited.read("ann", "/sessions/h1/anns")


def test_a_form_that_is_none_is_refused(visited: Visits) -> None:
    for body in (b"\xff\xfe", b"a=1&" * 100, b"reason=%00", b"x" * 40_000, b""):
        answer = visited.browser("finance").post("/decide/waive", content=body)
        assert answer.status_code in {400, 403, 413}
        assert "Nothing was changed." in words_of(answer.text)


def test_a_role_decides_only_what_is_its_own(visited: Visits) -> None:
    """The token is right and the page is not theirs: the door itself refuses."""
    until(visited, NOON + 9000)
    post(visited.app, a_session("h1", "anns"))
    for who, action in (
        ("ann", "waive"),
        ("operator", "waive"),
        ("support", "review"),
        ("finance", "void"),
        ("support", "excuse"),
        ("finance", "out-of-service"),
        ("ann", "revive"),
    ):
        page = "/me" if who == "ann" else "/sessions/h1/anns"
        token = re.search(r'name="form_token" value="(\w+)"', visited.get(who, page))
        assert token is not None
        form = {"form_token": token[1], "session": "h1/anns", "reason": "mine"}
        assert visited.browser(who).post(f"/decide/{action}", data=form).status_code == 403, (who, action)
    assert "You pay $2.00" in visited.read("ann", "/sessions/h1/anns")
