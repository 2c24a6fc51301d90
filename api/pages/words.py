"""How pages write times, lengths, money and reasons. No rule of the bill, no markup but what a sentence stresses."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from billing.money import format_money
from billing.statements import Month
from billing.texts import comes_twice
from sessions.grace import EXCUSED

LOCALE = "en_US"

STATES = {
    "free": "Free",
    "out_of_service": "Out of service",
    "connected": "Plugged in",
    "charging": "Charging",
    "grace": "Grace",
    "idle": "Idle fee",
    "excused": "Excused",
    "ended": "Ended",
}

EVENTS = {
    "plugged_in": "Plugged in",
    "charging_started": "Charging started",
    "charge_complete": "Charge complete",
    "charging_resumed": "Charging resumed",
    "station_fault": "Fault",
    "station_restored": "Fault over",
    "meter": "Meter reading",
    "unplugged": "Unplugged",
}

IGNORED = {
    "second_plug_in": "the car was plugged in already",
    "before_energy": "no energy had flowed, so there was nothing to complete",
    "second_completion": "the charge was complete already",
    "already_charging": "energy was flowing already",
    "after_unplug": "the car had left",
    "already_open": "this fault was open already",
    "nothing_open": "no such fault was open",
    "before_plug_in": "it came before the plug-in",
    "other_stall": "it concerns another stall",
    "other_session": "it concerns another session",
    "conflict": "this id came with two different contents, so neither is used",
    "voided": "an operator voided it",
}

REVIEW = {
    "id_conflict": "one message id came with two different contents",
    "unplug_before_plug_in": "the unplug is stamped before the plug-in",
    "clock_offsets": "the station's clock moved during the session",
    "above_limit": "the fee is above the tariff's review limit",
    "rise_after_finalisation": "late messages would raise a fee that was final",
    "rise_after_release": "late messages would raise a fee that was released",
}

NOT_BILLABLE = {
    "no_plug_in": "no plug-in was reported",
    "no_completion": "no completed charge was reported",
    "complete_after_unplug": "the charge was reported complete only after the car had left",
}

DECISIONS = {
    "excuse": "Excused",
    "out_of_service": "Out of service",
    "back_in_service": "Back in service",
    "void": "Message voided",
    "claim": "Claimed",
    "waiver": "Waived",
    "release": "Released",
    "reject": "Rejected",
    "rerate": "Priced again",
    "finalised": "Final",
}

PILES = {
    "unclaimed": "Unclaimed",
    "in_review": "In review",
    "not_billable": "Not billable",
    "running": "Running",
    "ended": "Ended",
    "with_fee": "With a fee",
    "free": "Free",
}

PILE_REASONS = {
    "unclaimed": "nobody held the token at the plug-in",
    "in_review": "a person has to decide",
    "not_billable": "the facts allow no fee",
    "running": "the car is plugged in",
    "ended": "the session is over",
    "with_fee": "the session is over, and something of it is posted",
    "free": "the session is over, and cost nothing",
}

ACCOUNTS = {
    "receivable": "Owners owe",
    "revenue": "Revenue",
    "tax": "Tax collected",
    "unclaimed": "Unclaimed fees",
    "deferred": "Deferred until claimed",
    "processor": "At the card processor",
    "processor_fees": "Fees of the card processor",
    "disputed": "Disputed",
    "in_transit": "On its way to the bank",
    "bank": "At the bank",
    "goodwill": "Goodwill",
    "bad_debt": "Bad debt",
    "allowance": "Set aside for bad debt",
    "suspense": "Nobody knows yet",
}


CHANNELS = {
    "email": "e-mail",
    "outbox": "e-mail",  # as a file, for somebody else's program to send
    "push": "push message",
    "webhook": "webhook",
    "chat": "chat",
}


NOTICES = {
    "almost_full": "The car is nearly full",
    "charge_complete": "The car is full",
    "one_minute_left": "One minute left",
    "fee_begun": "The fee has begun",
    "fee_step": "The fee goes on",
    "final": "The session is over",
    "correction": "A fee has changed",
    "payment": "Payments",
    "dispute": "Disputes",
}

LANGUAGES = {"en": "English", "de": "Deutsch"}


REFUNDS = {
    "approved": "On its way back",
    "sent": "On its way back",
    "pending": "On its way back",
    "succeeded": "Paid back",
    "failed": "Could not be paid back: it is your credit",
}


def word(of: dict[str, str], code: str) -> str:
    """The words for a stable code; a code without words of its own is shown as it is, legibly."""
    return of.get(code, code.replace("_", " "))


def local(at: int, zone: ZoneInfo) -> datetime:
    """A moment of ours (UTC seconds) on the wall clock of the site."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone)


