"""Who looks at a page: the cookie that a link opened, what each role may see, and whether a form is from our page."""

import hmac
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, Request

from api.access.browsers import recognise as recognise_browser
from api.access.keys import Principal, Role
from api.guard import STAFF, Engine, engine_of
from api.pages.cookies import BROWSER, cookie_of, keep
from api.problems import Problem

LARGEST_FORM_BYTES = 32_768
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # all but tabs and line ends


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever looks; `principal` is none for those who have not signed in."""

    principal: Principal | None
    form_token: str  # what a form of ours carries and nobody else knows

    @property
    def role(self) -> Role | None:
        return self.principal.role if self.principal else None

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF

    @property
    def owner_id(self) -> str | None:
        return self.principal.owner_id if self.principal else None

    @property
    def key_id(self) -> str | None:
        return self.principal.key_id if self.principal else None

    @property
    def author(self) -> str:
        """How this visitor signs a decision; only asked of those who signed in."""
        return self.principal.author if self.principal else "nobody"

    def may_see(self, owner_id: str | None) -> bool:
        """Staff see every session; an owner their own, and nobody else's."""
        return self.is_staff or (self.owner_id is not None and owner_id == self.owner_id)


def recognise(request: Request, idlefee: Engine) -> Visitor:
    """The visitor by the cookie; also prepares what every page needs to know of its request."""
    cookie = cookie_of(request, BROWSER)
    now = idlefee.clock.now()
    signed_in = recognise_browser(idlefee.engine, idlefee.secret, cookie, now) if cookie else None
    visitor = Visitor(None, "")
    if signed_in is not None:
        if signed_in.renewed is not None:
            keep(request, BROWSER, signed_in.renewed, signed_in.expires_at - now)
        key_id = signed_in.principal.key_id
        visitor = Visitor(signed_in.principal, idlefee.secret.name("form of a page", key_id))
    # A demo's clock may run faster than the browser's: the page is told by how much.
    speed = str(getattr(idlefee.clock, "speed", 1))
    sandbox = idlefee.settings.no_money_moves
    request.state.page = {"visitor": visitor, "now": now, "speed": speed, "sandbox": sandbox}
    return visitor


def _one_of(*roles: Role) -> Callable[[Visitor], Coroutine[None, None, Visitor]]:
    names = " or ".join(role.value for role in roles)

    async def check(visitor: Annotated[Visitor, Depends(recognise)]) -> Visitor:
        if visitor.principal is None:
            raise sign_in_first()
        if visitor.role not in roles:
            raise Problem(403, "forbidden", "This page is not for you", f"It is for the role {names}.")
        return visitor

    return check


def sign_in_first() -> Problem:
    return Problem(401, "unauthorised", "Sign in to see this page", "It is for its owner and for staff.")


finance = _one_of(Role.FINANCE)
operator = _one_of(Role.OPERATOR)
support_or_finance = _one_of(Role.SUPPORT, Role.FINANCE)

Anybody = Annotated[Visitor, Depends(recognise)]
SignedIn = Annotated[Visitor, Depends(_one_of(Role.OWNER, *STAFF))]
AnOwner = Annotated[Visitor, Depends(_one_of(Role.OWNER))]
AnOperator = Annotated[Visitor, Depends(operator)]
SupportOrFinance = Annotated[Visitor, Depends(support_or_finance)]


class Form:
    """The fields of a form that was sent from one of our pages."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        """A field's text, empty where it was left out."""
        return self._fields.get(name, "").strip()


async def sent_form(request: Request, visitor: Anybody) -> Form:
    """Read a form of somebody who signed in; refuse one that no page of theirs sent."""
    form = await anybodys_form(request)
    check_token(visitor, form)
    return form


def check_token(visitor: Visitor, form: Form) -> None:
    """Refuse a form that no page of this visitor sent. Raises a `Problem` (403)."""
    token = form["form_token"]
    if not visitor.form_token or not hmac.compare_digest(token.encode(), visitor.form_token.encode()):
        raise _foreign_form()


async def anybodys_form(request: Request) -> Form:
    """Read a form; refuse one that another site sent."""
    check_origin(request)
    body = await request.body()
    if len(body) > LARGEST_FORM_BYTES:
        raise Problem(413, "too_large", "The form is too large", "Shorten the text and send it again.")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        raise bad_form("Go back, reload the page and send it again.") from None
    return form_of({name: values[0] for name, values in fields.items()})


def form_of(fields: dict[str, str]) -> Form:
    """The fields as a form. Raises a `Problem` (400) for characters that cannot be stored."""
    if any(_CONTROL.search(text) for text in fields.values()):
        raise bad_form("A text holds a control character: leave it out.")
    return Form(fields)


def bad_form(detail: str) -> Problem:
    return Problem(400, "bad_form", "The form cannot be read", detail)


def check_origin(request: Request) -> None:
    """Refuse what another site sent. A browser says where a form comes from, and a page cannot make it lie; what is no
    browser says nothing, and holds no cookie that another site could use. Raises a `Problem` (403).
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = site in {"same-origin", "none"} if site is not None else origin is None or _is_ours(request, origin)
    if not ours:
        raise _foreign_form()


def _is_ours(request: Request, origin: str) -> bool:
    """Whether a page of this host sent it: as the browser addressed it, or as the deployment says it is reached."""
    base_url = engine_of(request).settings.base_url or ""
    return urlsplit(origin).netloc in {request.headers.get("host", ""), urlsplit(base_url).netloc} - {""}


def _foreign_form() -> Problem:
    detail = "It was not sent from a page of this sign-in. Reload the page and send it again."
    return Problem(403, "foreign_form", "The form was not accepted", detail)


SentForm = Annotated[Form, Depends(sent_form)]
AnybodysForm = Annotated[Form, Depends(anybodys_form)]
OwnForm = Depends(sent_form)  # for forms that are nothing but a button
