"""Operators about collecting: a seller's policy, validated with all faults named at once, versioned, never edited.

Operators decide it, since it limits what finance and support may do by themselves.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel

from api.answers import READS, WRITES
from api.forms import TOML, read_form
from api.guard import Engine, Operator, Staff
from api.inputs import Moment, PathId, RawBody, Reason
from billing.forms import to_toml
from billing.invoices.policy import (
    Policy,
    Version,
    decide,
    load_policy,
    policy_from_json,
    policy_of,
    versions_of,
)
from sessions.registry import seller

router = APIRouter(prefix="/v1/sellers/{seller_id}/policy", tags=["sites"])

Format = Annotated[Literal["json", "toml"], Query(alias="format", description="toml: as a file for people")]
_TOML_TOO: dict[int | str, dict[str, Any]] = {200: {"content": {TOML: {"schema": {"type": "string"}}}}}
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/Policy"}},
        TOML: {"schema": {"type": "string"}, "example": 'invoice_at = "monthly"\n'},
    },
}


class PolicyVersion(BaseModel):
    """A policy as it was decided; the newest holds."""

    n: int
    recorded_at: Moment
    author: str
    reason: str
    policy: Policy


@router.get("", response_model=Policy, responses=READS | _TOML_TOO)
def show_policy(idlefee: Engine, _principal: Staff, seller_id: PathId, form: Format = "json") -> Policy | Response:
    """What holds for a seller now; where nobody decided, the defaults."""
    with idlefee.reading() as connection:
        seller(connection, seller_id)
        found = policy_of(connection, seller_id)
    return Response(to_toml(found), media_type=TOML) if form == "toml" else found


@router.get("/versions", responses=READS)
def list_policy_versions(idlefee: Engine, _principal: Staff, seller_id: PathId) -> list[PolicyVersion]:
    """Who decided what, and why; newest first."""
    with idlefee.reading() as connection:
        return [_version(one) for one in versions_of(connection, seller_id)]


@router.put("", responses=WRITES, openapi_extra={"requestBody": _BODY})
def set_policy(
    idlefee: Engine,
    principal: Operator,
    seller_id: PathId,
    body: RawBody,
    reason: Annotated[Reason, Query()],
    content_type: Annotated[str | None, Header(include_in_schema=False)] = None,
    dry_run: Annotated[bool, Query(description="only say what is wrong with it")] = False,
) -> Policy:
    """Let a policy, as JSON or TOML, hold from now on. All faults are named at once; what was issued stays."""
    policy = read_form(body, content_type, "policy", policy_from_json, load_policy)
    with idlefee.writing() as connection:
        seller(connection, seller_id)
        if not dry_run:
            now = idlefee.clock.now()
            decide(connection, seller_id, policy, author=principal.author, reason=reason, now=now)
    return policy


def _version(one: Version) -> PolicyVersion:
    return PolicyVersion(n=one.n, recorded_at=one.recorded_at, author=one.author, reason=one.reason, policy=one.policy)
