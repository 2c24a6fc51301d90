"""Nothing here is Stripe's behaviour because we say so."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.contract.targets import DOCS, LEFT_OUT, stripe_is_set

HERE = Path(__file__).parent


def cases() -> dict[str, Any]:
    modules = (
        importlib.import_module(f"tests.contract.{file.stem}")
        for file in HERE.glob("test_*.py")
        if file.name != Path(__file__).name
    )
    return {name: case for module in modules for name, case in vars(module).items() if name.startswith("test_")}


def test_every_case_cites_a_page_of_stripes_documentation() -> None:
    without = [name for name, case in cases().items() if not getattr(case, "cites", "").startswith(DOCS)]
    assert not without, f"say which page they hold to, with @cites: {', '.join(without)}"


def test_stripe_itself_is_held_to_it() -> None:
    if not stripe_is_set():
        pytest.skip("the contract runs against Stripe's test mode where STRIPE_API_KEY=sk_test_… is set")


def test_what_localstripe_is_excused_from_is_a_case() -> None:
    gone = sorted(set(LEFT_OUT) - set(cases()))
    assert not gone, f"no such case: {', '.join(gone)}"
