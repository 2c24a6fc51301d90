"""What people decide about sessions, each with an author and a reason: recorded as a fact, then settled, in one
transaction.

Who may decide what is the doors' business (`api`). Every function runs in the caller's write transaction. One that is
given a `request_key` records once under it: the same again raises `AlreadyRecorded`, something else `KeyReused`.

`fees` decides about a session, `places` about where it stood, and `recording` is what they share.
"""

from billing.decisions.fees import (
    LOOK_AGAIN,
    AmountTooSmall,
    NothingToDecide,
    claim,
    order_rerate,
    reject,
    release,
    session_key,
    token_cause,
    token_given,
    waive,
)
from billing.decisions.places import (
    InService,
    back_in_service,
    excuse,
    excuse_cause,
    out_of_service,
    stall_added,
    void_event,
    voided,
)
from billing.decisions.recording import (
    EmptyInterval,
    ReasonMissing,
)

__all__ = [
    "LOOK_AGAIN",
    "AmountTooSmall",
    "EmptyInterval",
    "InService",
    "NothingToDecide",
    "ReasonMissing",
    "back_in_service",
    "claim",
    "excuse",
    "excuse_cause",
    "order_rerate",
    "out_of_service",
    "reject",
    "release",
    "session_key",
    "stall_added",
    "token_cause",
    "token_given",
    "void_event",
    "voided",
    "waive",
]
