"""The pages that Stripe would host: choosing a card in Checkout, and the bank's question whether it is really you.

They carry no cookie and nothing of the product; who knows the address of a session may answer it, as at Stripe.
"""

from urllib.parse import urlencode, urlsplit, urlunsplit

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import payments, setups
from .amounts import shown as money
from .cards import CARDS, card_named
from .errors import Json, Refusal
from .forms import fields_of
from .state import State

_pages = Environment(loader=PackageLoader("api.sandbox"), autoescape=select_autoescape(), undefined=StrictUndefined)
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"


def routes(state: State) -> list[Route]:
    async def checkout(request: Request) -> Response:
        with state.lock:
            state.tick()
            session = state.find(request.path_params["session"])
            if session is None or session["object"] != "checkout.session":
                return _page("over.html", 404, words="There is no such page.", back=None)
            if session["status"] != "open":
                return _page("over.html", 410, words="This page was used, or is over.", back=session["cancel_url"])
            if request.method == "GET":
                return _choosing(session, None)
        fields = fields_of((await request.body()).decode())
        with state.lock:
            return _chosen(state, session, str(fields.get("card", "")))

    async def authenticate(request: Request) -> Response:
        with state.lock:
            state.tick()
            intent = state.find(request.path_params["intent"])
            if intent is None or intent["status"] != "requires_action":
                return _page("over.html", 410, words="There is nothing to confirm here any more.", back=None)
        if request.method == "GET":
            asked = money(intent["amount"], intent["currency"]).upper() if "amount" in intent else None
            return _page("authenticate.html", 200, amount=asked)
        passed = fields_of((await request.body()).decode()).get("answer") == "yes"
        with state.lock:
            return RedirectResponse(_authenticated(state, intent, passed=passed), 303)

    async def style(_: Request) -> Response:
        return Response(_pages.get_template("style.css").render(), media_type="text/css")

    return [
        Route("/c/pay/{session}", checkout, methods=["GET", "POST"]),
        Route("/authenticate/{intent}", authenticate, methods=["GET", "POST"]),
        Route("/_sandbox/style.css", style),
    ]


def _choosing(session: Json, refused: str | None) -> Response:
    cards = [(name, card.words, card.number[-4:]) for name, card in CARDS.items()]
    said = {"back": session["cancel_url"], "words": (session["custom_text"]["submit"] or {}).get("message")}
    return _page("checkout.html", 400 if refused else 200, cards=cards, refused=refused, **said)


def _chosen(state: State, session: Json, card: str) -> Response:
    if card_named(card) is None:
        return _choosing(session, "Choose one of the cards.")
    try:
        intent = setups.choose(state, session, card)
    except Refusal as refused:
        return _choosing(session, str(refused))
    if intent["next_action"] is not None:
        return RedirectResponse(intent["next_action"]["redirect_to_url"]["url"], 303)
    return RedirectResponse(setups.back_of(session), 303)


def _authenticated(state: State, intent: Json, *, passed: bool) -> str:
    """Where the owner goes from the bank's page."""
    if intent["object"] == "setup_intent":
        setups.authenticated(state, intent, passed=passed)
        session = state.find(intent["_session"])
        if session is not None and session["url"] is not None:
            return str(session["url"])  # still open: back to the cards
        if session is not None:
            return setups.back_of(session)
    else:
        payments.authenticated(state, intent, passed=passed)
    return _with(intent["_return_url"] or "/", intent)


def _with(url: str, intent: Json) -> str:
    """The address with what Stripe appends to it. <https://docs.stripe.com/payments/3d-secure/authentication-flow>"""
    kind = intent["object"]
    status = "succeeded" if intent["status"] == "succeeded" else "failed"
    more = {kind: intent["id"], f"{kind}_client_secret": intent["client_secret"], "redirect_status": status}
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, urlencode(more)) if part)))


def _page(template: str, status: int, **values: object) -> Response:
    text = _pages.get_template(template).render(**values)
    return Response(text, status, {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}, "text/html")
