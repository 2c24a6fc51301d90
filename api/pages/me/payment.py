"""`/me/payment`: the cards an owner lets sellers charge, what was asked of them, and what waits for them.

A card's number is typed on the processor's page alone: a form here leads to a page that leads there (a form may lead
nowhere else by itself), and the way back looks up what came of it. Looking changes nothing that was not so already.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.guard import Engine
from api.inputs import PathId
from api.me_payment import processor_of
from api.pages.errors import PageRoute
from api.pages.me.whose import OwnerId
from api.pages.queries import owners as queries
from api.pages.rendering import page
from api.pages.visitors import OwnForm, SentForm
from api.wiring import Idlefee
from billing.payments import paying, rows, setups
from billing.payments.methods import NO_METHOD, Method, methods_of, remove

HERE = "/me/payment"
LATEST = 20
STATES = {
    rows.PLANNED: "planned",
    rows.SENT: "asked for",
    rows.PROCESSING: "on its way",
    rows.NEEDS_OWNER: "waits for you",
    rows.FAILED: "did not go through",
    rows.SUCCEEDED: "paid",
    rows.CANCELLED: "no longer asked for",
}

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get(HERE)
def payment(request: Request, idlefee: Engine, owner_id: OwnerId) -> Response:
    with idlefee.reading() as connection:
        sellers = queries.seller_names(connection)
        cards = methods_of(connection, owner_id)
        found = rows.payments_of(connection, owner_id, LATEST)
        consents = {id_: setups.consent_words(connection, owner_id, id_) for id_ in sellers}
    waiting = [one for one in found if one.state in rows.MAY_BE_TRIED]
    return page(
        request,
        "me/payment.html",
        sellers=sellers,
        cards={id_: [one for one in cards if one.seller_id == id_] for id_ in sellers},
        consents=consents,
        takes_cards=idlefee.processor is not None,
        waiting=[one for one in waiting if one.failure_code != NO_METHOD and one.processor_ref is not None],
        without_card=[one for one in waiting if one.failure_code == NO_METHOD],
        payments=found,
        states=STATES,
        named=_named,
        good_until=_good_until,
    )


def _named(card: Method) -> str:
    brand = (card.brand or card.kind).replace("_", " ").capitalize()
    return brand if card.last4 is None else f"{brand} ending in {card.last4}"


def _good_until(card: Method) -> str:
    """As it is printed on the card: 04/29."""
    year, _, month = (card.expires or "").partition("-")
    return f"{month}/{year[-2:]}"


@router.post(HERE + "/add")
def add(request: Request, idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    """On the way to the processor's page."""
    home = f"{_home(request, idlefee)}{HERE}/back/{{setup}}"
    processor = processor_of(idlefee)
    setup = setups.begin_setup(idlefee.engine, idlefee.clock, processor, owner_id, form["seller"], home)
    seen = setups.look_at_setup(idlefee.engine, idlefee.clock, processor, setup)
    return _away(request, None if seen is None else seen.url, "card")


@router.get(HERE + "/back/{setup_id}")
def back(idlefee: Engine, owner_id: OwnerId, setup_id: PathId) -> Response:
    """From the processor's page: the card is there, or it is not."""
    setup = setups.setup_of_id(idlefee.engine, owner_id, setup_id)
    setups.look_at_setup(idlefee.engine, idlefee.clock, processor_of(idlefee), setup)
    return RedirectResponse(HERE, 303)


@router.post(HERE + "/methods/{method_id}/default", dependencies=[OwnForm])
def prefer(idlefee: Engine, owner_id: OwnerId, method_id: PathId) -> Response:
    with idlefee.writing() as connection:
        setups.make_default(connection, owner_id, method_id, idlefee.clock.now())
    return RedirectResponse(HERE, 303)


@router.post(HERE + "/methods/{method_id}/remove", dependencies=[OwnForm])
def removed(idlefee: Engine, owner_id: OwnerId, method_id: PathId) -> Response:
    with idlefee.writing() as connection:
        remove(connection, owner_id, method_id, idlefee.clock.now())
    return RedirectResponse(HERE, 303)


@router.post(HERE + "/pay/{payment_id}", dependencies=[OwnForm])
def pay(request: Request, idlefee: Engine, owner_id: OwnerId, payment_id: PathId) -> Response:
    """Pay what waits, and go to the bank's page where it wants that."""
    paying.known_payment(idlefee.engine, owner_id, payment_id)
    home, processor = f"{_home(request, idlefee)}{HERE}/paid/{payment_id}", processor_of(idlefee)
    paid = paying.pay_here(idlefee.engine, idlefee.clock, processor, owner_id, payment_id, home)
    return _away(request, paid.action_url, "bank") if paid.action_url else RedirectResponse(HERE, 303)


@router.get(HERE + "/paid/{payment_id}")
def paid(idlefee: Engine, owner_id: OwnerId, payment_id: PathId) -> Response:
    """From the bank's page: it is paid, or it is not."""
    paying.known_payment(idlefee.engine, owner_id, payment_id)
    paying.come_back(idlefee.engine, idlefee.clock, processor_of(idlefee), owner_id, payment_id)
    return RedirectResponse(HERE, 303)


def _away(request: Request, url: str | None, where: str) -> Response:
    if url is None:
        return RedirectResponse(HERE, 303)
    answer = page(request, "me/payment_away.html", url=url, where=where)
    answer.headers["Refresh"] = f"0; url={url}"
    return answer


def _home(request: Request, idlefee: Idlefee) -> str:
    """Where the way back leads: the address people reach the pages at, or else the one that was asked."""
    return (idlefee.settings.base_url or str(request.base_url)).rstrip("/")
