"""A session that is not settled, as its owner reads it: a projection, as far as its facts and its station's clock go.

Until when the car may stay is asked of the same rule as the notices (`billing.notices.moments`): page and letter
never name two different times.
"""

from collections.abc import Iterator
from dataclasses import replace

from markupsafe import Markup

from api.pages import words
from api.pages.timeline import Bar
from api.pages.views import Clock, SessionView, Silence, moments_of, title_of
from billing.notices.moments import Outlook, outlook_at
from billing.rating import duration, rate
from billing.settle import Assessment
from billing.tariffs import Tariff
from sessions.folding import SESSION_TIMEOUT_S
from sessions.grace import EXCUSED, GraceMode
from sessions.machine import Car, Span, Timeline


def running_view(one: Assessment, now: int, silence: Silence | None) -> SessionView:
    """The session at `now`; where its station is silent, at the moment at which its clock stands still."""
    now = silence.frozen_at if silence else now
    report = one.report
    live = one.folded.superseded_at is None and not one.folded.closed
    state = words.kind_of(report.spans[-1].label) if report.spans else "connected"
    outlook = _outlook(one, now) if live else None
    return SessionView(
        key=one.key,
        site=one.site,
        stall=one.folded.timeline.stall or "",
        owner_id=one.owner_id,
        state=state,
        sentences=tuple(_sentences(one, state, outlook)) if live else (_left_behind(one),),
        clock=_clock(one, state, outlook, silence) if live else None,
        fee_minor=report.fee_minor,
        currency=report.currency,
        bar=Bar(title_of(one.site, one.folded), report, one.site.tz, moments_of(one.folded), running=live),
        big=words.money(report.fee_minor, report.currency),
        silent_since=silence.heard_at if silence else None,
        ahead=_ahead(one, state, outlook) if live else Markup(),
    )


def _outlook(one: Assessment, now: int) -> Outlook | None:
    """What staying costs a car that is full; none for another."""
    timeline = one.folded.timeline
    if not timeline.car or timeline.car[-1].label != Car.COMPLETE:
        return None
    ahead = rate(_prolonged(timeline, SESSION_TIMEOUT_S), one.tariff, one.context)
    return outlook_at(one.report, ahead, one.tariff, now)


def _prolonged(timeline: Timeline, for_s: int) -> Timeline:
    """The same with nothing new for so long: the car stays as it is, and an open fault stays open."""
    until = timeline.until or 0
    car, excused = list(timeline.car), list(timeline.excused)
    car[-1] = Span(car[-1].start, until + for_s, car[-1].label)
    if excused and excused[-1].end == until:
        excused[-1] = Span(excused[-1].start, until + for_s, excused[-1].label)
    return replace(timeline, until=until + for_s, car=tuple(car), excused=tuple(excused))


def _clock(one: Assessment, state: str, outlook: Outlook | None, silence: Silence | None) -> Clock:
    """Down to when the fee begins, where that is known; else up since the present state began."""
    stands_at = silence.frozen_at if silence else None
    if outlook is not None and outlook.running_since is not None:
        return Clock(outlook.running_since, "up", stands_at)
    if outlook is not None and outlook.charged_from is not None:
        return Clock(outlook.charged_from, "down", stands_at)
    begun = state in {"connected", "charging"}
    return Clock(_ours(one, (one.report.plugged_in_at or 0) if begun else one.report.spans[-1].start), "up", stands_at)


def _sentences(one: Assessment, state: str, outlook: Outlook | None) -> Iterator[Markup]:
    report = one.report
    so_far = words.money(report.fee_minor, report.currency)
    if state == "excused":
        yield _excuse(report.spans[-1].label, words.clock(_ours(one, report.spans[-1].start), one.site.tz))
        if outlook is not None and outlook.charged_from is not None:
            yield _in_time(one, outlook, so_far)
        elif report.fee_minor:
            yield Markup("<strong>{}</strong> so far.").format(so_far)
    elif outlook is None:
        yield _not_full(state, report.fee_minor, so_far)
    elif outlook.running_since is not None:
        yield from _running(one, outlook, so_far)
    elif outlook.charged_from is not None:
        again = " again" if report.fee_minor else ""
        yield Markup("Your car is full{}.").format(again)
        yield _in_time(one, outlook, so_far)
    else:
        costs = Markup("You pay the <strong>{}</strong> so far and no more.").format(so_far)
        yield Markup("Your car is full. {}").format(costs if report.fee_minor else "Nothing to pay.")
        yield Markup("Please move it, so that the next driver can charge.")


