"""What holds for every request: keys, errors, lists, expansion, events."""

import uuid
from typing import Any

import pytest
import stripe

from tests.contract.targets import Target, cites
from tests.contract.test_payments import pay


def fresh() -> dict[str, str]:
    return {"idempotency_key": str(uuid.uuid4())}


@cites("api/idempotent_requests")
def test_the_answer_of_the_first_time_is_given_again(api: Any, customer: str, card: str) -> None:
    asked = {"amount": 320, "currency": "usd", "customer": customer, "payment_method": card}
    asked |= {"confirm": True, "off_session": True}
    key = fresh()
    first, again = (api.payment_intents.create(asked, key) for _ in range(2))
    assert first.id == again.id
    headers = {name.lower(): value for name, value in again.last_response.headers.items()}
    assert headers["idempotent-replayed"] == "true"
    assert len(api.payment_intents.list({"customer": customer}).data) == 1


@cites("error-low-level#content-errors")
def test_a_decline_is_remembered(api: Any, customer: str) -> None:
    poor = api.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer}).id
    asked = {"amount": 320, "currency": "usd", "customer": customer, "payment_method": poor, "confirm": True}
    key, seen = fresh(), []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as no:
            api.payment_intents.create(asked | {"off_session": True}, key)
        assert no.value.error is not None
        assert no.value.error.payment_intent is not None
        seen.append(no.value.error.payment_intent.id)
    assert seen[0] == seen[1]


@cites("api/idempotent_requests")
def test_one_key_never_asks_two_things(api: Any) -> None:
    key = fresh()
    api.customers.create({"name": "Mara"}, key)
    with pytest.raises(stripe.IdempotencyError) as no:
        api.customers.create({"name": "Jo"}, key)
    assert no.value.http_status == 400


@cites("api/idempotent_requests")
def test_wrong_parameters_are_not_remembered(api: Any) -> None:
    key = fresh()
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as no:
            api.payment_intents.create({"amount": 320, "currency": "usd", "nonsense": "1"}, key)
        assert not isinstance(no.value, stripe.IdempotencyError)
    assert api.payment_intents.create({"amount": 320, "currency": "usd"}, key).id


@cites("error-codes#parameter-unknown")
def test_an_unknown_parameter_is_refused(api: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as no:
        api.customers.create({"metadata": {"any": "thing"}, "nonsense": "1"})
    assert (no.value.http_status, no.value.code, no.value.param) == (400, "parameter_unknown", "nonsense")


@cites("changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents")
def test_card_types_go_by_their_new_name(api: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as no:
        api.payment_intents.create({"amount": 320, "currency": "usd", "payment_method_types": ["card"]})
    assert no.value.code == "payment_method_types_no_longer_supported"
    made = api.payment_intents.create({"amount": 320, "currency": "usd", "allowed_payment_method_types": ["card"]})
    assert made.payment_method_types == ["card"]


@cites("error-codes#parameter-missing")
def test_a_missing_parameter_is_named(api: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as no:
        api.payment_intents.create({"amount": 320})
    assert (no.value.code, no.value.param) == ("parameter_missing", "currency")


@cites("error-codes#resource-missing")
def test_what_is_not_there_is_missing(api: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as nowhere:
        api.payment_intents.retrieve("pi_nowhere")
    assert (nowhere.value.http_status, nowhere.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as nobody:
        api.payment_intents.create({"amount": 320, "currency": "usd", "customer": "cus_nobody"})
    assert (nobody.value.http_status, nobody.value.code) == (400, "resource_missing")
    assert nobody.value.param == "customer"


@cites("api/authentication")
def test_a_wrong_key_opens_nothing(target: Target) -> None:
    with pytest.raises(stripe.AuthenticationError) as no:
        target.client("sk_test_wrong").customers.list()
    assert no.value.http_status == 401


@cites("api/pagination")
def test_lists_go_from_the_newest_page_by_page(api: Any, customer: str, card: str) -> None:
    paid = [pay(api, customer, card, amount).id for amount in (100, 200, 300)]
    first = api.payment_intents.list({"customer": customer, "limit": 2})
    assert [one.id for one in first.data] == paid[:0:-1]
    assert first.has_more
    rest = api.payment_intents.list({"customer": customer, "limit": 2, "starting_after": paid[1]})
    assert ([one.id for one in rest.data], rest.has_more) == ([paid[0]], False)
    back = api.payment_intents.list({"customer": customer, "ending_before": paid[0]})
    assert [one.id for one in back.data] == paid[:0:-1]
    everything = api.payment_intents.list({"customer": customer, "limit": 1}).auto_paging_iter()
    assert [one.id for one in everything] == paid[::-1]
    created = api.payment_intents.retrieve(paid[0]).created
    assert not api.payment_intents.list({"customer": customer, "created": {"lt": created}}).data
    assert len(api.payment_intents.list({"customer": customer, "created": {"gte": created}}).data) == 3


@cites("api/expanding_objects")
def test_references_are_expanded_when_asked(api: Any, customer: str, card: str) -> None:
    paid = pay(api, customer, card)
    seen = api.payment_intents.retrieve(paid.id, {"expand": ["latest_charge", "customer"]})
    assert (seen.customer.id, seen.latest_charge.amount) == (customer, 320)


@cites("api/expanding_objects")
def test_only_references_can_be_expanded(api: Any, customer: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        api.customers.retrieve(customer, {"expand": ["nonsense"]})


@cites("api/events/object")
def test_an_event_names_the_request_behind_it(api: Any, target: Target, customer: str, card: str) -> None:
    key = fresh()
    asked = {"amount": 320, "currency": "usd", "customer": customer, "payment_method": card, "confirm": True}
    paid = api.payment_intents.create(asked | {"off_session": True}, key)

    def told() -> Any:
        events = api.events.list({"type": "payment_intent.succeeded"}).data
        return next((event for event in events if event.data.object.id == paid.id), None)

    event = target.until(told)
    assert (event.request.idempotency_key, event.livemode) == (key["idempotency_key"], False)
    assert event.data.object.status == "succeeded"
