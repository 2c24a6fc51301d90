"""An owner's cards and payments, on pages and by the API: adding a card, confirming at the bank, removing it."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx2

from api.access.keys import KeyKind, Role, issue
from tests.integration.paying import AUTHENTICATES, VISA, Till, choose, confirm_at_bank, till
from tests.serving import served


class Owner:
    """Ann's browser, and her key."""

    def __init__(self, here: Till, address: str) -> None:
        now = here.clock.now()
        with here.app.writing() as connection:
            link = issue(connection, Role.OWNER, label="ann", now=now, owner_id="ann", kind=KeyKind.LINK, once=True)
            self._key = issue(connection, Role.OWNER, label="ann", now=now, owner_id="ann").text
        self.browser = httpx2.Client(base_url=address, follow_redirects=True, timeout=30)
        self.browser.post("/sign-in/open", data={"key": link.text})

    def page(self) -> str:
        return self.browser.get("/me/payment").text

    def send(self, path: str, **fields: str) -> httpx2.Response:
        token = re.search(r'name="form_token" value="([^"]+)"', self.page())
        assert token is not None
        return self.browser.post(path, data={"form_token": token[1], **fields})

    def ask(self, method: str, path: str, **more: object) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._key}"}
        return self.browser.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


@contextmanager
def owner(here: Till, address: str) -> Iterator[Owner]:
    ann = Owner(here, address)
    with closing(ann.browser):
        yield ann


def test_a_card_is_added_at_the_processor_with_proof_of_consent_and_pays_what_waited(database_url: str) -> None:
    with till(database_url) as here, served(here.app) as address, owner(here, address) as ann:
        assert "None yet. Without a card, Acme's invoices wait until you add one." in ann.page()
        here.invoice(1000)
        here.work()
        assert (here.payment().state, here.payment().failure_code) == ("needs_owner", "no_payment_method")
        assert "An invoice waits: there is no card to charge." in ann.page()

        away = ann.send("/me/payment/add", seller="acme")
        assert away.status_code == 200
        assert away.headers["refresh"].startswith(f"0; url={here.sandbox.url}/c/pay/")
        session = here.at_stripe("checkout.session")[0]
        choose(here.sandbox, session["id"], VISA)
        ann.browser.get(session["success_url"].replace("http://testserver", address))
        shown = ann.page()
        assert "Visa ending in 4242" in shown
        assert "I agree that Acme charges this card" in shown
        (row,) = ann.ask("GET", "/v1/me/payment-methods").json()
        (intent,) = here.at_stripe("setup_intent")
        assert (row["default"], intent["usage"]) == (True, "off_session")
        assert intent["id"] in shown

        here.work()
        assert here.payment().state == "succeeded"
        assert "paid" in ann.page()

        assert ann.ask("DELETE", f"/v1/me/payment-methods/{row['id']}").status_code == 204
        here.work()
        assert not here.processor.has_method(row["id"])
        assert ann.ask("GET", "/v1/me/payment-methods").json() == []


def test_a_bank_that_wants_its_customer_gets_them_and_the_same_payment_is_paid(database_url: str) -> None:
    with till(database_url) as here, served(here.app) as address, owner(here, address) as ann:
        here.add_card(AUTHENTICATES)
        here.invoice(1000)
        here.work()
        payment = here.payment()
        assert (payment.state, payment.failure_code) == ("needs_owner", "authentication_required")
        assert "Your bank wants you to confirm this payment." in ann.page()
        away = ann.send(f"/me/payment/pay/{payment.id}")
        assert away.headers["refresh"] == f"0; url={here.sandbox.url}/authenticate/{payment.processor_ref}"
        confirm_at_bank(here.sandbox, payment.processor_ref or "")
        ann.browser.get(f"/me/payment/paid/{payment.id}")
        assert here.payment().state == "succeeded"
        assert len(here.at_stripe("payment_intent")) == 1
        (row,) = ann.ask("GET", "/v1/me/payments").json()
        assert (row["state"], row["captured_minor"]) == ("succeeded", 1000)
        again = ann.ask("POST", f"/v1/me/payments/{payment.id}/confirm")
        assert (again.status_code, again.json()["code"]) == (409, "nothing_to_pay")
