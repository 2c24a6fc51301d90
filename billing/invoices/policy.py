"""What a seller decides about collecting: when an invoice is issued, how often a failed payment is tried again, what
follows when nothing helped, and who may give how much back.

Each decision is a new version with its author and reason; the newest holds, for whatever is done from then on. What was
issued under an older one stays as it is, what was carried is looked at again (`waking`). Nothing is issued here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from sqlalchemy import Connection, insert, select

from billing import forms
from billing.decisions import ReasonMissing
from billing.invoices.waking import wake_later
from billing.money import is_currency
from billing.payments.amounts import minimum_minor
from billing.store.invoices import seller_policies
from sessions.registry import seller
from sessions.statements import for_update, one_of
from sessions.store.tables import sellers

_Amount = Annotated[int, Field(ge=0, le=10**15)]
_Days = Annotated[int, Field(ge=1, le=365)]
_Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,15}$")]

_STRICT = ConfigDict(frozen=True, strict=True, extra="forbid")

CREDIT_NOTES = "-C"  # behind a seller's prefix: the series of its credit notes


class PolicyFaults(forms.Faults):
    """All that is wrong with a policy: (where, what) for each fault."""


class Dunning(BaseModel):
    """What happens when a payment fails. Days count from the first failure."""

    model_config = _STRICT

    retry_days: Annotated[tuple[_Days, ...], Field(max_length=12)] = (1, 3, 7)
    last_step: Literal["block", "hand_over", "write_off"] = "block"
    last_step_days: _Days = 14  # the owner hears of it with the last try

    @field_validator("retry_days")
    @classmethod
    def _ascend(cls, days: tuple[int, ...]) -> tuple[int, ...]:
        if days != tuple(sorted(set(days))):
            raise ValueError("must be in ascending order, each once")
        return days

    @model_validator(mode="after")
    def _last_comes_last(self) -> Self:
        if self.retry_days and self.last_step_days <= self.retry_days[-1]:
            raise ValueError("last_step_days must be later than the last of retry_days")
        return self


class RoleLimits(BaseModel):
    """What one role may give back at once, in minor units of whatever currency: 50_00 is $50.00, ¥5,000, JOD 5.000.

    Up to `alone_minor` by itself; above it a second person of finance approves.
    """

    model_config = _STRICT

    refund_minor: _Amount
    credit_minor: _Amount
    write_off_minor: _Amount
    alone_minor: _Amount


_NOTHING = RoleLimits(refund_minor=0, credit_minor=0, write_off_minor=0, alone_minor=0)


class Limits(BaseModel):
    """Limits by role. Nobody else gives money back."""

    model_config = _STRICT

    support: RoleLimits = RoleLimits(refund_minor=50_00, credit_minor=20_00, write_off_minor=0, alone_minor=20_00)
    finance: RoleLimits = RoleLimits(
        refund_minor=5_000_00, credit_minor=1_000_00, write_off_minor=5_000_00, alone_minor=200_00
    )

    def of(self, role: str) -> RoleLimits:
        """What a role may: `support`, `finance`; any other nothing."""
        return {"support": self.support, "finance": self.finance}.get(role, _NOTHING)


class Policy(BaseModel):
    """One version of a seller's policy."""

    model_config = _STRICT

    invoice_at: Literal["session_end", "daily", "monthly"] = "session_end"  # days and months in the seller's zone
    prefix: _Prefix | None = None  # of invoice numbers; none: the seller's id in capitals
    minimum_minor: Mapping[str, Annotated[int, Field(ge=1, le=10**15)]] = Field(default_factory=dict)
    return_credit_days: _Days | None = 90  # credit that nothing used up so long goes back; none: it stays
    close_after_days: _Days | None = None  # months close by themselves so long after their end; none: somebody does
    dunning: Dunning = Dunning()
    limits: Limits = Limits()

    @field_validator("prefix")
    @classmethod
    def _not_of_credit_notes(cls, prefix: str | None) -> str | None:
        if prefix is not None and (prefix.endswith(("-", CREDIT_NOTES))):
            raise ValueError(f"must not end in - or {CREDIT_NOTES}: that is how credit notes are called")
        return prefix

    @field_validator("minimum_minor")
    @classmethod
    def _currencies_exist(cls, minimum: Mapping[str, int]) -> Mapping[str, int]:
        if unknown := sorted(code for code in minimum if not is_currency(code)):
            raise ValueError(f"{unknown[0]!r} is no ISO 4217 currency such as USD")
        if low := sorted(code for code, least in minimum.items() if least < minimum_minor(code)):
            raise ValueError(f"{low[0]} must be at least {minimum_minor(low[0])}: less is not collected by card")
        return minimum

    def least_minor(self, currency: str) -> int:
        """Less than this is not asked for, but carried to the next invoice; minor units."""
        return max(self.minimum_minor.get(currency, 0), minimum_minor(currency))

    def prefix_of(self, seller_id: str) -> str:
        """What the names of the seller's invoices begin with."""
        made = re.sub(r"[^A-Z0-9]+", "-", seller_id.upper()).strip("-")[:16].strip("-").removesuffix(CREDIT_NOTES)
        return self.prefix or made or "S"


