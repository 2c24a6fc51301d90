"""Each case that asks for `target` or `api`, its client, runs against all of them: Stripe itself where a key is set."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.targets import LEFT_OUT, Target, reached, stripe_is_set

TARGETS = ("sandbox", "localstripe", *(["stripe"] if stripe_is_set() else []))


@pytest.fixture(scope="session", params=TARGETS)
def running_target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with reached(request.param) as target:
        yield target


@pytest.fixture
def target(running_target: Target, request: pytest.FixtureRequest) -> Target:
    name = getattr(request.node, "originalname", request.node.name)
    if running_target.name == "localstripe" and name in LEFT_OUT:
        pytest.skip(LEFT_OUT[name])
    return running_target


@pytest.fixture
def api(target: Target) -> Any:
    return target.client()


@pytest.fixture
def customer(api: Any) -> str:
    return str(api.customers.create({"metadata": {"idlefee_owner": "mara"}}).id)


@pytest.fixture
def card(api: Any, customer: str) -> str:
    """A card that pays, kept by `customer`."""
    return str(api.payment_methods.attach("pm_card_visa", {"customer": customer}).id)
