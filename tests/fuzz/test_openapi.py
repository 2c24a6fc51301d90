"""Generated requests at the served product, with an operator's, an owner's and a station's key: whatever is sent, by
the OpenAPI document or against it, no door breaks, every answer is as described, and the books stay right.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from billing.verify import Difference, verify
from tests.conftest import ENGINES
from tests.integration.doors import Doors, open_doors

pytestmark = pytest.mark.fuzz

EXAMPLES = 1_000 if os.environ.get("IDLEFEE_TESTS") == "soak" else 5  # of each kind, a door and a database
KEYS = ("operator", "ann", "h1", "finance")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

# Random ids find nothing: half of the time a request names what is there.
KNOWN: dict[str, list[str]] = {
    "station_id": ["h1", "h2", "m1"],
    "station": ["h1", "h2", "m1"],
    "site_id": ["harbour", "market"],
    "site": ["harbour", "market"],
    "seller": ["acme"],
    "owner_id": ["ann", "bob"],
    "owner": ["ann", "bob"],
    "stall": ["1", "2"],
    "event": ["anns-1", "anns-3", "bobs-4"],
    "tariff": ["standard", "waive_completed", "tiers_2018_usd"],
    "name": ["standard", "mine"],
    "zone": ["Europe/Berlin", "UTC"],
}
IN_PATHS = KNOWN | {"session": ["anns", "bobs", "nobodys"]}
IN_BODIES = KNOWN | {"session": ["h1/anns", "m1/bobs", "h2/nobodys"]}


@schemathesis.serializer("application/x-ndjson")
def lines(_context: object, value: object) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


@pytest.fixture(scope="module", params=ENGINES)
def doors(request: pytest.FixtureRequest) -> Iterator[Doors]:
    databases = request.getfixturevalue("sqlite_databases" if request.param == "sqlite" else "postgres_databases")
    with databases.migrated() as url, open_doors(url) as doors:
        yield doors


def test_whatever_is_sent_no_door_breaks(doors: Doors) -> None:
    schema = schemathesis.openapi.from_url(f"{doors.address}/openapi.json")
    knocked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            knocked += _knock(doors, found.ok(), mode)
    assert knocked > 300
    differences: list[Difference] = []
    verify(doors.app.engine, doors.app.clock.now(), differences.append)
    assert differences == []


def _knock(doors: Doors, operation: Any, mode: GenerationMode) -> int:
    """Send examples of one kind; answers how many were sent. Some doors have nothing that could be wrong."""
    sent = 0

    @settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def send(case: Any, data: st.DataObject) -> None:
        nonlocal sent
        _name_what_is_there(case.path_parameters, IN_PATHS, data)
        _name_what_is_there(case.query, KNOWN, data)
        for part in case.body if isinstance(case.body, list) else [case.body]:
            _name_what_is_there(part, IN_BODIES, data)
        key = doors.keys[data.draw(st.sampled_from(KEYS))]
        response = case.call(headers={"Authorization": f"Bearer {key}"}, timeout=30)
        sent += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            raise AssertionError("\n".join(map(str, group.exceptions))) from None

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE
    return sent


def _name_what_is_there(part: object, known: dict[str, list[str]], data: st.DataObject) -> None:
    if isinstance(part, dict):
        for name in sorted(known.keys() & part.keys()):
            if data.draw(st.booleans()):
                part[name] = data.draw(st.sampled_from(known[name]))