def _not_full(state: str, fee_minor: int, so_far: str) -> Markup:
    if state == "connected":
        return Markup("Your car is plugged in. Nothing to pay.")
    if fee_minor:
        return Markup("Your car is charging again. <strong>{}</strong> so far.").format(so_far)
    return Markup("Your car is charging. Nothing to pay.")


def _in_time(one: Assessment, outlook: Outlook, so_far: str) -> Markup:
    by = words.clock(outlook.charged_from or 0, one.site.tz)
    owed = Markup("no more than <strong>{}</strong>").format(so_far) if outlook.so_far_minor else "nothing"
    return Markup("Move it by <strong>{}</strong> and you pay {}.").format(by, owed)


def _running(one: Assessment, outlook: Outlook, so_far: str) -> Iterator[Markup]:
    since = words.clock(outlook.running_since or 0, one.site.tz)
    yield Markup("The idle fee is running: <strong>{}</strong> since {}.").format(_listed_price(one.tariff), since)
    yield Markup("{} so far.").format(so_far)
    if one.report.grace.mode is GraceMode.WAIVE:
        limit = duration(one.report.grace.grace_s)
        yield Markup("Your car stayed longer than {}, so the time counts from its first minute.").format(limit)


def _ahead(one: Assessment, state: str, outlook: Outlook | None) -> Markup:
    """What happens next if the car stays."""
    tariff, grace_s = one.tariff, one.report.grace.grace_s
    if not any(_rates(tariff)):
        return Markup("There is no idle fee here.") if state != "excused" else Markup()
    price, cap = _listed_price(tariff), _at_most(tariff)
    if state in {"connected", "charging"} and not grace_s:
        return Markup("When it is full, the idle fee begins: {}{}.").format(price, cap)
    if state in {"connected", "charging"}:
        minutes = duration(grace_s)
        return Markup("When it is full you have {} to move it; then the idle fee is {}{}.").format(minutes, price, cap)
    if outlook is not None and outlook.running_since is not None and state != "excused":
        return Markup("It runs until you unplug{}.").format(cap)
    if outlook is not None and outlook.charged_from is not None:
        return Markup("After that the idle fee is {}{}.").format(price, cap)
    return Markup()


def _rates(tariff: Tariff) -> tuple[int, ...]:
    return tariff.rate_minor_per_minute, *(tier.rate_minor_per_minute for tier in tariff.tiers)


def _listed_price(tariff: Tariff) -> str:
    lowest, highest = (words.money(of(_rates(tariff)), tariff.currency) for of in (min, max))
    price = f"{highest} a minute" if lowest == highest else f"{lowest} to {highest} a minute (by how full the site is)"
    return f"{price} plus tax" if _tax_on_top(tariff) else price


def _at_most(tariff: Tariff) -> str:
    if tariff.cap_minor is None:
        return ""
    return f", at most {words.money(tariff.cap_minor, tariff.currency)}{' before tax' if _tax_on_top(tariff) else ''}"


def _tax_on_top(tariff: Tariff) -> bool:
    return tariff.tax is not None and not tariff.tax.included


def _excuse(label: str, since: str) -> Markup:
    kind, _, detail = label.removeprefix(EXCUSED).partition(" ")
    if kind == "fault":
        return Markup("The charger has a fault since <strong>{}</strong>. We do not count this time.").format(since)
    if kind == "operator":
        said = Markup("The operator excused the time since <strong>{}</strong>: {}. We do not count it.")
        return said.format(since, detail)
    if kind == "no-fee":
        return Markup("There is no fee at this hour. We do not count the time since <strong>{}</strong>.").format(since)
    return Markup("We have not been able to tell you that your car is full. Until we have, we do not count the time.")


def _left_behind(one: Assessment) -> Markup:
    if one.folded.superseded_at is None:
        return Markup("No word about this stall came for a day, so the session is over. Its fee is being settled.")
    at = words.clock(_ours(one, one.folded.superseded_at), one.site.tz)
    return Markup("The next car came at {}, but no unplug was reported. The fee is settled within a day.").format(at)


def _ours(one: Assessment, at: int) -> int:
    return at + one.report.offset_s
