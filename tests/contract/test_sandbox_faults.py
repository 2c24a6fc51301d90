"""Trouble on order, and what a key remembers of it; webhooks late, twice, and in a wrong order."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import stripe

from api.sandbox.serving import Sandbox, sandbox_running
from sessions.clock import FixedClock
from tests.contract.targets import NOW, Target, cites
from tests.receivers import HttpServer, Request, http_server

KEY = {"idempotency_key": "once"}
NAMED = {"name": "Mara"}
MINUTE_S = 60


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandbox_running(FixedClock(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Any:
    return Target("sandbox", sandbox.key, sandbox.url).client()


CONNECTION, OTHER, TOO_MUCH = stripe.APIConnectionError, stripe.APIError, stripe.RateLimitError


@pytest.mark.parametrize(
    ("fault", "error", "status", "there_at_once", "same_again"),
    [
        ("timeout_before", CONNECTION, None, False, False),
        ("timeout_after", CONNECTION, None, True, False),
        ("drop_before", CONNECTION, None, False, False),
        ("drop_after", CONNECTION, None, True, False),
        ("error_before", OTHER, 500, False, True),  # the key remembers the 500: only a new one asks again
        ("error_after", OTHER, 500, True, True),
        ("unavailable", OTHER, 503, False, False),
        ("conflict", OTHER, 409, False, False),
        ("rate_limit", TOO_MUCH, 429, False, False),
    ],
)
@cites("error-low-level")
def test_trouble_is_on_one_side_of_the_effect(
    api: Any,
    sandbox: Sandbox,
    fault: str,
    error: type[stripe.StripeError],
    status: int | None,
    there_at_once: bool,
    same_again: bool,
) -> None:
    hasty = Target("sandbox", sandbox.key, sandbox.url, timeout_s=0.2).client()
    sandbox.orders.fault(fault, on="POST /v1/customers")
    with pytest.raises(error) as no:
        hasty.customers.create(NAMED, KEY)
    assert no.value.http_status == status
    assert len(api.customers.list().data) == there_at_once
    if same_again:
        with pytest.raises(error):
            api.customers.create(NAMED, KEY)
        assert len(api.customers.list().data) == there_at_once
    else:
        assert api.customers.create(NAMED, KEY).name == "Mara"
        assert len(api.customers.list().data) == 1


@cites("error-low-level#idempotency")
def test_two_at_once_under_one_key_are_one(api: Any, sandbox: Sandbox) -> None:
    sandbox.orders.fault("slow", on="POST /v1/customers", seconds=1)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(api.customers.create, NAMED, KEY)
        while not sandbox.desk.keys.in_progress("once"):
            assert not first.done()
        with pytest.raises(stripe.APIError) as no:
            api.customers.create(NAMED, KEY)
        assert no.value.error is not None
        assert (no.value.http_status, no.value.error.code) == (409, "idempotency_key_in_use")
        assert api.customers.retrieve(first.result().id).name == "Mara"
    assert api.customers.create(NAMED, KEY).id == first.result().id


@cites("testing")
def test_orders_come_over_http_as_well(api: Any, sandbox: Sandbox) -> None:
    def order(**said: Any) -> httpx2.Response:
        bearer = {"Authorization": f"Bearer {sandbox.key}"}
        return httpx2.post(f"{sandbox.url}/_sandbox/orders", json=said, headers=bearer)

    assert httpx2.post(f"{sandbox.url}/_sandbox/faults", json={}).status_code == 401
    assert order(order="fault", fault="rate_limit", on="GET /v1/customers").status_code == 200
    with pytest.raises(stripe.RateLimitError):
        api.customers.list()
    assert order(order="advance", seconds=86_400).json() == {"order": "advance", "result": None}
    assert api.customers.create(NAMED).created == NOW + 86_400
    for wrong in ({"order": "nonsense"}, {"order": "advance"}, {"order": "dispute", "payment": "pi_no"}, {}):
        assert order(**wrong).status_code == 400


# Webhooks.


def named(received: HttpServer) -> list[str]:
    return [json.loads(request.body)["data"]["object"]["name"] for request in received.requests]


def proved(request: Request, secret: str) -> bool:
    signature = request.headers["stripe-signature"]
    return bool(stripe.WebhookSignature.verify_header(request.body.decode(), signature, secret, tolerance=None))


@pytest.fixture
def received(sandbox: Sandbox) -> Iterator[HttpServer]:
    """What the sandbox's events reach."""
    with http_server() as received:
        sandbox.orders.listen(received.url("/stripe"))
        yield received


@cites("webhooks/signature")
def test_an_event_is_signed(api: Any, sandbox: Sandbox, received: HttpServer) -> None:
    made = api.customers.create(NAMED)
    assert sandbox.webhooks.deliver() == 1
    (request,) = received.requests
    assert request.headers["stripe-signature"].startswith(f"t={NOW},v1=")
    assert proved(request, sandbox.webhook_secret)
    with pytest.raises(stripe.SignatureVerificationError):
        proved(replace(request, body=request.body + b" "), sandbox.webhook_secret)
    event = json.loads(request.body)
    assert (event["type"], event["data"]["object"]["id"]) == ("customer.created", made.id)
    assert event["api_version"] == "2026-10-28.endive"


@cites("webhooks#automatic-retries")
def test_an_event_that_is_not_taken_comes_again(api: Any, sandbox: Sandbox, received: HttpServer) -> None:
    received.answers["/stripe"] = 500
    api.customers.create(NAMED)
    assert (sandbox.webhooks.deliver(), sandbox.webhooks.deliver(), len(received.requests)) == (0, 0, 1)
    received.answers["/stripe"] = 302
    sandbox.orders.advance(MINUTE_S)
    assert (sandbox.webhooks.deliver(), len(received.requests)) == (0, 2)
    received.answers["/stripe"] = 200
    sandbox.orders.advance(5 * MINUTE_S)
    assert (sandbox.webhooks.deliver(), len(received.requests)) == (1, 3)
    assert api.events.list().data[0].pending_webhooks == 0


@cites("webhooks#event-ordering")
def test_events_come_late_twice_and_backwards(api: Any, sandbox: Sandbox, received: HttpServer) -> None:
    sandbox.orders.hold_webhooks()
    for name in ("a", "b"):
        api.customers.create({"name": name})
    assert sandbox.webhooks.deliver() == 0
    sandbox.orders.release_webhooks(backwards=True, times=2)
    assert sandbox.webhooks.deliver() == 4
    assert named(received) == ["b", "b", "a", "a"]
    api.customers.create({"name": "lost"})
    assert sandbox.orders.lose_webhooks() == 1
    assert sandbox.webhooks.deliver() == 0
    sandbox.orders.repeat_webhook(api.events.list().data[0].id)
    assert sandbox.webhooks.deliver() == 1
    assert named(received)[-1] == "lost"


@cites("api/webhook_endpoints/create")
def test_an_address_hears_what_it_asked_for_and_has_its_own_secret(
    api: Any, sandbox: Sandbox, received: HttpServer
) -> None:
    endpoint = api.webhook_endpoints.create({"url": received.url("/own"), "enabled_events": ["customer.deleted"]})
    api.customers.delete(api.customers.create(NAMED).id)
    sandbox.webhooks.deliver()
    (request,) = received.at("/own")
    assert proved(request, endpoint.secret)
    assert json.loads(request.body)["type"] == "customer.deleted"
    assert api.webhook_endpoints.delete(endpoint.id).deleted
