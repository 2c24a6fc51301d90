"""Who looks at a page: the cookie that a link opened, what each role may see, and whether a form is from our page."""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from api.access.keys import KeyKind, Principal, Role, authenticate
from api.guard import STAFF, Engine
from api.problems import Problem

COOKIE = "idlefee_browser"
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
    def author(self) -> str:
        """How this visitor signs a decision; only asked of those who signed in."""
        return self.principal.author if self.principal else "nobody"

    def may_see(self, owner_id: str | None) -> bool:
        """Staff see every session; an owner their own, and nobody else's."""
        return self.is_staff or (self.owner_id is not None and owner_id == self.owner_id)


def recognise(request: Request, idlefee: Engine) -> Visitor:
    """The visitor by the cookie; also prepares what every page needs to know of its request."""
    cookie = request.cookies.get(COOKIE, "")
    now = idlefee.clock.now()
    principal = None
    if cookie:
        with idlefee.reading() as connection:
            principal = authenticate(connection, cookie, now, KeyKind.BROWSER)
    visitor = Visitor(principal, _form_token(cookie) if principal else "")
    # A demo's clock may run faster than the browser's: the page is told by how much.
    speed = str(getattr(idlefee.clock, "speed", 1))
    request.state.page = {"visitor": visitor, "now": now, "speed": speed}
    return visitor


def _form_token(cookie: str) -> str:
    """Made from the cookie, which only our pages' visitor has; the cookie cannot be made from it."""
    return hashlib.blake2b(cookie.encode(), digest_size=16, person=b"form of a page").hexdigest()


def _one_of(*roles: Role) -> Callable[[Visitor], Visitor]:
    names = " or ".join(role.value for role in roles)

    def check(visitor: Annotated[Visitor, Depends(recognise)]) -> Visitor:
        if visitor.principal is None:
            raise sign_in_first()
        if visitor.role not in roles:
            raise Problem(403, "forbidden", "This page is not for you", f"It is for the role {names}.")
        return visitor

    return check


def sign_in_first() -> Problem:
    return Problem(401, "unauthorised", "Sign in to see this page", "It needs a sign-in link of yours.")


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
    """Read a form; refuse one that no page of ours sent: the cookie is SameSite=Strict, the token a second lock."""
    body = await request.body()
    if len(body) > LARGEST_FORM_BYTES:
        raise Problem(413, "too_large", "The form is too large", "Shorten the text and send it again.")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=50)
    except (UnicodeDecodeError, ValueError):
        raise Problem(
            400, "bad_form", "The form cannot be read", "Go back, reload the page and send it again."
        ) from None
    if any(_CONTROL.search(text) for values in fields.values() for text in values):
        raise Problem(400, "bad_form", "The form cannot be read", "A text holds a control character: leave it out.")
    token = fields.get("form_token", [""])[0]
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
    if foreign or not visitor.form_token or not hmac.compare_digest(token.encode(), visitor.form_token.encode()):
        detail = "It was not sent from a page of this sign-in. Reload the page and send it again."
        raise Problem(403, "foreign_form", "The form was not accepted", detail)
    return Form({name: values[0] for name, values in fields.items()})


SentForm = Annotated[Form, Depends(sent_form)]
OwnForm = Depends(sent_form)  # for forms that are nothing but a button
