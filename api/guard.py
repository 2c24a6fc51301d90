"""Who may pass: FastAPI dependencies that turn a bearer key into a `Principal`, or a problem.

What only looks at the request is `async`: anything else is handed to a thread, which costs more than the looking.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.access.keys import Principal, Role, authenticate
from api.access.limits import PUBLIC_PAGES, WRONG_KEYS, Limit, client_of
from api.problems import Problem, forbidden, too_many, unauthorised
from api.wiring import Idlefee

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer")
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def engine_of(request: Request) -> Idlefee:
    """The running engine behind the doors that were knocked at."""
    idlefee: Idlefee = request.state.idlefee
    return idlefee


async def _engine(request: Request) -> Idlefee:
    return engine_of(request)


Engine = Annotated[Idlefee, Depends(_engine)]


def refused_key(idlefee: Idlefee, client: str) -> Problem:
    """The answer to a wrong key; who sends many is told to wait."""
    wait_s = idlefee.limits.wait_s(WRONG_KEYS, client)
    return too_many(wait_s) if wait_s else unauthorised()


async def _client(request: Request) -> str:
    return _address_of(request)


def _address_of(request: Request) -> str:
    return client_of(request.client.host if request.client else None)


Client = Annotated[str, Depends(_client)]
"""Whom to count for what is tried without a name."""


def allow(idlefee: Idlefee, limit: Limit, who: str) -> None:
    """Count one try; raises a `Problem` where it is one too many."""
    if wait_s := idlefee.limits.wait_s(limit, who):
        raise too_many(wait_s)


def limited(limit: Limit) -> Callable[[Idlefee, str], None]:
    """A route's dependency: so often may one client ask for it."""

    def check(idlefee: Engine, client: Client) -> None:
        allow(idlefee, limit, client)

    return check


PUBLIC_LIMIT = Depends(limited(PUBLIC_PAGES))
"""How often one client may ask for the pages that are there for everybody."""


def _principal(request: Request, credentials: _Bearer) -> Principal:
    if credentials is None:
        raise unauthorised()
    idlefee = engine_of(request)
    with idlefee.reading() as connection:
        principal = authenticate(connection, credentials.credentials, idlefee.clock.now())
    if principal is None:
        raise refused_key(idlefee, _address_of(request))
    return principal


def _one_of(*roles: Role) -> Callable[[Request, HTTPAuthorizationCredentials | None], Principal]:
    names = " or ".join(role.value for role in roles)

    def check(request: Request, credentials: _Bearer) -> Principal:
        principal = _principal(request, credentials)
        if principal.role not in roles:
            raise forbidden(f"It takes a key of the role {names}; this one is of the role {principal.role.value}.")
        return principal

    return check


STAFF = (Role.SUPPORT, Role.FINANCE, Role.OPERATOR)

Anyone = Annotated[Principal, Depends(_principal)]
StationOrOperator = Annotated[Principal, Depends(_one_of(Role.STATION, Role.OPERATOR))]
OwnerOrStaff = Annotated[Principal, Depends(_one_of(Role.OWNER, *STAFF))]
Owner = Annotated[Principal, Depends(_one_of(Role.OWNER))]
Operator = Annotated[Principal, Depends(_one_of(Role.OPERATOR))]
Finance = Annotated[Principal, Depends(_one_of(Role.FINANCE))]
FinanceOrOperator = Annotated[Principal, Depends(_one_of(Role.FINANCE, Role.OPERATOR))]
SupportOrOperator = Annotated[Principal, Depends(_one_of(Role.SUPPORT, Role.OPERATOR))]
SupportOrFinance = Annotated[Principal, Depends(_one_of(Role.SUPPORT, Role.FINANCE))]
Staff = Annotated[Principal, Depends(_one_of(*STAFF))]