DEFAULT = Policy()


@dataclass(frozen=True, slots=True)
class Version:
    """A policy as it was decided. `n` counts a seller's from 1; 0 is what holds where nobody decided."""

    seller_id: str
    n: int
    policy: Policy
    recorded_at: int
    author: str
    reason: str


def load_policy(text: str) -> Policy:
    """A policy from TOML. Raises `PolicyFaults`."""
    return forms.from_toml(Policy, text, "policy", PolicyFaults)


def policy_from_json(text: str | bytes) -> Policy:
    """A policy from JSON. Raises `PolicyFaults`."""
    return forms.from_json(Policy, text, "policy", PolicyFaults)


def policy_of(connection: Connection, seller_id: str) -> Policy:
    """What holds for a seller now."""
    return policies_of(connection, [seller_id]).get(seller_id, DEFAULT)


def policies_of(connection: Connection, seller_ids: Collection[str]) -> dict[str, Policy]:
    """The same of several; those that decided nothing are left out."""
    columns = seller_policies.c
    statement = select(columns.seller_id, columns.body).where(one_of(connection, columns.seller_id, seller_ids))
    return {row.seller_id: policy_from_json(row.body) for row in connection.execute(statement.order_by(columns.n))}


def versions_of(connection: Connection, seller_id: str) -> list[Version]:
    """Every decision of a seller, newest first. Raises `Unknown`."""
    seller(connection, seller_id)
    statement = select(seller_policies).where(seller_policies.c.seller_id == seller_id)
    return [
        Version(seller_id, row.n, policy_from_json(row.body), row.recorded_at, row.author, row.reason)
        for row in connection.execute(statement.order_by(seller_policies.c.n.desc()))
    ]


def decide(connection: Connection, seller_id: str, policy: Policy, *, author: str, reason: str, now: int) -> Version:
    """Let a policy hold from now on; the one that holds already adds nothing.

    Raises `Unknown`, `ReasonMissing`.
    """
    if not reason.strip():
        raise ReasonMissing("a decision states its reason")
    connection.execute(for_update(select(sellers.c.id).where(sellers.c.id == seller_id)))
    known = versions_of(connection, seller_id)
    if known and known[0].policy == policy:
        return known[0]
    made = Version(seller_id, known[0].n + 1 if known else 1, policy, now, author, reason)
    connection.execute(
        insert(seller_policies).values(
            seller_id=seller_id,
            n=made.n,
            body=policy.model_dump_json(),
            recorded_at=now,
            author=author,
            reason=reason,
        )
    )
    wake_later(connection, seller_id, now)
    return made
