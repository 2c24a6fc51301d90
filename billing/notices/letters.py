"""What each notice says, in the owner's language. The facts are handed in; the sentences are in `texts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.notices.kinds import FEE_BEGUN
from billing.notices.moments import Outlook
from billing.rating import FeeReport, explain
from billing.texts import Texts


class Letter(NamedTuple):
    """A notice's words: plain text, a sentence or two a line."""

    subject: str
    body: str
    language: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a car stands, in whose local time."""

    site: str
    stall: str | None
    zone: ZoneInfo

    def said(self, texts: Texts) -> str:
        if self.stall is None:
            return texts.say("place.site", site=self.site)
        return texts.say("place.stall", site=self.site, stall=self.stall)


def charge_complete(texts: Texts, place: Place, outlook: Outlook, now: int, link: str | None) -> Letter:
    """The car is full: until when it may stay, or since when that costs."""
    so_far, price = texts.money(outlook.so_far_minor, outlook.currency), _price(texts, outlook)
    if outlook.running_since is not None:
        since = texts.clock(outlook.running_since, place.zone, now)
        subject = texts.say("charge_complete.subject_running")
        lines = [texts.say("charge_complete.running", price=price, since=since, so_far=so_far)]
    elif outlook.charged_from is not None:
        deadline = texts.clock(outlook.charged_from, place.zone, now)
        sentence = "charge_complete.in_time_again" if outlook.so_far_minor else "charge_complete.in_time"
        subject = texts.say("charge_complete.subject_in_time", deadline=deadline)
        words = {"so_far": so_far} if outlook.so_far_minor else {}
        lines = [texts.say(sentence, deadline=deadline, **words), texts.say("charge_complete.then", price=price)]
    else:
        subject = texts.say("charge_complete.subject_free")
        so_far_only = texts.say("charge_complete.no_more", so_far=so_far)
        lines = [so_far_only if outlook.so_far_minor else texts.say("charge_complete.free")]
    return _letter(texts, subject, [*lines, place.said(texts)], link)


def almost_full(texts: Texts, place: Place, outlook: Outlook, full_at: int, now: int, link: str | None) -> Letter:
    """The car will be full at about `full_at`, as far as anybody can tell; `outlook` is of that moment."""
    price = _price(texts, outlook)
    lines = [texts.say("almost_full.said", time=texts.clock(full_at, place.zone, now))]
    if outlook.charged_from is None:
        lines.append(texts.say("almost_full.free"))
    elif outlook.charged_from > full_at:
        length = texts.length(outlook.charged_from - full_at)
        lines.append(texts.say("almost_full.grace", length=length, price=price))
    else:
        lines.append(texts.say("almost_full.no_grace", price=price))
    return _letter(texts, texts.say("almost_full.subject"), [*lines, place.said(texts)], link)


def one_minute_left(texts: Texts, place: Place, outlook: Outlook, now: int, link: str | None) -> Letter:
    """The next minute is the last that costs nothing."""
    deadline = texts.clock(outlook.charged_from or now, place.zone, now)
    so_far = texts.money(outlook.so_far_minor, outlook.currency)
    if outlook.so_far_minor:
        said = texts.say("one_minute_left.said_again", deadline=deadline, so_far=so_far)
    else:
        said = texts.say("one_minute_left.said", deadline=deadline)
    then = texts.say("charge_complete.then", price=_price(texts, outlook))
    subject = texts.say("one_minute_left.subject", deadline=deadline)
    return _letter(texts, subject, [said, then, place.said(texts)], link)


def fee_running(
    texts: Texts, kind: str, place: Place, outlook: Outlook, cap_minor: int | None, now: int, link: str | None
) -> Letter:
    """The fee runs: it has begun, or has come a step further."""
    so_far = texts.money(outlook.so_far_minor, outlook.currency)
    since = texts.clock(outlook.running_since or now, place.zone, now)
    lines = [texts.say(f"{kind}.said", price=_price(texts, outlook), since=since, so_far=so_far)]
    if cap_minor is not None:
        lines.append(texts.say("running.at_most", cap=texts.money(cap_minor, outlook.currency)))
    lines.append(texts.say("running.stop"))
    subject = texts.say("fee_begun.subject") if kind == FEE_BEGUN else texts.say("fee_step.subject", so_far=so_far)
    return _letter(texts, subject, [*lines, place.said(texts)], link)


def _price(texts: Texts, outlook: Outlook) -> str:
    lowest, highest = (texts.money(rate, outlook.currency) for rate in (outlook.lowest_minor, outlook.highest_minor))
    price = texts.say("price.flat", rate=highest)
    if lowest != highest:
        price = texts.say("price.by_occupancy", lowest=lowest, highest=highest)
    return texts.say("price.plus_tax", price=price) if outlook.tax_on_top else price


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session came out. Amounts in minor units of the report's currency."""

    report: FeeReport
    fee_minor: int  # what stands on the owner's account
    unwaived_minor: int  # what would without waivers
    held: bool  # it waits in review