def clock(at: int, zone: ZoneInfo) -> str:
    """`14:07`; the minute that has begun, so that a deadline is never announced too late. `02:30 CEST` in the hour that
    a night has twice.
    """
    there = local(at, zone)
    return f"{there:%H:%M %Z}" if comes_twice(there) else f"{there:%H:%M}"


def exact_clock(at: int, zone: ZoneInfo) -> str:
    """`14:07:31`."""
    return format_datetime(local(at, zone), "HH:mm:ss", locale=LOCALE)


def day(at: int, zone: ZoneInfo) -> str:
    """`Aug 10, 2026`."""
    return format_date(local(at, zone).date(), "medium", locale=LOCALE)


NO_PLACE = ZoneInfo("UTC")  # of what happened nowhere: whose local time it was nobody knows


def utc_day(at: int) -> str:
    """The same where no place gives the zone."""
    return day(at, NO_PLACE)


def month(month: Month) -> str:
    """`November 2026`."""
    return format_date(date(month.year, month.month, 1), "LLLL y", locale=LOCALE)


def channel(name: str) -> str:
    """What an owner knows a channel as, whichever of their contacts it is."""
    return word(CHANNELS, name.partition(":")[0])


def moment(at: int, zone: ZoneInfo) -> str:
    """`Aug 10, 2026, 14:07:31`, with the zone's short name, which tells the two hours of a DST night apart."""
    return f"{day(at, zone)}, {exact_clock(at, zone)} {local(at, zone):%Z}"


def minute(at: int, zone: ZoneInfo) -> str:
    """`Aug 10, 2026, 14:07 CEST`; with the second where there is one."""
    return moment(at, zone) if at % 60 else f"{day(at, zone)}, {local(at, zone):%H:%M %Z}"


def machine_time(at: int) -> str:
    """For `<time datetime>` and CSV: ISO 8601 in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def length(seconds: int) -> str:
    """`2 h 10 min`, `4 min 59 s`, `3 d 2 h`: the parts that are not zero, exact below a day and to the hour above."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left_s = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h")] if days else [(hours, "h"), (minutes, "min"), (left_s, "s")]
    return " ".join(f"{number}\u00a0{unit}" for number, unit in parts if number) or "0\u00a0s"


def age(seconds: int) -> str:
    """How long something has waited, in its largest unit: `3 d`, `5 h`, `12 min`, `under a minute`."""
    for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds // unit_s}\u00a0{unit}"
    return "under a minute"


def number(number: int) -> str:
    return format_decimal(number, locale=LOCALE)


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 session`, `2,300 sessions`."""
    return f"{format_decimal(number, locale=LOCALE)} {one if number == 1 else many or one + 's'}"


def money(amount_minor: int, currency: str) -> str:
    return format_money(amount_minor, currency, LOCALE)


def kind_of(label: str) -> str:
    """A span's label without its reason: one of the bar's five states."""
    return "excused" if label.startswith(EXCUSED) else label


def why_excused(label: str) -> str:
    """The reason in a span's label, in words."""
    kind, _, detail = label.removeprefix(EXCUSED).partition(" ")
    if kind == "fault":
        return f"fault of the charger ({word({}, detail.replace('+', ', '))})"
    if kind == "operator":
        return f"excused by the operator: {detail}"
    if kind == "no-fee":
        return "no-fee hours"
    return "no notice had reached the owner"


def plate(text: str) -> str:
    """A number plate as it is compared: capitals and digits, whatever was between them."""
    return "".join(letter for letter in text.upper() if letter.isalnum())
