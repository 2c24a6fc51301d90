"""Refunds and disputes, and what they do to the balance."""

from typing import Any

import pytest
import stripe

from tests.contract.targets import Target, cites
from tests.contract.test_payments import pay


@cites("refunds")
def test_a_part_is_given_back(api: Any, customer: str, card: str) -> None:
    paid = pay(api, customer, card)
    given = api.refunds.create({"payment_intent": paid.id, "amount": 120, "metadata": {"idlefee_refund": "ref_1"}})
    assert (given.amount, given.status, given.payment_intent) == (120, "succeeded", paid.id)
    assert given.metadata.to_dict() == {"idlefee_refund": "ref_1"}
    assert [one.id for one in api.refunds.list({"payment_intent": paid.id}).data] == [given.id]


@cites("error-codes#charge-already-refunded")
def test_no_more_than_is_left_is_given_back(api: Any, customer: str, card: str) -> None:
    paid = pay(api, customer, card)
    api.refunds.create({"payment_intent": paid.id, "amount": 120})
    with pytest.raises(stripe.InvalidRequestError) as more:
        api.refunds.create({"payment_intent": paid.id, "amount": 201})
    assert (more.value.http_status, more.value.param) == (400, "amount")
    assert api.refunds.create({"payment_intent": paid.id}).amount == 200
    with pytest.raises(stripe.InvalidRequestError) as again:
        api.refunds.create({"payment_intent": paid.id})
    assert again.value.code == "charge_already_refunded"
    charge = api.charges.retrieve(paid.latest_charge, {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded, len(charge.refunds.data)) == (True, 320, 2)


@cites("testing#refunds")
def test_a_refund_may_take_its_time(api: Any, customer: str) -> None:
    slow = api.payment_methods.attach("pm_card_pendingRefund", {"customer": customer}).id
    paid = pay(api, customer, slow)
    assert api.refunds.create({"payment_intent": paid.id}).status == "pending"


def disputed(api: Any, target: Target, customer: str) -> tuple[Any, Any]:
    angry = api.payment_methods.attach("pm_card_createDispute", {"customer": customer}).id
    paid = pay(api, customer, angry)
    return paid, target.until(lambda: api.disputes.list({"payment_intent": paid.id}).data)[0]


@cites("disputes/how-disputes-work")
def test_a_dispute_takes_the_amount_and_a_fee(api: Any, target: Target, customer: str) -> None:
    paid, dispute = disputed(api, target, customer)
    assert (dispute.amount, dispute.status, dispute.reason) == (320, "needs_response", "fraudulent")
    assert dispute.evidence_details.due_by > dispute.created
    (line,) = dispute.balance_transactions
    assert (line.type, line.reporting_category, line.amount, line.source) == ("adjustment", "dispute", -320, dispute.id)
    assert line.net == line.amount - line.fee
    assert line.fee > 0
    assert api.charges.retrieve(paid.latest_charge).disputed
    with pytest.raises(stripe.InvalidRequestError) as no:
        api.refunds.create({"payment_intent": paid.id})
    assert no.value.code == "charge_disputed"


@cites("testing#disputes")
def test_evidence_that_wins_brings_the_money_back(api: Any, target: Target, customer: str) -> None:
    _, dispute = disputed(api, target, customer)
    said = api.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True})
    assert said.status in {"under_review", "won"}
