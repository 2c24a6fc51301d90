"""What Stripe does by itself as time passes. Only the sandbox's clock can be moved."""

from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from api.sandbox.serving import Sandbox, sandbox_running
from sessions.clock import FixedClock
from tests.contract.targets import NOW, Target, cites
from tests.contract.test_payments import pay

DAY_S = 86_400
KEY = {"idempotency_key": "once"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandbox_running(FixedClock(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Any:
    return Target("sandbox", sandbox.key, sandbox.url).client()


def paid_by(api: Any, card: str, amount: int = 10_000) -> Any:
    customer = api.customers.create({}).id
    return pay(api, customer, api.payment_methods.attach(card, {"customer": customer}).id, amount)


@cites("api/idempotent_requests")
def test_keys_are_forgotten_after_a_day(api: Any, sandbox: Sandbox) -> None:
    first = api.customers.create({"name": "Mara"}, KEY).id
    sandbox.orders.advance(DAY_S - 1)
    assert api.customers.create({"name": "Mara"}, KEY).id == first
    sandbox.orders.advance(1)
    assert api.customers.create({"name": "Mara"}, KEY).id != first


@cites("refunds#failed-refunds")
def test_a_refund_may_fail_after_it_succeeded(api: Any, sandbox: Sandbox) -> None:
    paid = paid_by(api, "pm_card_refundFail")
    given = api.refunds.create({"payment_intent": paid.id, "amount": 4_000})
    assert given.status == "succeeded"
    sandbox.orders.advance(DAY_S)
    failed = api.refunds.retrieve(given.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_balance_transaction.amount) == ("failed", 4_000)
    assert api.charges.retrieve(paid.latest_charge).amount_refunded == 0
    assert api.refunds.create({"payment_intent": paid.id}).amount == 10_000


@cites("testing#refunds")
def test_a_pending_refund_ends(api: Any, sandbox: Sandbox) -> None:
    given = api.refunds.create({"payment_intent": paid_by(api, "pm_card_pendingRefund").id})
    sandbox.orders.advance(DAY_S)
    assert api.refunds.retrieve(given.id).status == "succeeded"


@pytest.mark.parametrize(("evidence", "status", "back"), [("winning_evidence", "won", 10_000), (None, "lost", 0)])
@cites("disputes/how-disputes-work")
def test_a_dispute_ends(api: Any, sandbox: Sandbox, evidence: str | None, status: str, back: int) -> None:
    paid = paid_by(api, "pm_card_createDispute")
    dispute = api.disputes.list({"payment_intent": paid.id}).data[0]
    if evidence is not None:
        api.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})
    sandbox.orders.advance(8 * DAY_S)
    closed = api.disputes.retrieve(dispute.id)
    assert (closed.status, sum(line.amount for line in closed.balance_transactions)) == (status, back - 10_000)
    assert [line.fee for line in closed.balance_transactions] == [1_500, 0][: len(closed.balance_transactions)]


@cites("disputes/how-disputes-work#inquiries")
def test_an_inquiry_takes_nothing(api: Any, sandbox: Sandbox) -> None:
    paid = paid_by(api, "pm_card_createDisputeInquiry")
    dispute = api.disputes.list({"payment_intent": paid.id}).data[0]
    assert (dispute.status, dispute.balance_transactions) == ("warning_needs_response", [])
    assert api.refunds.create({"payment_intent": paid.id, "amount": 100}).status == "succeeded"
    assert sandbox.orders.close_dispute(dispute.id, won=True)["status"] == "warning_closed"


@cites("payouts#payout-reconciliation")
def test_a_payout_is_the_sum_of_its_lines(api: Any, sandbox: Sandbox) -> None:
    for amount in (1_000, 2_000):
        paid_by(api, "pm_card_visa", amount)
    assert sandbox.orders.pay_out() == []  # nothing is available yet
    sandbox.orders.advance(2 * DAY_S)
    (payout,) = sandbox.orders.pay_out()
    lines = list(api.balance_transactions.list({"payout": payout["id"], "limit": 1}).auto_paging_iter())
    assert sorted(line.type for line in lines) == ["charge", "charge", "payout"]
    assert sum(line.net for line in lines) == 0
    assert payout["amount"] == 1_000 + 2_000 - (29 + 30) - (58 + 30)
    sandbox.orders.advance(2 * DAY_S)
    assert api.payouts.retrieve(payout["id"]).status == "paid"
    assert [one.amount for one in api.balance.retrieve().available] == [0]


@cites("payouts#payout-failures")
def test_a_payout_may_fail_after_it_was_paid(api: Any, sandbox: Sandbox) -> None:
    paid_by(api, "pm_card_bypassPending")
    (payout,) = sandbox.orders.pay_out()
    sandbox.orders.arrive(payout["id"])
    sandbox.orders.fail_payout(payout["id"])
    failed = api.payouts.retrieve(payout["id"], {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_code) == ("failed", "account_closed")
    assert failed.failure_balance_transaction.amount == payout["amount"]
    assert api.balance.retrieve().available[0].amount == payout["amount"]


@cites("payouts#payout-schedule")
def test_payouts_go_out_by_themselves_once_a_day(api: Any, sandbox: Sandbox) -> None:
    sandbox.orders.pay_out_daily()
    paid_by(api, "pm_card_visa")
    sandbox.orders.advance(10 * DAY_S)
    (payout,) = api.payouts.list().data
    assert (payout.status, payout.automatic, payout.created % DAY_S) == ("paid", True, 0)


@cites("api/checkout/sessions/object#checkout_session_object-expires_at")
def test_a_page_to_keep_a_card_is_over_after_a_day(api: Any, sandbox: Sandbox) -> None:
    asked = {"mode": "setup", "currency": "usd", "success_url": "https://example.com/"}
    session = api.checkout.sessions.create(asked)
    assert session.expires_at == NOW + DAY_S
    sandbox.orders.advance(DAY_S)
    assert api.checkout.sessions.retrieve(session.id).status == "expired"
    assert "checkout.session.expired" in [event.type for event in api.events.list().data]


@cites("rate-limits")
def test_too_much_in_a_second_is_refused(api: Any, sandbox: Sandbox) -> None:
    sandbox.orders.rate_limit(2)
    for _ in range(2):
        api.customers.list()
    with pytest.raises(stripe.RateLimitError) as no:
        api.customers.create({"name": "Mara"}, KEY)
    assert no.value.http_status == 429
    sandbox.orders.advance(1)
    assert api.customers.create({"name": "Jo"}, KEY).name == "Jo"  # limiters run before keys are looked at
