"""`idlefee explain`: one session's fee in sentences, as a timeline, and event by event."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.frame import AsJson, Database, app
from api.cli.opening import opened
from api.cli.telling import stamp, standing

if TYPE_CHECKING:
    from api.wiring import Idlefee
    from billing.rating import FeeReport
    from billing.settle import Charge
    from sessions.folding import Folded
    from sessions.sites import Site


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
        from api.pages.evidence import bearing
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
                for judged in bearing(self.folded)
            ],
        )

    def to_json(self) -> dict[str, Any]:
        from api.pages.evidence import bearing
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
                for judged in bearing(self.folded)
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
