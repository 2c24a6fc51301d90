"""Whom the contract is held against: our sandbox, `localstripe` as a process, and Stripe's own test mode.

Every case names the page of Stripe's documentation that says so (`cites`); a test holds that none is without. What
`localstripe` does otherwise, or not at all, stands in `LEFT_OUT` with the reason.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import stripe
from stripe import StripeClient

from api.sandbox.serving import sandbox_running
from sessions.clock import FixedClock

NOW = 1_780_000_000
API_VERSION = "2026-10-28.endive"
STARTS_WITHIN_S = 15
DOCS = "https://docs.stripe.com/"

Case = TypeVar("Case", bound=Callable[..., object])

NO_KEYS = "localstripe keeps no idempotency keys"
NO_CHECKOUT = "localstripe has no Checkout Sessions"
NO_DISPUTES = "localstripe has no disputes"
OTHER_ERROR = "localstripe refuses it, without Stripe's code"
LEFT_OUT = {
    "test_a_customer_is_made_changed_and_deleted": "localstripe answers a deleted customer with 404",
    "test_a_detached_card_is_of_no_use_again": "localstripe takes a detached card",
    "test_a_card_may_want_its_owner_before_it_is_kept": "localstripe takes no return_url",
    "test_a_setup_is_confirmed_at_once_where_nothing_stands_in_its_way": "localstripe confirms in a second step",
    "test_a_bank_that_says_no_says_why": "localstripe knows two declining test cards by name",
    "test_off_session_a_wish_for_the_owner_is_a_decline": "localstripe waits for the owner, off-session too",
    "test_with_a_return_url_the_owner_is_sent_to_the_bank": "localstripe takes no return_url",
    "test_the_same_payment_may_be_tried_again_with_another_card": "localstripe confirms with no other payment method",
    "test_what_has_succeeded_is_neither_confirmed_nor_cancelled": OTHER_ERROR,
    "test_an_amount_below_the_minimum_is_refused": "localstripe knows no minimum",
    "test_amounts_go_in_the_steps_of_their_currency": "localstripe knows no steps",
    "test_a_payment_shows_what_is_kept_of_it": "localstripe takes no fees",
    "test_the_answer_of_the_first_time_is_given_again": NO_KEYS,
    "test_a_decline_is_remembered": NO_KEYS,
    "test_one_key_never_asks_two_things": NO_KEYS,
    "test_an_unknown_parameter_is_refused": OTHER_ERROR,
    "test_card_types_go_by_their_new_name": OTHER_ERROR,
    "test_a_missing_parameter_is_named": OTHER_ERROR,
    "test_what_is_not_there_is_missing": OTHER_ERROR,
    "test_a_wrong_key_opens_nothing": "localstripe takes every key that begins with sk_",
    "test_lists_go_from_the_newest_page_by_page": "localstripe lists no PaymentIntents by customer and time",
    "test_no_more_than_is_left_is_given_back": "localstripe gives back without a limit",
    "test_a_refund_may_take_its_time": "localstripe knows no such test card",
    "test_a_dispute_takes_the_amount_and_a_fee": NO_DISPUTES,
    "test_evidence_that_wins_brings_the_money_back": NO_DISPUTES,
    "test_a_session_to_keep_a_card_is_a_page": NO_CHECKOUT,
    "test_an_event_names_the_request_behind_it": "localstripe's events name no request",
}


def cites(page: str) -> Callable[[Case], Case]:
    """The page of Stripe's documentation that a case holds to, after docs.stripe.com/."""

    def mark(case: Case) -> Case:
        vars(case)["cites"] = DOCS + page
        return case

    return mark


@dataclass(frozen=True, slots=True)
class Target:
    """Something that says it is Stripe."""

    name: str
    key: str
    url: str | None
    timeout_s: float = 30
    waits_s: float = 0  # how long what follows of itself may take to be seen

    def client(self, key: str | None = None) -> Any:
        client = StripeClient(
            key or self.key,
            stripe_version=API_VERSION,
            base_addresses={} if self.url is None else {"api": self.url},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=self.timeout_s),
        )
        return client.v1

    def until(self, seen: Callable[[], Any]) -> Any:
        """The first answer that is not empty."""
        deadline = time.monotonic() + self.waits_s
        while not (found := seen()) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert found
        return found


def stripe_is_set() -> bool:
    """Whether there is a key of Stripe's test mode; with any other nothing is asked."""
    return os.environ.get("STRIPE_API_KEY", "").startswith("sk_test_")


@contextmanager
def reached(name: str) -> Iterator[Target]:
    """The target of that name, running. Skips, with the reason, where there is none."""
    if name == "stripe":
        yield Target(name, os.environ["STRIPE_API_KEY"], None, waits_s=30)
    elif name == "sandbox":
        with sandbox_running(FixedClock(NOW)) as sandbox:
            yield Target(name, sandbox.key, sandbox.url)
    else:
        with _localstripe() as url:
            yield Target(name, "sk_test_12345", url, waits_s=2)


@contextmanager
def _localstripe() -> Iterator[str]:
    if importlib.util.find_spec("localstripe") is None:
        pytest.skip("localstripe is not installed: `make install-dev`")
    with socket.socket(socket.AF_INET6) as free:
        try:
            free.bind(("::1", 0))
        except OSError:
            pytest.skip("localstripe listens on IPv6, and this machine has none")
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=Path.home()) as process:
        try:
            _wait_for(port, process)
            yield f"http://[::1]:{port}"
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("::1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("localstripe did not start")
