"""Questions about sessions: `explain` one, `find` those of a token, a plate or a name."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Refused
from api.cli.frame import AsJson, Database, app
from api.cli.opening import opened
from api.cli.telling import stamp, standing

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from api.wiring import Idlefee
    from billing.rating import FeeReport
    from billing.settle import Charge
    from sessions.folding import Folded
    from sessions.sites import Site

MOST_FOUND = 200


@app.command()
def explain(
    session: Annotated[str, typer.Argument(help="STATION/SESSION, or the session's own name.", show_default=False)],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """A session's fee in sentences, its timeline, and every event with the reason if it was ignored."""
    with opened(database) as idlefee:
        view = _look(idlefee, session)
    if as_json:
        show_json(view.to_json())
    else:
        view.tell()


class _View:
    """One session as its facts tell it now, and what is posted for it."""

    def __init__(self, site: "Site", folded: "Folded", report: "FeeReport | None", charge: "Charge | None") -> None:
        self.site, self.folded, self.report, self.charge = site, folded, report, charge

    def sentences(self) -> list[str]:
        from billing.rating import explain as in_sentences

        if self.report is None:
            return ["The station never reported that a car was plugged in."]
        return in_sentences(self.report, self.site.tz)

    def tell(self) -> None:
        say(f"Session {self.folded.key.id} at {self.site.name} ({self.site.zone})")
        if self.report is not None:
            say(f"Tariff {self.report.tariff}, version {self.report.tariff_version}")
        say()
        for sentence in self.sentences():
            say(sentence)
        if self.charge is not None:
            say(standing(self.charge))
        self._timeline()
        self._events()

    def _timeline(self) -> None:
        from api.pages.timeline import Bar, parts

        if self.report is None or not self.report.spans:
            return
        bar = Bar(self.folded.key.id, self.report, self.site.tz, running=not self.folded.closed)
        say()
        for line in _bar(self.report):
            say(line)
        show_table(
            ("", "from", "to", "how long", "fee"),
            [
                (
                    f"{part.word}{', ' if part.why else ''}{part.why}",
                    part.start,
                    part.end,
                    _length(part.length_s),
                    part.money,
                )
                for part in parts(bar)
            ],
            right=("how long", "fee"),
        )

    def _events(self) -> None:
        from api.pages.words import EVENTS, IGNORED, word

        offset_s = self.folded.timeline.offset_s
        say()
        show_table(
            ("at", "event", "id", ""),
            [
                (
                    stamp(judged.event.at + offset_s, self.site.tz),
                    word(EVENTS, judged.event.type.value) + (f" ({judged.event.cause})" if judged.event.cause else ""),
                    judged.event.id,
                    "" if judged.ignored is None else f"ignored: {word(IGNORED, judged.ignored)}",
                )
                for judged in self.folded.timeline.judged
            ],
        )

    def to_json(self) -> dict[str, Any]:
        from billing.rating import report_to_json
        from sessions.events import rfc3339

        charge = self.charge
        return {
            "session": self.folded.key.id,
            "site": self.site.id,
            "closed": self.folded.closed,
            "not_billable": self.folded.timeline.not_billable,
            "sentences": self.sentences(),
            "posted": None
            if charge is None
            else {
                "owner": charge.owner_id,
                "currency": charge.currency,
                "fee_minor": charge.fee_minor,
                "tax_minor": charge.tax_minor,
                "waived": charge.waived_minor is not None,
                "in_review": list(charge.held),
                "decision": charge.decision,
            },
            "report": None if self.report is None else report_to_json(self.report),
            "events": [
                {
                    "id": judged.event.id,
                    "type": judged.event.type.value,
                    "at": rfc3339(judged.event.at),
                    "cause": judged.event.cause,
                    "ignored": judged.ignored,
                }
                for judged in self.folded.timeline.judged
            ],
        }


def _look(idlefee: "Idlefee", name: str) -> _View:
    from billing.settle import assess, charges_of
    from sessions.folding import fold_sessions
    from sessions.sites import site

    now = idlefee.clock.now()
    with idlefee.reading() as connection:
        key = asking.session(connection, name)
        folded = fold_sessions(connection, [key], now, project=True)[0]
        assessed = assess(connection, [folded], now)
        charge = charges_of(connection, [key]).get(key)
        report = assessed[0].report if assessed else None
        return _View(site(connection, key.site_id), folded, report, charge)


