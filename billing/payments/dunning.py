"""When a payment does not come: it is tried again, the owner hears of it, and in the end the policy's last step is
taken; when it comes after all, everything ends. The days are `course`'s, blocks `blocks`', trying is `collecting`'s.

One look does whatever is due for one payment, and may be taken at any time, twice, or late: `seen` asks for one when
something happened, each look says when the next is due. An open dispute with the seller freezes all of it.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, update

from billing.invoices.policy import Dunning, policy_of
from billing.invoices.sides import Side
from billing.invoices.standing import INVOICE, standing
from billing.jobs import Job, Lease
from billing.notices.steps import money
from billing.payments import blocks, course, people, rows
from billing.payments.cases import Case, case_of, change_case, named, open_cases
from billing.payments.collecting import collect_again
from billing.payments.course import Stage, What
from billing.payments.credits import Code, Wanted, reverse_write_off
from billing.payments.credits import ask as ask_for_credit
from billing.payments.disputes import open_disputes
from billing.payments.locks import lock_owner
from billing.payments.methods import NO_METHOD, default_method
from billing.payments.rows import Payment
from billing.payments.seen import look_at_arrears
from billing.store.arrears import arrears
from sessions.registry import seller

IN_FLIGHT_S = 3600  # so long an outcome that is not known yet is waited for before anybody looks again
IN_FLIGHT = (rows.SENT, rows.PROCESSING)
BY_DISPUTE = "a dispute is open"


def look_due(lease: Lease) -> None:
    """The step: do what is due, and come again when the next thing is."""
    owners = sorted({job.body["owner_id"] for job in lease.jobs})

    def lock(connection: Connection) -> None:
        for owner_id in owners:
            lock_owner(connection, owner_id)

    with lease.transaction(lock) as turn:
        for job in _by_seller(turn.connection, turn.jobs):
            again_at = look(turn.connection, job.body["owner_id"], job.body["payment_id"], turn.now)
            if again_at is not None:
                turn.postpone(job, again_at)


def _by_seller(connection: Connection, jobs: Sequence[Job]) -> list[Job]:
    """The steps in the order of their sellers: a write-off locks its seller, and everybody locks those in one order."""

    def place(job: Job) -> tuple[str, str, str]:
        owner_id, payment_id = job.body["owner_id"], job.body["payment_id"]
        payment = rows.payment_of(connection, owner_id, payment_id)
        return ("" if payment is None else payment.seller_id, owner_id, payment_id)

    return sorted(jobs, key=place)


def look(connection: Connection, owner_id: str, payment_id: str, now: int) -> int | None:
    """See what follows for one payment, and do what is due; answers when to look again. The owner is locked by the
    caller.
    """
    payment = rows.payment_of(connection, owner_id, payment_id)
    if payment is None:
        return None
    _freeze_or_thaw(connection, owner_id, payment.seller_id, now)
    case = case_of(connection, owner_id, payment_id)
    if payment.state == rows.SUCCEEDED:
        reverse_write_off(connection, owner_id, f"payment {payment_id}", "paid after all", now)
    if payment.state in (rows.SUCCEEDED, rows.CANCELLED):
        if case is not None and case.ended_at is None:
            end(connection, case, "paid" if payment.state == rows.SUCCEEDED else "no longer asked for", now)
        return None
    if case is None or case.ended_at is not None:
        if payment.state not in (rows.FAILED, rows.NEEDS_OWNER) or open_minor(connection, payment) == 0:
            return None
        case = _open(connection, payment, now)
    if open_minor(connection, payment) == 0:
        end(connection, case, "nothing is owed any more", now)
        collect_again(connection, payment, now)  # which cancels it
        return None
    if case.frozen_at is not None:
        return None
    return _go_on(connection, case, payment, now)


def _go_on(connection: Connection, case: Case, payment: Payment, now: int) -> int | None:
    """Tell of what failed, and take the steps whose time has come."""
    dunning = policy_of(connection, case.seller_id).dunning
    if payment.state in IN_FLIGHT:
        return None if case.next_at is None else max(case.next_at, now + IN_FLIGHT_S)
    last_try_failed = case.stage == Stage.TRYING and case.step >= len(dunning.retry_days)
    if case.next_at is not None and (case.next_at <= now or last_try_failed):
        case = _do(connection, case, payment, dunning, now)
    elif payment.attempts > case.told:
        case = _tell_of_failure(connection, case, payment, dunning, now)
    return now + course.DAY_S if case.next_at is None and case.ended_at is None else case.next_at


def _do(connection: Connection, case: Case, payment: Payment, dunning: Dunning, now: int) -> Case:
    what = course.due(case.place, dunning, retryable=_retryable(connection, payment))
    if what is None:
        return case
    stage, step, next_at = course.after(case.place, what, dunning, now)
    told = payment.attempts  # whatever is said now says that it did not come
    after = change_case(connection, case, now, stage=stage.value, step=step, next_at=next_at, told=told)
    match what:
        case What.TRY:
            collect_again(connection, payment, now)
        case What.REMIND:
            _tell(connection, payment, "reminder", f"{payment.id}/day{step}", None, now)
        case What.WARN:
            warning = {"block": "warn_block", "hand_over": "warn_hand_over"}.get(dunning.last_step, "reminder")
            _tell(connection, payment, warning, f"{payment.id}/{case.opened_at}", next_at, now)
        case What.LAST_STEP:
            _last_step(connection, after, payment, now)
    return after


def _last_step(connection: Connection, case: Case, payment: Payment, now: int) -> None:
    match Stage(case.stage):
        case Stage.BLOCKED:
            blocks.block(connection, blocks.Block(case.owner_id, case.payment_id, case.seller_id, now, "arrears"))
            _tell(connection, payment, "blocked", f"{payment.id}/{case.opened_at}", None, now)
        case Stage.WRITTEN_OFF:
            wanted = Wanted(
                owner_id=case.owner_id,
                seller_id=case.seller_id,
                currency=case.currency,
                deed=people.Deed.WRITE_OFF,
                amount_minor=open_minor(connection, payment),
                code=Code.DUNNING_ENDED,
                reason="it was tried and asked for as often as the policy says",
                about=f"payment {case.payment_id}",
            )
            ask_for_credit(connection, wanted, people.ENGINE, now, key=f"dunning {case.payment_id} {case.opened_at}")
            end(connection, case, "written off", now)
            collect_again(connection, payment, now)  # which cancels it: nothing is open any more


def new_method(connection: Connection, owner_id: str, seller_id: str, now: int) -> int:
    """The owner has another card: what did not come is tried with it at once. Answers how many payments that is.

    Caller holds the owner's lock.
    """
    tried = 0
    for case in open_cases(connection, owner_id, seller_id):
        payment = rows.payment_of(connection, owner_id, case.payment_id)
        handed_over = case.stage == Stage.HANDED_OVER
        if case.frozen_at is None and not handed_over and payment is not None and payment.state in rows.MAY_BE_TRIED:
            collect_again(connection, payment, now)
            tried += 1
    return tried


def _look_soon(connection: Connection, case: Case, now: int) -> None:
    payment = rows.payment_of(connection, case.owner_id, case.payment_id)
    if payment is not None:
        look_at_arrears(connection, payment, now)


def end(connection: Connection, case: Case, because: str, now: int) -> None:
    """It is over: the block is lifted."""
    ended = {"stage": Stage.ENDED.value, "next_at": None, "ended_at": now, "ended_because": because}
    change_case(connection, case, now, **ended)
    lifted = blocks.lift(connection, case.owner_id, case.payment_id, by=people.ENGINE.author, because=because, now=now)
    if lifted is not None and not blocks.standing(connection, case.owner_id, case.seller_id):
        payment = rows.payment_of(connection, case.owner_id, case.payment_id)
        if payment is not None:
            _tell(connection, payment, "unblocked", f"{payment.id}/{case.opened_at}", None, now)


# -- a dispute freezes it -----------------------------------------------------------------------------------


def _freeze_or_thaw(connection: Connection, owner_id: str, seller_id: str, now: int) -> None:
    """While any dispute with the seller is open nothing follows; afterwards it goes on where it was."""
    disputed = open_disputes(connection, owner_id, seller_id) > 0
    for case in open_cases(connection, owner_id, seller_id):
        if disputed and case.frozen_at is None:
            freeze(connection, case, BY_DISPUTE, now)
        elif not disputed and case.frozen_because == BY_DISPUTE:
            thaw(connection, case, now)


def freeze(connection: Connection, case: Case, because: str, now: int) -> Case:
    """Nothing follows from now on, until it is thawed."""
    return change_case(connection, case, now, frozen_at=now, frozen_because=because)


def thaw(connection: Connection, case: Case, now: int) -> Case:
    """It goes on with as much time left as there was."""
    stood_s = now - (case.frozen_at or now)
    next_at = None if case.next_at is None else case.next_at + stood_s
    thawed = {"frozen_at": None, "frozen_because": None, "next_at": next_at}
    _look_soon(connection, case, now)
    return change_case(connection, case, now, **thawed)


# -- where it begins, and how much it is about --------------------------------------------------------------


def _open(connection: Connection, payment: Payment, now: int) -> Case:
    """A case begins; one that had ended begins anew."""
    stage, step, next_at = course.begin(policy_of(connection, payment.seller_id).dunning, now)
    values: dict[str, Any] = {
        "seller_id": payment.seller_id,
        "currency": payment.currency,
        "amount_minor": payment.amount_minor,
        "stage": stage.value,
        "step": step,
        "told": -1,
        "opened_at": now,
        "next_at": next_at,
        "frozen_at": None,
        "frozen_because": None,
        "ended_at": None,
        "ended_because": None,
        "changed_at": now,
    }
    names = {"owner_id": payment.owner_id, "payment_id": payment.id}
    if not connection.execute(update(arrears).where(*named(**names)).values(**values)).rowcount:
        connection.execute(insert(arrears).values(**names, **values))
    _freeze_or_thaw(connection, payment.owner_id, payment.seller_id, now)
    opened = case_of(connection, **names)
    assert opened is not None  # noqa: S101 - it was written two lines above
    return opened


def open_minor(connection: Connection, payment: Payment) -> int:
    """What is still to be asked for the payment's invoice; minor units."""
    its = standing(connection, Side(payment.owner_id, payment.seller_id, payment.currency))
    asked = [its.asked_minor(one) for one in its.documents if one.id == payment.invoice_id and one.kind == INVOICE]
    return min([payment.amount_minor, *asked])


