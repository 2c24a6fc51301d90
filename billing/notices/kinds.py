"""The kinds of notices: their names, why each is written, and which of them wait for nobody's sleep. No words for
owners here, no moment.
"""

ALMOST_FULL, CHARGE_COMPLETE = "almost_full", "charge_complete"
ONE_MINUTE_LEFT, FEE_BEGUN, FEE_STEP = "one_minute_left", "fee_begun", "fee_step"
FINAL, CORRECTION = "final", "correction"
PAYMENT, DISPUTE = "payment", "dispute"

WHY = {
    ALMOST_FULL: "the car is about to be full",
    CHARGE_COMPLETE: "the car is full",
    ONE_MINUTE_LEFT: "the grace period is about to end",
    FEE_BEGUN: "the fee has begun",
    FEE_STEP: "the fee goes on",
    FINAL: "the session has ended",
    CORRECTION: "its fee has changed",
    PAYMENT: "money has moved, or should have",
    DISPUTE: "a charge is disputed",
}
"""Every kind, in the order in which an owner may hear of one session, and the reason it carries."""

KINDS = tuple(WHY)

NEW_DEVICE, ADDRESS_CHANGED = "new_device", "address_changed"

ACCOUNT = {
    NEW_DEVICE: "a device was used that is new to this account",
    ADDRESS_CHANGED: "the e-mail address was changed",
}
"""What is told of an account and of no session, and why: by e-mail and in the inbox, whatever is muted."""

WHILE_QUIET = frozenset({CHARGE_COMPLETE, FEE_BEGUN})
"""What quiet hours do not hold back: the two moments after which waiting costs."""