# -- the bar ------------------------------------------------------------------------------------------------

BAR_WIDTH = 72
LETTERS = {"connected": "─", "charging": "▒", "grace": "░", "idle": "█", "excused": "·"}


def _bar(report: "FeeReport") -> list[str]:
    """The timeline as one line of letters, to scale, and what the letters mean. Nothing that happened is left out."""
    from api.pages.words import STATES, kind_of, word

    spans = report.spans
    total_s = sum(span.end - span.start for span in spans)
    widths = [max(1, (span.end - span.start) * BAR_WIDTH // total_s) for span in spans]
    kinds = [kind_of(span.label) for span in spans]
    drawn = "".join(LETTERS[kind] * width for kind, width in zip(kinds, widths, strict=True))
    meant = "   ".join(f"{LETTERS[kind]} {word(STATES, kind)}" for kind in dict.fromkeys(kinds))
    return [drawn, meant]


def _length(seconds: int) -> str:
    from api.pages.words import length

    return length(seconds)


# -- find ---------------------------------------------------------------------------------------------------


@app.command()
def find(
    what: Annotated[str, typer.Argument(help="A token, a plate, an owner, or a session.", show_default=False)],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """The sessions of a token, a plate or an owner, or those that a station calls by this name; the newest first."""
    with opened(database) as idlefee:
        from sessions.events import rfc3339

        with idlefee.reading() as connection:
            rows = _found(idlefee, connection, what)
    if as_json:
        show_json(
            [
                {
                    "session": row.id,
                    "site": row.site_id,
                    "plugged_in_at": None if row.plugged_in_at is None else rfc3339(row.plugged_in_at),
                    "closed": row.closed,
                    "owner": row.owner_id,
                    "currency": row.currency,
                    "fee_minor": row.fee_minor,
                    "not_billable": row.not_billable,
                }
                for row in rows
            ]
        )
    if not rows:
        raise Refused(f"nothing here is called {what}: no token, plate, owner or session")
    if not as_json:
        _show_found(rows)


def _found(idlefee: "Idlefee", connection: "Connection", what: str) -> list[Any]:
    """Rows of sessions with their charges."""
    from sqlalchemy import and_, or_, select

    from billing.store.tables import charges, token_holders, vehicles
    from sessions.store.tables import sessions, sites

    cars = select(vehicles.c.token_id).where(vehicles.c.plate == what, vehicles.c.token_id.is_not(None))
    drivers = select(vehicles.c.owner_id).where(vehicles.c.plate == what)
    held = select(token_holders.c.token_id).where(
        or_(token_holders.c.owner_id == what, token_holders.c.owner_id.in_(drivers))
    )
    named = or_(
        sessions.c.id == what,
        sessions.c.id.endswith(f"/{what}", autoescape=True),
        sessions.c.token_id == idlefee.names.surrogate(what),
        sessions.c.token_id.in_(cars),
        sessions.c.token_id.in_(held),
        charges.c.owner_id == what,
    )
    statement = (
        select(
            *(sessions.c[name] for name in ("site_id", "id", "plugged_in_at", "closed", "not_billable")),
            *(charges.c[name] for name in ("owner_id", "currency", "fee_minor")),
            sites.c.zone,
        )
        .join(sites, sites.c.id == sessions.c.site_id)
        .outerjoin(charges, and_(charges.c.site_id == sessions.c.site_id, charges.c.session_id == sessions.c.id))
        .where(named)
        .order_by(sessions.c.plugged_in_at.desc(), sessions.c.id)
        .limit(MOST_FOUND)
    )
    return list(connection.execute(statement).all())


def _show_found(rows: list[Any]) -> None:
    from zoneinfo import ZoneInfo

    from api.pages.words import NOT_BILLABLE, money, word

    def fee(row: Any) -> str:
        if row.not_billable is not None:
            return word(NOT_BILLABLE, row.not_billable)
        return "not over yet" if row.fee_minor is None else money(row.fee_minor, row.currency)

    show_table(
        ("session", "site", "plugged in", "owner", "fee"),
        [
            (row.id, row.site_id, stamp(row.plugged_in_at, ZoneInfo(row.zone)), row.owner_id or "nobody", fee(row))
            for row in rows
        ],
    )
    if len(rows) == MOST_FOUND:
        say(f"The newest {MOST_FOUND}; there may be more.")
