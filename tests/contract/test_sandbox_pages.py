"""The pages that Stripe would host, as a browser asks for them."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.sandbox.serving import Sandbox, sandbox_running
from sessions.clock import FixedClock
from tests.contract.targets import NOW, Target, cites

BACK = "http://127.0.0.1:9/back"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_running(FixedClock(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Any:
    return Target("sandbox", sandbox.key, sandbox.url).client()


def a_session(api: Any) -> Any:
    return api.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": api.customers.create({}).id,
            "currency": "usd",
            "success_url": f"{BACK}?session={{CHECKOUT_SESSION_ID}}",
            "cancel_url": f"{BACK}?cancelled=1",
            "custom_text": {"submit": {"message": "We charge <it> after each session."}},
        }
    )


def state_of(api: Any, session: Any) -> tuple[Any, Any]:
    seen = api.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent.payment_method"]})
    return seen.status, seen.setup_intent


@cites("payments/checkout/save-and-reuse")
def test_a_card_is_chosen_and_the_owner_is_sent_back(api: Any) -> None:
    session = a_session(api)
    page = httpx2.get(session.url)
    assert "We charge &lt;it&gt; after each session." in page.text
    assert "No money moves" in page.text
    assert "script" not in page.text
    assert httpx2.post(session.url, data={"card": "pm_card_visa"}).headers["location"] == f"{BACK}?session={session.id}"
    status, setup = state_of(api, session)
    assert (status, setup.status, setup.payment_method.customer) == ("complete", "succeeded", session.customer)
    assert httpx2.get(session.url).status_code == 410


@cites("testing#declined-payments")
def test_a_declined_card_leaves_the_page_open(api: Any) -> None:
    session = a_session(api)
    for card in ("pm_card_visa_chargeDeclined", "nonsense"):
        assert httpx2.post(session.url, data={"card": card}).status_code == 400
    status, setup = state_of(api, session)
    assert (status, setup.status) == ("open", "requires_payment_method")
    assert setup.last_setup_error.code == "card_declined"


@pytest.mark.parametrize(("answer", "status"), [("yes", "complete"), ("no", "open")])
@cites("payments/3d-secure")
def test_the_bank_asks_before_a_card_is_kept(api: Any, answer: str, status: str) -> None:
    session = a_session(api)
    bank = httpx2.post(session.url, data={"card": "pm_card_authenticationRequiredOnSetup"}).headers["location"]
    assert "agree to keep this card" in httpx2.get(bank).text
    there = httpx2.post(bank, data={"answer": answer}).headers["location"]
    assert there == (f"{BACK}?session={session.id}" if answer == "yes" else session.url)
    assert state_of(api, session)[0] == status
    assert httpx2.get(bank).status_code == 410


@pytest.mark.parametrize(("answer", "status"), [("yes", "succeeded"), ("no", "requires_payment_method")])
@cites("payments/3d-secure/authentication-flow")
def test_the_bank_asks_before_it_pays(api: Any, answer: str, status: str) -> None:
    customer = api.customers.create({}).id
    wary = api.payment_methods.attach("pm_card_authenticationRequired", {"customer": customer}).id
    waiting = api.payment_intents.create(
        {
            "amount": 320,
            "currency": "usd",
            "customer": customer,
            "payment_method": wary,
            "confirm": True,
            "return_url": f"{BACK}?invoice=1",
        }
    )
    bank = waiting.next_action.redirect_to_url.url
    assert "3.20 USD" in httpx2.get(bank).text
    there = httpx2.post(bank, data={"answer": answer}).headers["location"]
    assert there.startswith(f"{BACK}?invoice=1&payment_intent={waiting.id}&")
    assert there.endswith("redirect_status=succeeded" if answer == "yes" else "redirect_status=failed")
    assert api.payment_intents.retrieve(waiting.id).status == status


@cites("payments/checkout/save-and-reuse")
def test_no_other_page_is_there(sandbox: Sandbox) -> None:
    assert httpx2.get(f"{sandbox.url}/c/pay/cs_test_nowhere").status_code == 404
    assert httpx2.get(f"{sandbox.url}/authenticate/pi_nowhere").status_code == 410
    assert httpx2.get(f"{sandbox.url}/elsewhere").status_code == 404
    style = httpx2.get(f"{sandbox.url}/_sandbox/style.css")
    assert style.headers["content-type"].startswith("text/css")
