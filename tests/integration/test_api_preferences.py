"""Owners say what they want to hear: `/v1/me/preferences`; on both databases."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.doors import Doors, open_doors

WANTED: dict[str, object] = {
    "language": "de",
    "quiet": {"start": "22:00", "end": "07:30", "zone": "Europe/Berlin"},
    "muted": [{"kind": "fee_step", "channel": "email"}, {"kind": "final", "channel": "push"}],
}


@pytest.fixture
def doors(database_url: str) -> Iterator[Doors]:
    with open_doors(database_url) as found:
        yield found


def put(doors: Doors, wanted: dict[str, object], status: int) -> Any:
    response = doors.ask("ann", "PUT", "/v1/me/preferences", json=wanted)
    assert response.status_code == status, response.text
    return response.json()


def test_who_asked_for_nothing_hears_everything_and_what_was_asked_for_is_kept(doors: Doors) -> None:
    assert doors.get("ann", "/v1/me/preferences") == {"language": "en", "quiet": None, "muted": []}
    assert put(doors, WANTED, 200) == WANTED
    assert doors.get("ann", "/v1/me/preferences") == WANTED
    assert doors.get("ann", "/v1/me")["language"] == "de"
    back: dict[str, object] = {"language": "en", "quiet": None, "muted": []}
    assert put(doors, {}, 200) == back


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ({"language": "tlh"}, "language"),
        ({"quiet": {"start": "22:00", "end": "24:00", "zone": "UTC"}}, "quiet.end"),
        ({"quiet": {"start": "22:00", "end": "22:00", "zone": "UTC"}}, "quiet_to"),
        ({"quiet": {"start": "22:00", "end": "07:00", "zone": "Berlin"}}, "zone"),
        ({"muted": [{"kind": "news", "channel": "email"}]}, "no kind of notice"),
        ({"muted": [{"kind": "final", "channel": "inbox"}]}, "the inbox keeps everything"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_with_its_reason(
    doors: Doors, wanted: dict[str, object], what: str
) -> None:
    refused = put(doors, wanted, 422)
    assert what in refused["detail"]
    assert doors.get("ann", "/v1/me/preferences")["quiet"] is None
