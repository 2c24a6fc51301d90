"""`/receipts/STATION/SESSION`: the receipt as a page that prints well, and as PDF. For the owner and for staff.

A session's name may hold any printable character, slashes too, so it stands at the end of the address.
"""

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from api.guard import Engine
from api.pages.errors import PageRoute
from api.pages.loading import Loaded
from api.pages.receipts.printed import printed
from api.pages.rendering import HEADERS, page
from api.pages.reports import SessionId, find_session
from api.pages.typesetting import can_typeset, typeset
from api.pages.visitors import SignedIn
from api.problems import Problem
from billing.receipts import Receipt, receipt_for

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/receipts/{session_id:path}")
def receipt(
    request: Request,
    idlefee: Engine,
    visitor: SignedIn,
    session_id: SessionId,
    form: Annotated[Literal["page", "pdf"], Query(alias="as")] = "page",
) -> Response:
    now = request.state.page["now"]
    with idlefee.reading() as connection:
        found = receipt_of_session(connection, find_session(connection, session_id, visitor, now), now)
    shown = printed(found)
    if form == "page":
        return page(request, "receipt.html", receipt=shown, session_id=session_id, pdf=can_typeset())
    address = idlefee.settings.base_url or str(request.base_url).rstrip("/")
    name = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in session_id)
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="receipt-{name}.pdf"'}
    made = typeset("receipt", asdict(shown) | {"address": address}, found.made_at)
    return Response(made, headers=headers, media_type="application/pdf")


def receipt_of_session(connection: Connection, found: Loaded, now: int) -> Receipt:
    """Raises a `Problem` where the session is not over, or never was one."""
    if found.charge is None or found.view is None or found.view.running:
        detail = "There is one as soon as the session is over. Until then its fee report shows what it comes to."
        raise Problem(409, "no_receipt_yet", "There is no receipt yet", detail)
    report = found.view.bar.report
    if report.plugged_in_at is None:
        raise Problem(409, "no_plug_in", "There is no receipt", "No plug-in of this session was reported: no fee.")
    return receipt_for(connection, found.charge, report, found.folded.timeline.stall, now)
