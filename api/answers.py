"""The forms of what is answered about sessions and money, shared by the routers. Nothing is decided here.

Times are on our clock unless a field says otherwise, amounts whole minor units of `currency`.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.inputs import Moment
from api.problems import MEDIA_TYPE
from billing.listing import Listed
from billing.rating import FeeReport
from billing.settle import Charge, Settlement
from sessions.grace import GraceMode
from sessions.machine import Span


class ProblemDocument(BaseModel):
    """RFC 9457. Programs decide by `code`."""

    type: Annotated[str, Field(examples=["urn:idlefee:problem:not_found"])]
    title: str
    status: int
    detail: str | None = None
    code: Annotated[str, Field(examples=["not_found"])]


_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}}
_MEANINGS = {
    400: "the request cannot be read",
    401: "no valid key",
    403: "the key's role may not do that",
    404: "there is none, or this key may not see it",
    409: "it contradicts what is there",
    413: "the body is too large",
    415: "the body is of another type than JSON",
    422: "the request has faults, all named",
    429: "too many wrong keys, or asked too often: try again after Retry-After seconds",
    503: "the database cannot commit: send it again after Retry-After seconds",
}


def only_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the problems a route answers with."""
    return {status: {"description": _MEANINGS[status], **_PROBLEM} for status in sorted(statuses)}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same, with those that every route behind a key has."""
    return only_problems(400, 401, 403, 422, 429, 503, *statuses)


READS = problems(404)
WRITES = problems(404, 409, 413, 415)


class SessionRow(BaseModel):
    """A session in a list. A fee is what is posted, or while it runs, what it would be if the car left now."""

    session: Annotated[str, Field(examples=["st-1/s-1"])]
    site: str
    stall: str | None
    owner: str | None
    state: Annotated[
        str | None, Field(description="connected, charging, grace, idle, excused, ended; null: no plug-in")
    ]
    plugged_in_at: Moment | None
    completed_at: Moment | None
    unplugged_at: Moment | None
    until: Annotated[Moment | None, Field(description="the unplug, else the last event heard of the stall")]
    not_billable: Annotated[str | None, Field(examples=["no_completion"])]
    in_review: list[str]
    tariff: str | None
    tariff_version: int | None
    fee_minor: int | None
    currency: str | None
    projected: Annotated[bool, Field(description="the fee is what it would be if the car left now")]
    finalised_at: Moment | None


def session_row(listed: Listed) -> SessionRow:
    return SessionRow(
        session=listed.key.id,
        site=listed.key.site_id,
        stall=listed.stall,
        owner=listed.owner_id,
        state="ended" if listed.closed else None,
        plugged_in_at=listed.plugged_in_at,
        completed_at=listed.completed_at,
        unplugged_at=listed.unplugged_at,
        until=listed.until,
        not_billable=listed.not_billable if listed.closed else None,
        in_review=list(listed.doubts),
        tariff=listed.tariff,
        tariff_version=listed.tariff_version,
        fee_minor=listed.fee_minor,
        currency=listed.currency,
        projected=False,
        finalised_at=listed.finalised_at,
    )


class Stretch(BaseModel):
    """Half-open: `end` is the first moment after it."""

    start: Moment
    end: Moment
    label: Annotated[str, Field(examples=["idle"])]


class Stay(BaseModel):
    """The time the car was full between two grants of grace."""

    start: Moment
    end: Moment
    chargeable_s: int
    free_s: int
    billed_s: int
    spans: list[Stretch]


class Priced(BaseModel):
    """A run of minutes at one rate."""

    start: Moment
    end: Moment
    pieces: int
    rate_minor: int
    amount_minor: int


class Grace(BaseModel):
    mode: GraceMode
    grace_s: int
    grace_again_after_s: int
    min_resume_s: int


class NoticeProof(BaseModel):
    """The charge-complete notice from which time counts, where the tariff requires one."""

    accepted_at: Annotated[Moment | None, Field(description="null: no channel has accepted one, so nothing is owed")]
    channel: Annotated[str | None, Field(examples=["email"])]
    id: Annotated[str | None, Field(description="the notice, and its message id on every channel")]


class Report(BaseModel):
    """A fee and how it came about: every second labelled, every minor unit accounted for."""

    rules_version: int
    tariff: str
    tariff_version: int
    currency: str
    grace: Grace
    plugged_in_at: Moment | None
    ended_at: Moment | None
    until: Moment | None
    clock_offset_s: Annotated[int, Field(description="our clock minus the station's, added to every time here")]
    not_billable: str | None
    spans: list[Stretch]
    stays: list[Stay]
    chargeable_s: int
    billed_s: int
    lines: list[Priced]
    fragment_s: int
    subtotal_minor: int
    cap_minor: int | None
    capped_minor: int
    tax_code: str | None
    tax_included: bool
    tax_minor: int
    fee_minor: Annotated[int, Field(description="by the facts, before review and waivers")]
    without_exclusions: bool
    notice: Annotated[NoticeProof | None, Field(description="null: the tariff requires none")]


def report_of(report: FeeReport, offset_s: int | None = None) -> Report:
    """The report with times on our clock, or with `offset_s` 0 on the station's."""
    shift = report.offset_s if offset_s is None else offset_s
    return Report(
        rules_version=report.rules_version,
        tariff=report.tariff,
        tariff_version=report.tariff_version,
        currency=report.currency,
        grace=Grace(
            mode=report.grace.mode,
            grace_s=report.grace.grace_s,
            grace_again_after_s=report.grace.grace_again_after_s,
            min_resume_s=report.grace.min_resume_s,
        ),
        plugged_in_at=shifted(report.plugged_in_at, shift),
        ended_at=shifted(report.ended_at, shift),
        until=shifted(report.until, shift),
        clock_offset_s=shift,
        not_billable=report.not_billable,
        spans=stretches(report.spans, shift),
        stays=[
            Stay(
                start=stay.start + shift,
                end=stay.end + shift,
                chargeable_s=stay.chargeable_s,
                free_s=stay.free_s,
                billed_s=stay.billed_s,
                spans=stretches(stay.spans, shift),
            )
            for stay in report.stays
        ],
        chargeable_s=report.chargeable_s,
        billed_s=report.billed_s,
        lines=[
            Priced(
                start=line.start + shift,
                end=line.end + shift,
                pieces=line.pieces,
                rate_minor=line.rate_minor,
                amount_minor=line.amount_minor,
            )
            for line in report.lines
        ],
        fragment_s=report.fragment_s,
        subtotal_minor=report.subtotal_minor,
        cap_minor=report.cap_minor,
        capped_minor=report.capped_minor,
        tax_code=report.tax_code,
        tax_included=report.tax_included,
        tax_minor=report.tax_minor,
        fee_minor=report.fee_minor,
        without_exclusions=report.without_exclusions,
        notice=_proof(report, shift),
    )


