"""What a tester orders, by name: the same from a test in this process and over HTTP (`POST /_sandbox/orders`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import balance, disputes, payments, refunds, setups
from .errors import Json, Refusal, invalid
from .faults import Fault
from .state import State, shown
from .webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Orders:
    """Every method may raise `Refusal`, as Stripe would: for an id that is not there, or a state that does not fit."""

    state: State
    webhooks: Webhooks

    def fault(self, fault: str, on: str = "POST /v1/", times: int = 1, skip: int = 0, seconds: float = 60.0) -> None:
        """Trouble for the next `times` requests that begin with `on`, after `skip` of them."""
        if fault not in set(Fault):
            raise invalid(f"Unknown fault: {fault}. It is one of {', '.join(Fault)}.", param="fault")
        self.state.faults.order(fault, on=on, times=times, skip=skip, seconds=seconds)

    def no_faults(self) -> None:
        self.state.faults.clear()

    def choose(self, session: str, card: str) -> Json:
        """An owner chooses a card on a Checkout Session's page, and is who the bank takes them for."""
        with self.state.lock:
            opened = self.state.get("checkout.session", session, "session")
            intent = setups.choose(self.state, opened, card)
            setups.authenticated(self.state, intent, passed=True)
            return opened

    def authenticate(self, payment: str, *, passed: bool = True) -> Json:
        """An owner answers the bank about a PaymentIntent that waits for it."""
        with self.state.lock:
            intent = self.state.get("payment_intent", payment, "payment")
            payments.authenticated(self.state, intent, passed=passed)
            return intent

    def dispute(self, payment: str, reason: str = "fraudulent") -> Json:
        """Have a charge or PaymentIntent disputed; `inquiry` withdraws nothing."""
        return disputes.open_dispute(self.state, payment, reason)

    def close_dispute(self, dispute: str, *, won: bool) -> Json:
        return disputes.close_dispute(self.state, dispute, won=won)

    def fail_refund(self, refund: str) -> None:
        refunds.fail(self.state, refund)

    def succeed_refund(self, refund: str) -> None:
        refunds.succeed(self.state, refund)

    def pay_out(self) -> list[Json]:
        """Send what is available to the bank, a payout a currency."""
        self.state.tick()
        return balance.pay_out(self.state)

    def pay_out_daily(self) -> None:
        with self.state.lock:
            balance.pay_out_daily(self.state)

    def arrive(self, payout: str) -> Json:
        """Say that a payout is at the bank, before its day."""
        return balance.arrive(self.state, payout)

    def fail_payout(self, payout: str, code: str = "account_closed") -> Json:
        return balance.fail(self.state, payout, code)

    def advance(self, seconds: int) -> None:
        """Let time pass, here alone."""
        self.state.advance(seconds)

    def rate_limit(self, a_second: int | None = None) -> None:
        self.state.rate_limit = a_second

    def listen(self, url: str) -> Json:
        """Send every event to this address, signed with the sandbox's webhook secret."""
        return self.webhooks.listen(url)

    def hold_webhooks(self) -> None:
        self.webhooks.hold()

    def release_webhooks(self, *, backwards: bool = False, times: int = 1) -> None:
        self.webhooks.release(backwards=backwards, times=times)

    def lose_webhooks(self) -> int:
        return self.webhooks.lose()

    def repeat_webhook(self, event: str) -> None:
        self.webhooks.again(event)


NAMES = tuple(name for name in vars(Orders) if not name.startswith("_") and callable(getattr(Orders, name)))


def carry_out(orders: Orders, said: Any) -> Json:
    """`{"order": "dispute", "payment": "pi_…"}`; answers what came of it. Raises `Refusal`."""
    name = said.get("order") if isinstance(said, dict) else None
    if name not in NAMES:
        raise invalid(f"Unknown order: {name}. It is one of {', '.join(NAMES)}.", param="order")
    act: Callable[..., Any] = getattr(orders, name)
    with orders.state.lock:
        try:
            done = act(**{key: value for key, value in said.items() if key != "order"})
        except (TypeError, ValueError) as wrong:
            raise Refusal(400, "invalid_request_error", f"{name}: {wrong}", param="order") from None
        return {"order": name, "result": _shown(orders.state, done)}


def _shown(state: State, done: Any) -> Any:
    if isinstance(done, list):
        return [_shown(state, one) for one in done]
    return shown(state, done, ()) if isinstance(done, dict) else done