def final(texts: Texts, place: Place, ending: Ending, link: str | None) -> Letter:
    """The session has ended: nothing to pay, or the fee, and how it was counted."""
    report = ending.report
    fee = texts.money(ending.fee_minor, report.currency)
    if ending.fee_minor:
        subject = texts.say("final.subject_fee", fee=fee, site=place.site)
        lines = [texts.say("final.fee", fee=fee, length=texts.length(report.billed_s))]
    else:
        in_time = report.chargeable_s and not report.billed_s
        subject = texts.say("final.subject_nothing", site=place.site)
        lines = [texts.say("final.in_time" if in_time else "final.nothing")]
    if ending.unwaived_minor != ending.fee_minor:
        waived_minor = ending.unwaived_minor - ending.fee_minor
        unwaived, waived = (texts.money(amount, report.currency) for amount in (ending.unwaived_minor, waived_minor))
        lines.append(texts.say("final.waived", unwaived=unwaived, waived=waived))
    if ending.held:
        lines.append(texts.say("final.held"))
    # The last sentence of the explanation is the result, which stands above.
    counted = explain(report, place.zone, texts.language)[:-1]
    return _letter(texts, subject, [*lines, place.said(texts), "", texts.say("final.how"), *counted], link)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one session's fee."""

    place: Place
    plugged_in_at: int  # UTC seconds
    currency: str
    was_minor: int
    is_minor: int


def correction(texts: Texts, changes: Sequence[Change], reason: str, link: str | None) -> Letter:
    """Fees that were told have changed, all for one reason."""
    lines = [_change(texts, one) for one in changes]
    words = {"reason": texts.reason(reason)}
    if len(changes) == 1:
        was, is_now = _amounts(texts, changes[0])
        subject = texts.say("correction.subject_one", was=was, is_now=is_now)
        first = texts.say("correction.one", **words)
    else:
        sessions = str(len(changes))
        subject = texts.say("correction.subject_many", sessions=sessions)
        first = texts.say("correction.many", sessions=sessions, **words)
    return _letter(texts, subject, [first, *lines], link)


def _change(texts: Texts, one: Change) -> str:
    was, is_now = _amounts(texts, one)
    day = texts.day(one.plugged_in_at, one.place.zone)
    time = texts.clock(one.plugged_in_at, one.place.zone, one.plugged_in_at)
    return texts.say("correction.line", place=one.place.said(texts), day=day, time=time, was=was, is_now=is_now)


def _amounts(texts: Texts, one: Change) -> tuple[str, str]:
    return texts.money(one.was_minor, one.currency), texts.money(one.is_minor, one.currency)


@dataclass(frozen=True, slots=True)
class MoneyMoved:
    """What became of a payment or a dispute."""

    outcome: str
    amount_minor: int
    currency: str
    seller: str
    zone: str  # of the seller's books
    retry_at: int | None = None  # …or until when it has to be paid


def money(texts: Texts, kind: str, moved: MoneyMoved, link: str | None) -> Letter:
    """A payment or a dispute (`kind`) came out one way or another."""
    amount = texts.money(moved.amount_minor, moved.currency)
    day = "" if moved.retry_at is None else texts.day(moved.retry_at, ZoneInfo(moved.zone))
    lines = [texts.say(f"{kind}.{moved.outcome}", amount=amount, seller=moved.seller, day=day)]
    if moved.outcome == "failed" and day:
        lines.append(texts.say("payment.retry_at", day=day))
    elif moved.outcome in ("failed", "reminder"):
        lines.append(texts.say("payment.act"))
    subject = texts.say(f"{kind}.subject_{moved.outcome}", amount=amount, seller=moved.seller, day=day)
    return _letter(texts, subject, lines, link)


def _letter(texts: Texts, subject: str, lines: Sequence[str], link: str | None) -> Letter:
    foot = [] if link is None else ["", texts.say("foot.link", link=link)]
    return Letter(subject, "\n".join([*lines, *foot]) + "\n", texts.language)