def _proof(report: FeeReport, shift: int) -> NoticeProof | None:
    proof = report.notice
    if proof is None:
        return None
    at = None if proof.accepted_at is None else proof.accepted_at - report.offset_s
    return NoticeProof(accepted_at=shifted(at, shift), channel=proof.channel, id=proof.id)


def stretches(spans: Iterable[Span], shift: int) -> list[Stretch]:
    return [Stretch(start=span.start + shift, end=span.end + shift, label=str(span.label)) for span in spans]


def shifted(at: int | None, shift: int) -> int | None:
    return None if at is None else at + shift


class Posted(BaseModel):
    """What a session's books say: what the facts cost, what may post, what was waived, what is posted."""

    session: str
    owner: str | None
    computed_minor: int
    allowed_minor: Annotated[int, Field(description="what review and finalisation let through")]
    waived_minor: Annotated[int | None, Field(description="waivers added up; -1: all of it, whatever it comes to")]
    fee_minor: Annotated[int, Field(description="what the owner pays")]
    tax_minor: int
    currency: str
    in_review: list[str]
    decision: Annotated[str | None, Field(description="the last review decision")]
    settled_at: Moment
    finalised_at: Moment | None


def posted_of(charge: Charge) -> Posted:
    return Posted(
        session=charge.key.id,
        owner=charge.owner_id,
        computed_minor=charge.computed_minor,
        allowed_minor=charge.allowed_minor,
        waived_minor=charge.waived_minor,
        fee_minor=charge.fee_minor,
        tax_minor=charge.tax_minor,
        currency=charge.currency,
        in_review=list(charge.held),
        decision=charge.decision,
        settled_at=charge.settled_at,
        finalised_at=charge.finalised_at,
    )


class Change(BaseModel):
    """A session whose posted fee or owner a decision moved."""

    session: str
    owner: str | None
    owner_before: str | None
    fee_before_minor: int
    fee_minor: int
    currency: str


def changes_of(settlements: Iterable[Settlement]) -> list[Change]:
    return [
        Change(
            session=one.after.key.id,
            owner=one.after.owner_id,
            owner_before=one.before.owner_id if one.before else None,
            fee_before_minor=one.before.fee_minor if one.before else 0,
            fee_minor=one.after.fee_minor,
            currency=one.after.currency,
        )
        for one in settlements
        if one.changed_minor or (one.before is not None and one.before.owner_id != one.after.owner_id)
    ]
