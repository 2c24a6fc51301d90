"""What the processor tells by webhook, and what is found without one: stored once, handled once, looked up always."""

import json
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from billing.payments import objects
from billing.payments.looking import POLL_EVERY_S, poll_later, store_events
from billing.payments.signatures import TOLERANCE_S, Forged, check, sign
from billing.store.payments import disputes, processor_events, refunds
from tests.integration.paying import NOW, VISA, Till, till
from tests.serving import served

HOOK = "/v1/webhooks/stripe"


def paid(here: Till) -> str:
    """Ann has paid $10.00; answers the processor's name for it."""
    here.add_card(VISA)
    here.invoice(1000)
    here.work()
    return here.payment().processor_ref or ""


def rows_of(here: Till, table: Any) -> list[dict[str, Any]]:
    with here.app.reading() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def events(here: Till) -> list[dict[str, Any]]:
    return sorted(rows_of(here, processor_events), key=lambda row: row["created_at"])


def refunded_elsewhere_and_disputed(here: Till, ref: str) -> None:
    """What somebody does in the processor's own dashboard, and what a bank does."""
    client = httpx2.Client(base_url=here.sandbox.url, headers={"Authorization": f"Bearer {here.sandbox.key}"})
    with client:
        assert client.post("/v1/refunds", data={"payment_intent": ref, "amount": "300"}).status_code == 200
    here.sandbox.orders.dispute(ref)


def assert_followed(here: Till) -> None:
    payment = here.payment()
    (refund,) = rows_of(here, refunds)
    (dispute,) = rows_of(here, disputes)
    assert (refund["reason_code"], refund["state"], refund["amount_minor"]) == ("elsewhere", "succeeded", 300)
    assert dispute["state"] == "open"
    assert payment.refunded_minor == 300
    assert payment.frozen_because == "a dispute is open"
    balances, lines = here.balances(), here.at_stripe("balance_transaction")
    assert balances["processor"] == sum(line["net"] for line in lines)
    assert balances["disputed"] == payment.disputed_minor > 0
    assert sum(balances.values()) == 0


@pytest.mark.parametrize("way", ["in order", "backwards", "twice", "lost"])
def test_refunds_and_disputes_made_elsewhere_end_in_our_books(database_url: str, way: str) -> None:
    with till(database_url) as here, served(here.app) as address:
        here.sandbox.orders.listen(address + HOOK)
        ref = paid(here)
        here.sandbox.webhooks.deliver()
        here.work()
        here.sandbox.orders.hold_webhooks()
        refunded_elsewhere_and_disputed(here, ref)
        if way == "lost":
            assert here.sandbox.orders.lose_webhooks() > 0
            with here.app.writing() as connection:
                poll_later(connection, here.clock.now())
        else:
            here.sandbox.orders.release_webhooks(backwards=way == "backwards", times=2 if way == "twice" else 1)
            here.sandbox.webhooks.deliver()
        here.work()
        assert_followed(here)
        assert all(row["handled_at"] is not None for row in events(here))
        held = len(events(here))
        with here.app.writing() as connection:
            poll_later(connection, here.clock.now())
        here.work(here.clock.now() + POLL_EVERY_S)
        assert len(events(here)) >= held
        assert_followed(here)
        ids = [row["id"] for row in events(here)]
        assert len(ids) == len(set(ids))


def test_one_look_answers_every_event_of_a_payment_that_is_here(database_url: str) -> None:
    with till(database_url) as here:
        ref = paid(here)
        refunded_elsewhere_and_disputed(here, ref)
        told = here.at_stripe("event")
        with here.app.writing() as connection:
            store_events(connection, map(objects.event, told), here.clock.now())
        before = len(here.sandbox.desk.log)
        here.work()
        assert_followed(here)
        looks = [asked.path for asked, _ in here.sandbox.desk.log[before:] if asked.path.endswith(ref)]
        assert len(looks) == 1 < len([one for one in events(here) if one["type"].startswith("charge.")])
        assert all(row["handled_at"] is not None for row in events(here))


def test_an_event_is_signed_new_and_small_or_it_is_not_kept(database_url: str) -> None:
    with till(database_url) as here, served(here.app) as address, httpx2.Client(base_url=address) as client:
        secret = here.sandbox.webhook_secret

        def send(body: bytes, at: int = NOW, signed_with: str = secret) -> httpx2.Response:
            return client.post(
                HOOK, content=body, headers={"Stripe-Signature": f"t={at},v1={sign(body, at, signed_with)}"}
            )

        event = {
            "id": "evt_1",
            "object": "event",
            "type": "customer.created",
            "created": NOW,
            "data": {"object": {"id": "cus_1", "object": "customer", "email": "ann@example.com", "name": "Ann"}},
        }
        body = json.dumps(event).encode()
        assert send(body).json() == {"received": True}
        assert send(body).json() == {"received": False}
        for wrong in (
            send(body, signed_with="whsec_other"),
            send(body, at=NOW - TOLERANCE_S - 1),
            client.post(HOOK, content=body),
        ):
            assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_signature")
        assert send(b"[]").json()["code"] == "bad_event"
        assert send(b" " * 300_000).status_code == 413
        here.work()
        (kept,) = events(here)
        assert kept["outcome"] == "nothing follows from this type"
        assert "ann@example.com" not in kept["payload"]


def test_without_a_processor_there_is_nobody_to_hear_of(database_url: str) -> None:
    from tests.integration.small_world import small_world

    with small_world(database_url) as app, served(app) as address:
        assert httpx2.post(address + HOOK, content=b"{}").status_code == 404


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "cannot be read"),
        ("t=1,v1=", "not the processor's"),
        ("v1=ab", "cannot be read"),
        ("t=x,v1=ab", "cannot be read"),
        ("t=1,t=2,v1=ab", "cannot be read"),
        ("t=1,v0=ab", "cannot be read"),
    ],
)
def test_a_signature_that_is_none_is_refused(header: str, why: str) -> None:
    with pytest.raises(Forged, match=why):
        check(b"{}", header, ["whsec_x"], 1)


def test_while_a_secret_is_rolled_either_signs() -> None:
    for secret in ("whsec_old", "whsec_new"):
        header = f"t=10, v1={sign(b'{}', 10, 'whsec_gone')}, v1={sign(b'{}', 10, secret)}"
        check(b"{}", header, ["whsec_new", "whsec_old"], 10 + TOLERANCE_S)
