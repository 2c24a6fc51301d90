"""`/finance/queues`: everything that waits, how long it has waited, and the decisions that are finance's."""

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from api.access.persons import person_of
from api.guard import Engine
from api.pages.decide import LONGEST_REASON
from api.pages.errors import PageRoute, nothing_here
from api.pages.queries import queues as queries
from api.pages.rendering import page
from api.pages.visitors import Form, SentForm, SignedIn, Visitor, finance, sign_in_first
from api.problems import Problem
from api.wiring import Idlefee
from billing.jobs import dead_letters, drop, revive
from billing.payments import credits as let_off
from billing.payments import disputes, refunds
from billing.payments.cases import arrears_after
from billing.payments.disputes import Decision
from billing.payments.elsewhere import to_decide_after
from billing.payments.people import Person
from billing.periods.trail import record
from billing.sums.charges import rows_after, totals
from billing.sums.filters import State, Wanted
from sessions.database import one_moment

SHOWN = 50
PAGE = "/finance/queues"

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(finance)])


@router.get(PAGE)
def queues(request: Request, idlefee: Engine) -> Response:
    with one_moment(idlefee.engine) as connection:
        held = Wanted(state=State.IN_REVIEW)
        return page(
            request,
            "finance/queues.html",
            held=rows_after(connection, held, None, SHOWN, oldest_first=True),
            held_sums=totals(connection, held),
            refunds=queries.refunds_to_decide(connection),
            credits=queries.credits_to_decide(connection),
            elsewhere=to_decide_after(connection, SHOWN),
            failed=queries.refunds_that_failed(connection, request.state.page["now"]),
            failed_days=queries.FAILED_DAYS,
            disputes=disputes.disputes_after(connection, None, SHOWN),
            arrears=arrears_after(connection, None, SHOWN),
            parked=dead_letters(connection)[:SHOWN],
            most=SHOWN,
        )


Choice = TypeVar("Choice")
Decide = Callable[[Connection, Person, str, int], None]


@router.post("/finance/queues/refund")
def decide_refund(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """A second person approves a refund or refuses it; one made at the processor is credited or asked for again."""
    choice = {"approve": refunds.approve, "refuse": refunds.refuse}.get(form["decision"])

    def decide(connection: Connection, person: Person, reason: str, now: int) -> None:
        _chosen(choice)(connection, form["owner"], form["refund"], person, reason, now)

    return _decided(idlefee, visitor, form, decide, "#approve")


@router.post("/finance/queues/credit")
def decide_credit(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """A second person approves a credit or a write-off, or refuses it."""
    choice = {"approve": let_off.approve, "refuse": let_off.refuse}.get(form["decision"])

    def decide(connection: Connection, person: Person, reason: str, now: int) -> None:
        _chosen(choice)(connection, form["owner"], form["credit"], person, reason, now)

    return _decided(idlefee, visitor, form, decide, "#approve")


@router.post("/finance/queues/dispute")
def decide_dispute(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """What finance does about a dispute; evidence goes to the bank on the processor's own pages."""
    choice = {one.value: one for one in Decision}.get(form["decision"])

    def decide(connection: Connection, person: Person, reason: str, now: int) -> None:
        what = {"reason": reason, "author": person.author}
        owner_id, _, dispute_id = form["dispute"].partition(" ")
        disputes.decide(connection, owner_id, dispute_id, _chosen(choice), **what, now=now)

    return _decided(idlefee, visitor, form, decide, "#disputes")


@router.post("/finance/queues/parked")
def decide_parked(idlefee: Engine, visitor: SignedIn, form: SentForm) -> Response:
    """Let a parked step run again, or give it up for good; the trail keeps who and why."""
    choice = {"retry": (revive, "step_retried"), "drop": (drop, "step_dropped")}.get(form["decision"])

    def decide(connection: Connection, person: Person, reason: str, now: int) -> None:
        act, what = _chosen(choice)
        if not reason:
            raise Problem(422, "reason_missing", "A decision states its reason", "Say why: the trail keeps it.")
        if not act(connection, form["job"]):
            raise nothing_here()
        record(connection, author=person.author, what=what, subject=form["job"], now=now, reason=reason)

    return _decided(idlefee, visitor, form, decide, "#parked")


def _decided(idlefee: Idlefee, visitor: Visitor, form: Form, decide: Decide, part: str) -> Response:
    """Decide in one transaction, then show the queue again."""
    if visitor.principal is None:
        raise sign_in_first()
    if len(form["reason"]) > LONGEST_REASON:
        raise Problem(422, "long_reason", "The reason is too long", f"Say it in {LONGEST_REASON} letters.")
    with idlefee.writing() as connection:
        decide(connection, person_of(connection, visitor.principal), form["reason"], idlefee.clock.now())
    return RedirectResponse(f"{PAGE}{part}", 303)


def _chosen(choice: Choice | None) -> Choice:
    if choice is None:
        raise Problem(422, "no_decision", "Nothing was decided", "Use one of the form's buttons.")
    return choice
