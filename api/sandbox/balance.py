"""The account's balance: its transactions, fees, and payouts to the bank.

<https://docs.stripe.com/api/balance_transactions>, <https://docs.stripe.com/reports/balance-transaction-types>,
<https://docs.stripe.com/payouts>, <https://docs.stripe.com/api/payouts>. A payout takes whatever is available; its
lines, its own among them, are found by its id.
"""

from collections import defaultdict

from .errors import Json, unfit
from .routes import LISTED, Call, route
from .state import State

DAY_S = 86_400
AVAILABLE_AFTER_S = 2 * DAY_S
ARRIVES_AFTER_S = 2 * DAY_S


def post(
    state: State,
    type_: str,
    category: str,
    amount_minor: int,
    fee_minor: int,
    *,
    source: Json,
    words: str,
    at_once: bool = True,
) -> Json:
    """A line of the balance, signed as the balance moves: net = amount − fee."""
    now = state.now()
    fees = [{"amount": fee_minor, "application": None, "currency": source["currency"], "description": words}]
    return state.add(
        "balance_transaction",
        "txn",
        amount=amount_minor,
        available_on=now if at_once else now + AVAILABLE_AFTER_S,
        balance_type="payments",
        currency=source["currency"],
        description=None,
        exchange_rate=None,
        fee=fee_minor,
        fee_details=[fee | {"type": "stripe_fee"} for fee in fees if fee_minor],
        net=amount_minor - fee_minor,
        reporting_category=category,
        source=source["id"],
        status="available" if at_once else "pending",
        type=type_,
    )


def _open(state: State) -> dict[str, list[Json]]:
    """By currency, the lines that no payout took yet and that are available."""
    now, lines = state.now(), defaultdict(list)
    for line in state.every("balance_transaction"):
        if "_payout" not in line and line["available_on"] <= now:
            line["status"] = "available"
            lines[line["currency"]].append(line)
    return lines


def pay_out(state: State) -> list[Json]:
    """Send what is available to the bank, a payout a currency; nothing where nothing is left."""
    with state.lock:
        made = []
        for currency, lines in _open(state).items():
            amount = sum(line["net"] for line in lines)
            if amount > 0:
                made.append(_payout(state, currency, amount, lines))
        return made


def _payout(state: State, currency: str, amount_minor: int, lines: list[Json]) -> Json:
    payout = state.add(
        "payout",
        "po",
        amount=amount_minor,
        application_fee=None,
        application_fee_amount=None,
        arrival_date=state.now() + ARRIVES_AFTER_S,
        automatic=True,
        balance_transaction=None,
        currency=currency,
        description="STRIPE PAYOUT",
        destination="ba_sandbox",
        failure_balance_transaction=None,
        failure_code=None,
        failure_message=None,
        metadata={},
        method="standard",
        original_payout=None,
        reconciliation_status="completed",
        reversed_by=None,
        source_type="card",
        statement_descriptor=None,
        status="in_transit",
        trace_id={"status": "pending", "value": None},
        type="bank_account",
    )
    own = post(state, "payout", "payout", -amount_minor, 0, source=payout, words="")
    payout["balance_transaction"] = own["id"]
    for line in [*lines, own]:
        state.join(line, "_payout", payout["id"])
    state.emit("payout.created", payout)
    state.emit("payout.reconciliation_completed", payout)
    state.later(ARRIVES_AFTER_S, lambda: arrive(state, payout["id"]))
    return payout


def arrive(state: State, ref: str) -> Json:
    """It is at the bank."""
    with state.lock:
        payout = state.get("payout", ref)
        if payout["status"] == "in_transit":
            payout |= {"status": "paid", "trace_id": {"status": "supported", "value": f"trace{ref[-8:]}"}}
            state.emit("payout.paid", payout)
        return payout


def fail(state: State, ref: str, code: str = "account_closed") -> Json:
    """The bank sends it back, which may be after it was said to be paid; the money is in the balance again."""
    with state.lock:
        payout = state.get("payout", ref)
        if payout["status"] not in {"in_transit", "paid"}:
            raise unfit(f"The payout is {payout['status']}.")
        back = post(state, "payout_failure", "payout_reversal", payout["amount"], 0, source=payout, words="")
        payout |= {
            "status": "failed",
            "failure_balance_transaction": back["id"],
            "failure_code": code,
            "failure_message": "The bank account has been closed.",
        }
        state.emit("payout.failed", payout)
        return payout


def pay_out_daily(state: State) -> None:
    """From now on at each midnight, UTC."""
    state.pays_out_daily = True

    def tonight() -> None:
        if state.pays_out_daily:
            pay_out(state)
            again()

    def again() -> None:
        state.later(DAY_S - state.now() % DAY_S, tonight)

    again()


def balance(state: State, _call: Call) -> Json:
    now, sums = state.now(), {"available": defaultdict[str, int](int), "pending": defaultdict[str, int](int)}
    for line in state.every("balance_transaction"):
        sums["available" if line["available_on"] <= now else "pending"][line["currency"]] += line["net"]
    shown = {
        name: [{"amount": net, "currency": currency, "source_types": {"card": net}} for currency, net in by.items()]
        for name, by in sums.items()
    }
    return {"object": "balance", "livemode": False, **shown}


def list_lines(state: State, call: Call) -> Json:
    if (payout := call.params.text("payout")) is not None:
        state.get("payout", payout, "payout")
        call.params.fields["_payout"] = call.params.fields.pop("payout")
    _open(state)
    return state.page("balance_transaction", call.url, call.params, "_payout", "source", "currency", "type")


def retrieve_line(state: State, call: Call) -> Json:
    _open(state)
    return state.get("balance_transaction", call.ref)


ROUTES = (
    route("GET", "/v1/balance", "", balance),
    route("GET", "/v1/balance_transactions", f"{LISTED} created.* currency payout source type", list_lines),
    route("GET", "/v1/balance_transactions/{id}", "", retrieve_line),
    route(
        "GET",
        "/v1/payouts",
        f"{LISTED} created.* status destination",
        lambda s, c: s.page("payout", c.url, c.params, "status", "destination"),
    ),
    route("GET", "/v1/payouts/{id}", "", lambda s, c: s.get("payout", c.ref)),
)
