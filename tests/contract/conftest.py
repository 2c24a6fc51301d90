"""Each case that asks for `target` or `api`, its client, runs against all of them: Stripe itself where a key is set.

What localstripe does not do is no case of it: `targets.LEFT_OUT` says which, and why.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.targets import LEFT_OUT, Target, reached, stripe_is_set

TARGETS = ("sandbox", "localstripe", *(["stripe"] if stripe_is_set() else []))


@pytest.fixture(scope="session", params=TARGETS)
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    with reached(request.param) as target:
        yield target


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if _target_of(item) == "localstripe" and _name_of(item) in LEFT_OUT]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _target_of(item: pytest.Item) -> object:
    call = getattr(item, "callspec", None)
    return None if call is None else call.params.get("target")


def _name_of(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", item.name))


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