def _retryable(connection: Connection, payment: Payment) -> bool:
    """Whether trying again could help: the bank did not refuse for good, or there is another card."""
    default = default_method(connection, payment.owner_id, payment.seller_id)
    if default is None:
        return False
    refused = payment.state != rows.FAILED or course.hard(payment.failure_code)
    return default.id != payment.method_id or not refused


# -- who is told --------------------------------------------------------------------------------------------


def _tell_of_failure(connection: Connection, case: Case, payment: Payment, dunning: Dunning, now: int) -> Case:
    """Once for each try that failed."""
    if payment.failure_code == NO_METHOD:
        _tell(connection, payment, "no_card", f"{payment.id}/{case.opened_at}", None, now)
    elif payment.state == rows.NEEDS_OWNER:
        _tell(connection, payment, "confirm", f"{payment.id}/{payment.attempts}", None, now)
    elif payment.state == rows.FAILED:
        trying = case.stage == Stage.TRYING and case.step < len(dunning.retry_days)
        again = trying and _retryable(connection, payment)
        retry_at = case.next_at if again else None
        _tell(connection, payment, "failed", f"{payment.id}/{payment.attempts}", retry_at, now)
    return change_case(connection, case, now, told=payment.attempts)


def _tell(connection: Connection, payment: Payment, outcome: Any, id_: str, at: int | None, now: int) -> None:
    its = seller(connection, payment.seller_id)
    told = money.Payment(id_, payment.owner_id, its.name, its.zone, payment.amount_minor, payment.currency, outcome, at)
    money.tell_payment(connection, told, now)
