"""The course of dunning: what follows when a payment does not come, and when. Pure: days count from the first failure,
the days themselves are the seller's policy.

A try that the bank refused for good is not repeated with the same card; such a day brings a reminder. After the last
day the owner is warned, and only then comes the last step.
"""

from enum import StrEnum
from typing import NamedTuple

from billing.invoices.policy import Dunning

DAY_S = 24 * 3600
HEARD_WITHIN_S = DAY_S  # so long after the last try its outcome may stay away

# Refused for good: the bank would say the same to the same card again (Stripe, "Smart Retries": hard decline codes;
# "Decline codes" for the rest), or wants the owner there, who has a link.
HARD = frozenset(
    {
        *("incorrect_number", "lost_card", "pickup_card", "stolen_card", "highest_risk_level"),
        *("revocation_of_authorization", "revocation_of_all_authorizations", "stop_payment_order"),
        *("authentication_required", "transaction_not_allowed", "expired_card", "invalid_account", "fraudulent"),
        *("restricted_card", "card_not_supported", "currency_not_supported", "do_not_try_again", "merchant_blacklist"),
        *("security_violation", "service_not_allowed", "new_account_information_available", "invalid_number"),
    }
)


class Stage(StrEnum):
    """How far it came."""

    TRYING = "trying"
    WARNED = "warned"
    BLOCKED = "blocked"
    HANDED_OVER = "handed_over"
    WRITTEN_OFF = "written_off"
    ENDED = "ended"


class What(StrEnum):
    """What follows by itself."""

    TRY = "try"
    REMIND = "remind"
    WARN = "warn"
    LAST_STEP = "last_step"


class Place(NamedTuple):
    """Where a payment that did not come stands: how many days of the schedule are over, and when the next thing is
    due, in UTC seconds.
    """

    stage: Stage
    step: int
    next_at: int | None


AFTER = {"block": Stage.BLOCKED, "hand_over": Stage.HANDED_OVER, "write_off": Stage.WRITTEN_OFF}


def hard(code: str | None) -> bool:
    """Whether the bank would say the same again."""
    return code in HARD


def begin(dunning: Dunning, now: int) -> Place:
    """A payment has failed for the first time."""
    days = dunning.retry_days
    return Place(Stage.TRYING, 0, now + days[0] * DAY_S if days else now)


def due(place: Place, dunning: Dunning, *, retryable: bool) -> What | None:
    """What is to be done now that `next_at` has come; none: nothing follows by itself."""
    match place.stage:
        case Stage.TRYING if place.step >= len(dunning.retry_days):
            return What.WARN
        case Stage.TRYING if retryable:
            return What.TRY
        case Stage.TRYING:
            return What.REMIND if place.step + 1 < len(dunning.retry_days) else What.WARN
        case Stage.WARNED:
            return What.LAST_STEP
    return None


def after(place: Place, what: What, dunning: Dunning, now: int) -> Place:
    """Where it stands once that is done. What comes late makes what follows late as well: nobody's time is cut."""
    days = dunning.retry_days
    match what:
        case What.WARN:
            notice_s = (dunning.last_step_days - (days[-1] if days else 0)) * DAY_S
            return Place(Stage.WARNED, len(days), now + notice_s)
        case What.LAST_STEP:
            return Place(AFTER[dunning.last_step], place.step, None)
    step = place.step + 1
    wait_s = (days[step] - days[step - 1]) * DAY_S if step < len(days) else HEARD_WITHIN_S
    return Place(place.stage, step, now + wait_s)
