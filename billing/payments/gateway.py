"""Stripe, as a `Processor`: the one module that knows its library. Every answer leaves as plain values of ours.

An injected client, a pinned API version, time-outs, no retries of its own (we repeat, knowing what was asked before),
no key but the one it was given. No database, no clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import stripe
from stripe import StripeClient
from stripe.params import PaymentIntentConfirmParams

from billing.payments import objects
from billing.payments.amounts import to_stripe
from billing.payments.processor import (
    BalanceLine,
    Busy,
    DisputeSeen,
    EventSeen,
    KeyRefused,
    PaymentSeen,
    PayoutSeen,
    RefundSeen,
    Refused,
    SetupSeen,
    Unreachable,
)

API_VERSION: Final = "2026-10-28.endive"
CONNECT_S, ANSWER_S = 3.05, 15  # three calls of a step stay within its lease
AT_ONCE: Final = 100  # as many as a page of a list holds

# What is looked up with a payment, so that one call tells all that hangs on it.
_WITH_PAYMENT: Final = ["latest_charge.balance_transaction", "latest_charge.refunds.data.balance_transaction"]
_IN_LIST: Final = ["data.latest_charge.balance_transaction", "data.latest_charge.refunds"]
_CARD_ALONE: Final = "card"


class Gateway:
    """One account at Stripe."""

    def __init__(self, key: str, url: str | None = None, answer_s: float = ANSWER_S) -> None:
        self._stripe = StripeClient(
            key,
            stripe_version=API_VERSION,
            base_addresses={} if url is None else {"api": url},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=(CONNECT_S, answer_s)),
        ).v1

    # -- who pays, and with what ----------------------------------------------------------------------------

    def create_customer(self, owner_id: str, email: str | None, *, key: str) -> str:
        with _errors():
            made = self._stripe.customers.create(
                {"metadata": {"idlefee_owner": owner_id}}
                if email is None
                else {"metadata": {"idlefee_owner": owner_id}, "email": email},
                {"idempotency_key": key},
            )
        return made.id

    def has_customer(self, ref: str) -> bool:
        try:
            with _errors():
                return not self._stripe.customers.retrieve(ref).to_dict().get("deleted", False)
        except Refused as refused:
            if refused.code != "resource_missing":
                raise
            return False

    def delete_customer(self, ref: str) -> None:
        with _errors(done_if="resource_missing"):
            self._stripe.customers.delete(ref)

    def begin_setup(
        self, customer_ref: str, *, words: str, return_url: str, metadata: Mapping[str, str], key: str
    ) -> SetupSeen:
        with _errors():
            session = self._stripe.checkout.sessions.create(
                {
                    "mode": "setup",
                    "customer": customer_ref,
                    "allowed_payment_method_types": [_CARD_ALONE],
                    "success_url": return_url,
                    "cancel_url": return_url,
                    "custom_text": {"submit": {"message": words}},
                    "metadata": dict(metadata),
                    "setup_intent_data": {"metadata": dict(metadata)},
                },
                {"idempotency_key": key},
            )
        return objects.setup(session.to_dict())

    def setup(self, ref: str) -> SetupSeen:
        with _errors():
            session = self._stripe.checkout.sessions.retrieve(ref, {"expand": ["setup_intent.payment_method"]})
        return objects.setup(session.to_dict())

    def has_method(self, method_ref: str) -> bool:
        try:
            with _errors():
                return self._stripe.payment_methods.retrieve(method_ref).customer is not None
        except Refused as refused:
            if refused.code != "resource_missing":
                raise
            return False

    def detach(self, method_ref: str) -> None:
        if self.has_method(method_ref):
            with _errors(done_if="resource_missing"):
                self._stripe.payment_methods.detach(method_ref)

    # -- payments -------------------------------------------------------------------------------------------

    def create_payment(
        self,
        *,
        customer_ref: str,
        method_ref: str,
        amount_minor: int,
        currency: str,
        description: str,
        metadata: Mapping[str, str],
        key: str,
    ) -> PaymentSeen:
        try:
            with _errors():
                made = self._stripe.payment_intents.create(
                    {
                        "amount": to_stripe(amount_minor, currency),
                        "currency": currency.lower(),
                        "customer": customer_ref,
                        "payment_method": method_ref,
                        "allowed_payment_method_types": [_CARD_ALONE],
                        "description": description,
                        "metadata": dict(metadata),
                        "off_session": True,
                        "confirm": True,
                        "expand": _WITH_PAYMENT,
                    },
                    {"idempotency_key": key},
                )
        except _Declined as no:
            return self.payment(no.payment_ref)
        return self._seen(made)

    def confirm_payment(
        self, ref: str, *, method_ref: str | None, key: str, return_url: str | None = None
    ) -> PaymentSeen:
        params: PaymentIntentConfirmParams = {"expand": _WITH_PAYMENT}
        if method_ref is not None:
            params["payment_method"] = method_ref
        if return_url is None:
            params["off_session"] = True
        else:
            params["return_url"] = return_url
        try:
            with _errors():
                made = self._stripe.payment_intents.confirm(ref, params, {"idempotency_key": key})
        except _Declined as no:
            return self.payment(no.payment_ref)
        return self._seen(made)

    def change_payment(self, ref: str, *, amount_minor: int, currency: str) -> PaymentSeen:
        with _errors():
            return self._seen(
                self._stripe.payment_intents.update(
                    ref, {"amount": to_stripe(amount_minor, currency), "expand": _WITH_PAYMENT}
                )
            )

    def cancel_payment(self, ref: str, *, key: str) -> PaymentSeen:
        with _errors():
            return self._seen(
                self._stripe.payment_intents.cancel(ref, {"expand": _WITH_PAYMENT}, {"idempotency_key": key})
            )

    def payment(self, ref: str) -> PaymentSeen:
        with _errors():
            return self._seen(self._stripe.payment_intents.retrieve(ref, {"expand": _WITH_PAYMENT}))

    def payments_of(self, customer_ref: str, since: int) -> Iterator[PaymentSeen]:
        with _errors():
            page = self._stripe.payment_intents.list(
                {"customer": customer_ref, "created": {"gte": since}, "limit": AT_ONCE, "expand": _IN_LIST}
            )
            for one in page.auto_paging_iter():
                yield self._seen(one)

    def create_refund(
        self, payment_ref: str, *, amount_minor: int, currency: str, metadata: Mapping[str, str], key: str
    ) -> RefundSeen:
        with _errors():
            made = self._stripe.refunds.create(
                {
                    "payment_intent": payment_ref,
                    "amount": to_stripe(amount_minor, currency),
                    "metadata": dict(metadata),
                },
                {"idempotency_key": key},
            )
        return objects.refund(made.to_dict())

    # -- all there is, for comparing ------------------------------------------------------------------------

    def payments_between(self, since: int, until: int) -> Iterator[PaymentSeen]:
        with _errors():
            page = self._stripe.payment_intents.list(
                {"created": {"gte": since, "lt": until}, "limit": AT_ONCE, "expand": _IN_LIST}
            )
            for one in page.auto_paging_iter():
                yield self._seen(one)

    def refunds_between(self, since: int, until: int) -> Iterator[RefundSeen]:
        with _errors():
            page = self._stripe.refunds.list({"created": {"gte": since, "lt": until}, "limit": AT_ONCE})
            for one in page.auto_paging_iter():
                yield objects.refund(one.to_dict())

    def disputes_between(self, since: int, until: int) -> Iterator[DisputeSeen]:
        with _errors():
            page = self._stripe.disputes.list({"created": {"gte": since, "lt": until}, "limit": AT_ONCE})
            for one in page.auto_paging_iter():
                yield objects.dispute(one.to_dict())

    def balance_lines_between(self, since: int, until: int) -> Iterator[BalanceLine]:
        with _errors():
            page = self._stripe.balance_transactions.list(
                {"created": {"gte": since, "lt": until}, "limit": AT_ONCE, "expand": ["data.source"]}
            )
            for one in page.auto_paging_iter():
                yield objects.balance_line(one.to_dict())

    def payouts_between(self, since: int, until: int) -> Iterator[PayoutSeen]:
        with _errors():
            page = self._stripe.payouts.list({"created": {"gte": since, "lt": until}, "limit": AT_ONCE})
            for one in page.auto_paging_iter():
                yield objects.payout(one.to_dict())

    def events_since(self, since: int) -> Iterator[EventSeen]:
        with _errors():
            page = self._stripe.events.list({"created": {"gte": since}, "limit": AT_ONCE})
            for one in page.auto_paging_iter():
                yield objects.event(one.to_dict())

    def _seen(self, intent: stripe.PaymentIntent) -> PaymentSeen:
        """What a PaymentIntent says; what its charge does not carry along is asked for."""
        payment = intent.to_dict()
        charge = payment["latest_charge"] or {}
        refunds: Sequence[Any] = ()
        disputes: Sequence[Any] = ()
        if charge and payment["status"] == "succeeded":
            held = charge.get("refunds")
            if held is not None and not held["has_more"]:
                refunds = held["data"]
            else:
                refunds = [one.to_dict() for one in self._all(self._stripe.refunds, payment["id"])]
            if charge["disputed"]:
                disputes = [one.to_dict() for one in self._all(self._stripe.disputes, payment["id"])]
        return objects.payment(payment, refunds, disputes)

    @staticmethod
    def _all(service: Any, payment_ref: str) -> Iterator[Any]:
        return iter(service.list({"payment_intent": payment_ref, "limit": AT_ONCE}).auto_paging_iter())


# -- Stripe's errors ----------------------------------------------------------------------------------------


class _Declined(Exception):
    """The bank says no; the payment is there all the same, and says why."""

    def __init__(self, payment_ref: str) -> None:
        super().__init__(payment_ref)
        self.payment_ref = payment_ref


@contextmanager
def _errors(done_if: str | None = None) -> Iterator[None]:
    """Stripe's errors as ours; the one whose code is `done_if` says that nothing is left to do."""
    try:
        yield
    except stripe.CardError as error:
        intent = None if error.error is None else error.error.payment_intent
        if intent is None:
            raise Refused(str(error), error.code) from error
        raise _Declined(intent.id) from error
    except stripe.RateLimitError as error:
        raise Busy(str(error), "rate_limit") from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise KeyRefused(str(error), error.code) from error
    except stripe.APIConnectionError as error:
        raise Unreachable(str(error)) from error
    except stripe.StripeError as error:
        status, code = error.http_status or 0, error.code or (error.error.code if error.error else None)
        if code is not None and code == done_if:
            return
        if status == 409:
            raise Busy(str(error), code) from error
        if status >= 500 or status < 400:  # an answer that cannot be read is none
            raise Unreachable(str(error), code) from error
        raise Refused(str(error), code) from error
