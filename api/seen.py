"""Sessions as the API shows them, to staff and to the owner: rows of lists, and one session with its whole evidence."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from api.answers import Posted, Report, SessionRow, Stretch, posted_of, report_of, session_row, stretches
from api.inputs import Moment
from api.pages.evidence import bearing
from api.pages.loading import Loaded, Sight
from api.problems import Problem, not_found
from billing.decisions import session_key
from billing.listing import Listed, decisions_after, sessions_listed
from billing.rating import FeeReport, explain
from sessions.facts import Fact, Kind
from sessions.machine import Judged
from sessions.sites import Unknown, site
from sessions.store.queries import SessionKey

MOST_DECISIONS = 500  # of one session, the newest


class EventRow(BaseModel):
    """A station event and what we made of it."""

    id: str
    type: str
    at: Annotated[Moment, Field(description="the station's stamp, corrected to our clock")]
    used: bool
    ignored: Annotated[str | None, Field(description="why it changed nothing", examples=["second_completion"])]


class Decision(BaseModel):
    """Something a person or a clock decided about the session."""

    n: int
    kind: Kind
    recorded_at: Moment
    author: str
    reason: str
    amount_minor: int | None
    owner: str | None


class Detail(SessionRow):
    """A session with its evidence. `report` is by the facts, `posted` what stands in the books."""

    sentences: Annotated[list[str], Field(description="the fee in words, arithmetic included")]
    timeline: list[Stretch]
    excused: list[Stretch]
    events: list[EventRow]
    report: Report | None
    posted: Posted | None


class StaffDetail(Detail):
    """The same with what only staff sees."""

    token: Annotated[str | None, Field(description="the token's surrogate: the only name the books know")]
    decisions: list[Decision]


def rows(connection: Connection, listed: Sequence[Listed], now: int) -> list[SessionRow]:
    """The rows of a list; sessions that run are projected to `now`."""
    loaded = Sight(connection, now).load([one.key for one in listed if not one.closed])
    return [_row(one, loaded.get(one.key)) for one in listed]


def _row(listed: Listed, loaded: Loaded | None) -> SessionRow:
    row = session_row(listed)
    if loaded is None or loaded.view is None or loaded.assessment is None:
        return row
    tariff = loaded.assessment.tariff
    running = {"state": loaded.view.state, "fee_minor": loaded.view.fee_minor, "currency": loaded.view.currency}
    return row.model_copy(
        update={**running, "tariff": tariff.name, "tariff_version": tariff.version, "projected": True}
    )


def owners_detail(connection: Connection, key: SessionKey, now: int) -> Detail:
    """One session as its owner may see it."""
    return _detail(connection, Sight(connection, now).load([key])[key])


def staff_detail(connection: Connection, key: SessionKey, now: int) -> StaffDetail:
    loaded = Sight(connection, now).load([key])[key]
    facts = decisions_after(connection, key.site_id, list(Kind), key.id, None, MOST_DECISIONS)
    return StaffDetail(
        **_detail(connection, loaded).model_dump(),
        token=loaded.folded.timeline.token,
        decisions=[decision_of(fact) for fact in facts],
    )


def _detail(connection: Connection, loaded: Loaded) -> Detail:
    folded, report = loaded.folded, _report(loaded)
    key, shift = folded.key, folded.timeline.offset_s
    return Detail(
        **_row(sessions_listed(connection, [key])[0], loaded).model_dump(),
        sentences=[] if report is None else explain(report, site(connection, key.site_id).tz),
        timeline=stretches(folded.timeline.car, shift),
        excused=stretches(folded.timeline.excused, shift),
        events=[_event(judged, shift) for judged in bearing(folded)],
        report=None if report is None else report_of(report),
        posted=None if loaded.charge is None else posted_of(loaded.charge),
    )


def report_for(connection: Connection, key: SessionKey, now: int) -> Report:
    """The fee report alone; raises a `Problem` where there was no plug-in, and so no session to report on."""
    report = _report(Sight(connection, now).load([key])[key])
    if report is None:
        raise Problem(404, "no_plug_in", "There is no report", "No plug-in of this session was reported: no fee.")
    return report_of(report)


def known_session(connection: Connection, station_id: str, session: str) -> SessionKey:
    """Raises a `Problem` for a session nobody heard of."""
    try:
        return session_key(connection, f"{station_id}/{session}")
    except Unknown:
        raise not_found("such session") from None


def decision_of(fact: Fact) -> Decision:
    return Decision(
        n=fact.n,
        kind=fact.kind,
        recorded_at=fact.recorded_at,
        author=fact.author,
        reason=fact.reason,
        amount_minor=fact.amount_minor,
        owner=fact.owner_id,
    )


def _report(loaded: Loaded) -> FeeReport | None:
    """As it is projected while the session runs, as it was stored when it was settled."""
    return None if loaded.view is None else loaded.view.bar.report


def _event(judged: Judged, shift: int) -> EventRow:
    event, ignored = judged
    return EventRow(id=event.id, type=event.type.value, at=event.at + shift, used=ignored is None, ignored=ignored)
