"""What a page says about a session: its state, the sentences, one big number, the bar. Reports in, words out.

Sentences say what happened, what it costs, what happens next. They are `Markup` only for what they stress; every
value in them is escaped by its `format`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from api.pages import words
from api.pages.timeline import Bar, Moment
from billing.rating import FeeReport, duration
from billing.settle import Charge
from sessions.events import EventType
from sessions.folding import Folded
from sessions.grace import EXCUSED, GRACE, IDLE
from sessions.machine import Span
from sessions.sites import Site
from sessions.store.queries import SessionKey


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock the browser keeps running, from or to a moment of ours; a silent station's stands at `stands_at`."""

    at: int
    counts: Literal["down", "up"]
    stands_at: int | None = None

    def shows(self, now: int) -> str:
        """`4:59`, `1:04:59`."""
        now = now if self.stands_at is None else self.stands_at
        seconds = max(0, self.at - now if self.counts == "down" else now - self.at)
        hours, rest = divmod(seconds, 3600)
        minutes, left = divmod(rest, 60)
        return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


class Silence(NamedTuple):
    """A station that missed three of the intervals it declared: its displayed clock stands at `frozen_at`."""

    heard_at: int
    frozen_at: int


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as every page shows it. Amounts in minor units of `currency`."""

    key: SessionKey
    site: Site
    stall: str  # as its station calls it
    owner_id: str | None
    state: str
    sentences: tuple[Markup, ...]
    clock: Clock | None
    fee_minor: int
    currency: str
    bar: Bar
    big: str  # the page's one big number where it is no clock
    silent_since: int | None = None
    ahead: Markup | None = None  # what happens next, in one sentence

    @property
    def running(self) -> bool:
        return self.bar.running

    @property
    def place(self) -> str:
        return stall_name(self.key.station_id, self.stall)

    @property
    def fee(self) -> str:
        return words.money(self.fee_minor, self.currency)

    @property
    def begins_at(self) -> int:
        """The plug-in, on our clock."""
        return (self.bar.report.plugged_in_at or 0) + self.bar.report.offset_s

    @property
    def path(self) -> str:
        return session_path(self.key.id)

    def changes_at(self, now: int) -> int | None:
        """When it looks different though nothing happens: what was reported this second has lasted one, the fee begins,
        or grows by a minute; none: not soon.
        """
        if self.clock is None or self.clock.stands_at is not None:
            return None
        if any(moment.at >= now for moment in self.bar.moments):
            return now + 1
        if self.clock.counts == "down":
            return max(self.clock.at, now + 1)
        if self.state != IDLE:
            return None
        return self.clock.at + (max(0, now - self.clock.at) // 60 + 1) * 60

    @property
    def text(self) -> str:
        """The sentences without their markup."""
        return " ".join(str(sentence.striptags()) for sentence in self.sentences)


def session_path(session_id: str) -> str:
    """Where a session's fee report is; its name may hold any printable character."""
    return "/sessions/" + quote(session_id, safe="/:")


def receipt_path(session_id: str) -> str:
    """Where its receipt is."""
    return "/receipts/" + quote(session_id, safe="/:")


def charge_path(session_id: str) -> str:
    """Where its charge's whole story is, for finance."""
    return "/finance/charges/" + quote(session_id, safe="/:")


def stall_name(station_id: str, stall: str | None) -> str:
    return f"{station_id} · {stall}" if stall else station_id


def moments_of(folded: Folded) -> tuple[Moment, ...]:
    """The events that counted, on our clock."""
    timeline = folded.timeline
    return tuple(
        Moment(event.at + timeline.offset_s, words.word(words.EVENTS, event.type))
        for event, ignored in timeline.judged
        if ignored is None and event.type is not EventType.METER
    )


# -- when it is over ----------------------------------------------------------------------------------------


def ended_view(folded: Folded, charge: Charge, report: FeeReport, site: Site) -> SessionView:
    """A settled session, by the report that was stored with its charge."""
    return SessionView(
        key=folded.key,
        site=site,
        stall=folded.timeline.stall or "",
        owner_id=charge.owner_id,
        state="ended",
        sentences=tuple(_ended_sentences(charge, report, site)),
        clock=None,
        fee_minor=charge.fee_minor,
        currency=charge.currency,
        bar=Bar(title_of(site, folded), report, site.tz, moments_of(folded)),
        big=words.money(charge.fee_minor, charge.currency),
    )


def _ended_sentences(charge: Charge, report: FeeReport, site: Site) -> Iterator[Markup]:
    yield from _what_is_to_pay(charge, report)
    for span in (span for stay in report.stays for span in stay.spans if span.label.startswith(EXCUSED)):
        yield _excuse_ran(span, report, site)
    if report.ended_at is None:
        last = words.moment(_ours(report, report.until or 0), site.tz)
        yield Markup("No unplug was reported, so we counted to the last message about this stall: {}.").format(last)


def _what_is_to_pay(charge: Charge, report: FeeReport) -> Iterator[Markup]:
    paid = words.money(charge.fee_minor, charge.currency)
    counted = duration(report.billed_s)
    if charge.held:
        why = "; ".join(words.word(words.REVIEW, code) for code in charge.held)
        yield Markup("We are checking this fee: {}.").format(why)
        yield Markup("Until a person has decided, <strong>{}</strong> is due.").format(paid)
    elif charge.decision == "reject":
        yield Markup("A person looked at this fee and dropped it. Nothing to pay.")
    elif charge.waived_minor is not None:
        waived = words.money(charge.allowed_minor - charge.fee_minor, charge.currency)
        yield Markup("{} of the fee was waived. You pay <strong>{}</strong>.").format(waived, paid)
    elif charge.fee_minor:
        after = "after the grace period" if any(_lasts(report, GRACE)) else "of idle time"
        yield Markup("You pay <strong>{}</strong> for {} {}.").format(paid, counted, after)
    elif report.not_billable:
        yield Markup("Nothing to pay: {}.").format(words.word(words.NOT_BILLABLE, report.not_billable))
    elif report.billed_s and report.fragment_s == report.billed_s:
        yield Markup("You left {} after the grace period. Only whole minutes count. Nothing to pay.").format(counted)
    elif report.billed_s:
        yield Markup("You stayed {} longer than the grace period. Nothing to pay.").format(counted)
    else:
        yield Markup("You left in time. Nothing to pay.")


def _lasts(report: FeeReport, label: str) -> Iterator[Span]:
    return (span for stay in report.stays for span in stay.spans if span.label == label)


def _excuse_ran(span: Span, report: FeeReport, site: Site) -> Markup:
    start, end = (words.clock(_ours(report, at), site.tz) for at in span[:2])
    kind, _, detail = span.label.removeprefix(EXCUSED).partition(" ")
    if kind == "fault":
        said = Markup("The charger had a fault from {} to {}.").format(start, end)
    elif kind == "operator":
        said = Markup("The operator excused the time from {} to {}: {}.").format(start, end, detail)
    elif kind == "no-fee":
        said = Markup("There was no fee from {} to {}.").format(start, end)
    else:
        said = Markup("No notice had reached you from {} to {}.").format(start, end)
    return said + " We did not count that time."


def title_of(site: Site, folded: Folded) -> str:
    return f"{site.name}, {stall_name(folded.station_id, folded.timeline.stall)}"


def _ours(report: FeeReport, at: int) -> int:
    return at + report.offset_s
