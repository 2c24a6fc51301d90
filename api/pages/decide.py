"""What staff decide on pages: waive, release, reject, void, excuse, take out of service. Each states its reason and is
settled in the same transaction. A form sent twice decides once.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from api.guard import Engine
from api.pages.amounts import amount_minor
from api.pages.errors import PageRoute, nothing_here
from api.pages.views import session_path
from api.pages.visitors import AnOperator, Form, SentForm, SupportOrFinance, Visitor, operator
from api.problems import Problem
from api.support import within_limit
from api.wiring import Idlefee
from billing import decisions
from billing.jobs import revive
from billing.settle import charges_of
from sessions.facts import AlreadyRecorded
from sessions.sites import Site, site

LONGEST_REASON = 500

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.post("/decide/waive")
def waive(idlefee: Engine, visitor: SupportOrFinance, form: SentForm) -> Response:
    """Let the owner off a part of the fee, or all of it; support within its limit."""

    def decide(connection: Connection, now: int, given: dict[str, Any]) -> None:
        key = decisions.session_key(connection, form["session"])
        charge = charges_of(connection, [key]).get(key)
        if charge is None:
            raise Problem(409, "nothing_to_decide", "This session has no fee yet", "Waive it once the car has left.")
        waived_minor = None if not form["amount"] else amount_minor(form["amount"], charge.currency)
        decisions.waive(connection, key, waived_minor, now=now, **given)
        if visitor.principal is not None:
            within_limit(connection, key, visitor.principal, idlefee.settings.support_waives_up_to_minor)

    return _decided(idlefee, visitor, form, decide, session_path(form["session"]))


@router.post("/decide/review")
def review(idlefee: Engine, visitor: AnOperator, form: SentForm) -> Response:
    """Release a fee that waits, or reject it."""
    choice = {"release": decisions.release, "reject": decisions.reject}.get(form["decision"])

    def decide(connection: Connection, now: int, given: dict[str, Any]) -> None:
        if choice is None:
            raise Problem(422, "no_decision", "Nothing was decided", "Choose to release the fee or to reject it.")
        choice(connection, decisions.session_key(connection, form["session"]), now=now, **given)

    return _decided(idlefee, visitor, form, decide, session_path(form["session"]))


@router.post("/decide/void")
def void(idlefee: Engine, visitor: AnOperator, form: SentForm) -> Response:
    """An event counts for nothing from now on."""

    def decide(connection: Connection, now: int, given: dict[str, Any]) -> None:
        del given["request_key"]  # an event is voided once, whoever asks how often
        decisions.void_event(connection, form["station"], form["event"], now=now, **given)

    back = session_path(form["session"]) if form["session"] else "/operations"
    return _decided(idlefee, visitor, form, decide, back)


@router.post("/decide/excuse")
def excuse(idlefee: Engine, visitor: AnOperator, form: SentForm) -> Response:
    """Nobody pays for an interval, at a site or at one stall."""

    def decide(connection: Connection, now: int, given: dict[str, Any]) -> None:
        place, stall = _place(connection, form["place"])
        starts_at, ends_at = _moment(form["from"], place, "From"), _moment(form["to"], place, "To", later=True)
        decisions.excuse(connection, place.id, starts_at, ends_at, stall=stall, now=now, **given)

    return _decided(idlefee, visitor, form, decide, "/operations#recorded")


@router.post("/decide/out-of-service")
def out_of_service(idlefee: Engine, visitor: AnOperator, form: SentForm) -> Response:
    """A stall is out of service for an interval, or until further notice."""

    def decide(connection: Connection, now: int, given: dict[str, Any]) -> None:
        place, stall = _place(connection, form["place"])
        if stall is None:
            raise Problem(422, "no_stall", "No stall was chosen", "Choose one stall of the site.")
        ends_at = _moment(form["to"], place, "To", later=True) if form["to"] else None
        decisions.out_of_service(connection, stall, _moment(form["from"], place, "From"), ends_at, now=now, **given)

    return _decided(idlefee, visitor, form, decide, "/operations#recorded")


@router.post("/decide/back-in-service")
def back_in_service(idlefee: Engine, visitor: AnOperator, form: SentForm) -> Response:
    """A stall that was out of service until further notice is back, since a moment or now."""

    def decide(connection: Connection, now: int, given: dict[str, Any]) -> None:
        place, stall = _place(connection, form["place"])
        if stall is None:
            raise Problem(422, "no_stall", "No stall was chosen", "Choose one stall of the site.")
        at = _moment(form["at"], place, "Since", later=True) if form["at"] else None
        decisions.back_in_service(connection, stall, at, now=now, **given)

    return _decided(idlefee, visitor, form, decide, "/operations#recorded")


@router.post("/decide/revive", dependencies=[Depends(operator)])
def try_again(idlefee: Engine, form: SentForm) -> Response:
    """Let a parked step run again."""
    with idlefee.writing() as connection:
        if not revive(connection, form["job"]):
            raise nothing_here()
    return RedirectResponse("/operations", 303)


Decide = Callable[[Connection, int, dict[str, Any]], None]


def _decided(idlefee: Idlefee, visitor: Visitor, form: Form, decide: Decide, back: str) -> Response:
    """Run one decision in one transaction, then show where it can be seen."""
    reason = form["reason"]
    if len(reason) > LONGEST_REASON:
        raise Problem(422, "long_reason", "The reason is too long", f"Say it in {LONGEST_REASON} letters.")
    key = f"page:{visitor.author}:{form['request_key']}" if form["request_key"] else None
    given: dict[str, Any] = {"author": visitor.author, "reason": reason, "request_key": key}
    try:
        with idlefee.writing() as connection:
            decide(connection, idlefee.clock.now(), given)
    except AlreadyRecorded:
        pass  # the same form again: a second click, or a reload
    return RedirectResponse(back, 303)


# -- what forms hold ----------------------------------------------------------------------------------------


def _place(connection: Connection, text: str) -> tuple[Site, tuple[str, str] | None]:
    """`site`, or `site station stall`, as the form's choice has them."""
    site_id, _, rest = text.partition(" ")
    station_id, _, stall = rest.partition(" ")
    return site(connection, site_id), (station_id, stall) if stall else None


def _moment(text: str, place: Site, field: str, *, later: bool = False) -> int:
    """A time of the site's wall clock as ours. An hour that occurs twice counts from its first to its second end."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        detail = f"“{field}” must be a day and a time, such as 2026-08-10 14:07."
        raise Problem(422, "bad_time", "The time cannot be read", detail) from None
    if local.tzinfo is not None:
        detail = f"“{field}” is the site's own time: leave the offset out."
        raise Problem(422, "bad_time", "The time cannot be read", detail)
    return int(local.replace(tzinfo=place.tz, fold=int(later)).timestamp())
