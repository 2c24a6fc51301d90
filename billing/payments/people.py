"""Who may give money back alone, up to how much, and when a second person has to agree.

The limits come from the seller's policy (`billing.invoices.policy`), who somebody is from the door. What one role gave
one owner within a day counts together, so that an amount cannot be split.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from billing.invoices.policy import Policy
from billing.store.payments import credits_given, refunds

FINANCE = "finance"
TOGETHER_S = 24 * 3600


class NotAllowed(Exception):
    """This person may not decide that; the message says who may."""


class Deed(StrEnum):
    """What there are limits for."""

    REFUND = "refund"
    CREDIT = "credit"
    WRITE_OFF = "write_off"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the staff, or the product itself. `author` signs; `also` are the other signatures of the same person,
    who may have several keys and is nobody's second person with any of them.
    """

    author: str
    role: str
    also: frozenset[str] = field(default_factory=frozenset)

    def signed(self, author: str) -> bool:
        """Whether what bears this signature is theirs."""
        return author == self.author or author in self.also


ENGINE = Person("idlefee", "engine")
"""The product, where the seller's policy has decided beforehand: it has no limit of its own."""


def alone(policy: Policy, person: Person, deed: Deed, amount_minor: int, given_minor: int) -> bool:
    """Whether `person` decides about the amount alone; False: a second person has to. `given_minor` is what the same
    role gave the same owner lately. Raises `NotAllowed` above what the role may ask for at all.
    """
    if person is ENGINE:
        return True
    limits = policy.limits.of(person.role)
    most = {Deed.REFUND: limits.refund_minor, Deed.CREDIT: limits.credit_minor, Deed.WRITE_OFF: limits.write_off_minor}
    if amount_minor + given_minor > most[deed]:
        said = f"{person.role} may give up to {most[deed]} minor units as a {deed.value.replace('_', '-')}"
        before = f", and {given_minor} were given to this owner within a day" if given_minor else ""
        raise NotAllowed(f"{said}{before}: ask for less, or somebody whose limit is higher")
    return amount_minor + given_minor <= limits.alone_minor


def check_second(policy: Policy, person: Person, deed: Deed, amount_minor: int, asked_by: str) -> None:
    """Raises `NotAllowed` unless `person` may approve what `asked_by` asked for."""
    check_finance(person)
    if person.signed(asked_by):
        raise NotAllowed("who asked for it cannot approve it: another person of finance has to")
    alone(policy, person, deed, amount_minor, 0)


def check_refuses(person: Person, asked_by: str) -> None:
    """Raises `NotAllowed` unless `person` may refuse what `asked_by` asked for, or take it back."""
    if not person.signed(asked_by):
        check_finance(person)


def check_finance(person: Person) -> None:
    """Raises `NotAllowed` for anybody else."""
    if person.role != FINANCE:
        raise NotAllowed("finance decides about that")


def given_lately(connection: Connection, owner_id: str, currency: str, deed: Deed, person: Person, now: int) -> int:
    """What the person's role gave this owner, or asked for, within `TOGETHER_S` before now; minor units."""
    rows: Any = refunds.c if deed is Deed.REFUND else credits_given.c
    statement = select(func.coalesce(func.sum(rows.amount_minor), 0)).where(
        rows.owner_id == owner_id,
        rows.currency == currency,
        rows.asked_by.startswith(f"{person.role}:", autoescape=True),
        rows.asked_at > now - TOGETHER_S,
        rows.state != "refused",
    )
    if deed is not Deed.REFUND:
        statement = statement.where(rows.kind == deed.value)
    return int(connection.execute(statement).scalar_one())
