"""Credits and write-offs: what an owner is let off without a fee being wrong. Asked for with a code and a reason,
posted at once within a limit, or once a second person has agreed.

A write-off uses up what is provided for (`provisions`), the rest is bad debt; it is taken back as soon as the debt is
paid after all. Rows say where each stands, the books converge on them (`books_of`). Who may knock, the doors know.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from billing.decisions import AmountTooSmall, ReasonMissing
from billing.invoices.policy import policy_of
from billing.invoices.sides import Side
from billing.ledger import Account, Line, Subject, converge, owner_balances
from billing.owners import owner
from billing.payments import people
from billing.payments.cases import look_at_all_of
from billing.payments.collecting import collect_what_stands_again
from billing.payments.locks import lock_owner
from billing.payments.people import Deed, Person
from billing.payments.provisions import lock_seller, provided_minor
from billing.periods import trail
from billing.store.payments import credits_given
from sessions.facts import KeyReused
from sessions.sites import Unknown
from sessions.store.tables import sellers


class Code(StrEnum):
    """Why an owner is let off."""

    GOODWILL = "goodwill"
    OUR_MISTAKE = "our_mistake"
    STATION_TROUBLE = "station_trouble"
    UNCOLLECTIBLE = "uncollectible"
    INSOLVENT = "insolvent"
    TOO_SMALL = "too_small"
    DUNNING_ENDED = "dunning_ended"


CODES = {
    Deed.CREDIT: frozenset({Code.GOODWILL, Code.OUR_MISTAKE, Code.STATION_TROUBLE}),
    Deed.WRITE_OFF: frozenset({Code.UNCOLLECTIBLE, Code.INSOLVENT, Code.TOO_SMALL, Code.DUNNING_ENDED}),
}

State = Literal["asked", "posted", "refused", "reversed"]
ASKED, POSTED, REFUSED, REVERSED = "asked", "posted", "refused", "reversed"


class NothingOwed(Exception):
    """More would be written off than the owner owes the seller in this currency."""


class AlreadyDecided(Exception):
    """What was asked for was approved or refused before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A credit or a write-off as `credits_given` keeps it. Amounts in minor units, times in UTC seconds."""

    owner_id: str
    id: str
    seller_id: str
    currency: str
    kind: str
    amount_minor: int
    allowance_minor: int
    about: str | None
    reason_code: str
    reason: str
    state: State
    asked_by: str
    asked_at: int
    decided_by: str | None
    decided_at: int | None
    decided_because: str | None

    @property
    def subject(self) -> Subject:
        return Subject(self.owner_id, f"{self.kind} {self.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asks for. `about` names what it is for: `payment …`, `refund …`."""

    owner_id: str
    seller_id: str
    currency: str
    deed: Deed
    amount_minor: int
    code: Code
    reason: str
    about: str | None = None


def books_of(given: Given) -> dict[Line, int]:
    """Where it should stand in the accounts' book; nowhere unless it is posted."""
    if given.state != POSTED:
        return {}
    seller_id, currency = given.seller_id, given.currency
    provided, rest = given.allowance_minor, given.amount_minor - given.allowance_minor
    against = Account.GOODWILL if given.kind == Deed.CREDIT else Account.BAD_DEBT
    lines = {
        Line(Account.ALLOWANCE, None, seller_id, currency, None): provided,
        Line(against, None, seller_id, currency, None): rest,
        Line(Account.RECEIVABLE, given.owner_id, seller_id, currency, None): -given.amount_minor,
    }
    return {line: amount for line, amount in lines.items() if amount}


def ask(connection: Connection, wanted: Wanted, by: Person, now: int, *, key: str | None = None) -> tuple[Given, bool]:
    """Ask for a credit or a write-off; it is posted at once where `by` decides alone.

    Answers it, and whether the same was asked under the same `key` before. Raises `NotAllowed`, `NothingOwed`,
    `AmountTooSmall`, `ReasonMissing`, `OwnerUnknown`, `Unknown`, `KeyReused`.
    """
    _check(connection, wanted)
    lock_owner(connection, wanted.owner_id)
    id_ = _id(connection, wanted, key)
    if (before := _row(connection, wanted.owner_id, id_)) is not None:
        if _asked(before) != _asked(wanted):
            raise KeyReused(str(key))
        return before, True
    _check_owed(connection, wanted)
    lately = people.given_lately(connection, wanted.owner_id, wanted.currency, wanted.deed, by, now)
    policy = policy_of(connection, wanted.seller_id)
    at_once = people.alone(policy, by, wanted.deed, wanted.amount_minor, lately)
    values = {
        "owner_id": wanted.owner_id,
        "id": id_,
        "seller_id": wanted.seller_id,
        "currency": wanted.currency,
        "kind": wanted.deed.value,
        "amount_minor": wanted.amount_minor,
        "about": wanted.about,
        "reason_code": wanted.code.value,
        "reason": wanted.reason.strip(),
        "state": ASKED,
        "asked_by": by.author,
        "asked_at": now,
    }
    connection.execute(insert(credits_given).values(**values))
    if at_once:
        return _posted(connection, wanted.owner_id, id_, by.author, None, now), False
    return _known(connection, wanted.owner_id, id_), False


def approve(connection: Connection, owner_id: str, id_: str, by: Person, reason: str, now: int) -> Given:
    """Post what was asked for. Raises `NotAllowed` unless `by` is a second person of finance, `AlreadyDecided`,
    `NothingOwed` if the debt is gone meanwhile, `Unknown`.
    """
    lock_owner(connection, owner_id)
    given = _open(connection, owner_id, id_)
    deed = Deed(given.kind)
    people.check_second(policy_of(connection, given.seller_id), by, deed, given.amount_minor, given.asked_by)
    _check_owed(connection, given)
    return _posted(connection, owner_id, id_, by.author, _reason(reason), now)


def refuse(connection: Connection, owner_id: str, id_: str, by: Person, reason: str, now: int) -> Given:
    """It is not given, and the reason says why: by finance, or by who asked. Raises `NotAllowed`, `AlreadyDecided`,
    `Unknown`.
    """
    lock_owner(connection, owner_id)
    people.check_refuses(by, _open(connection, owner_id, id_).asked_by)
    return _decided(connection, owner_id, id_, REFUSED, by.author, _reason(reason), now)


def take_back(connection: Connection, owner_id: str, id_: str, by: Person, reason: str, now: int) -> Given:
    """What was given was a mistake, or a debt written off is paid after all: it stands again, by a new transfer.

    Raises `NotAllowed` for anybody but finance, `AlreadyDecided` for what is not posted, `Unknown`.
    """
    lock_owner(connection, owner_id)
    given = _known(connection, owner_id, id_)
    people.check_finance(by)
    if given.state != POSTED:
        raise AlreadyDecided(f"{given.kind.replace('_', '-')} {id_} is {given.state}")
    done = _reversed(connection, given, by.author, _reason(reason), now)
    collect_what_stands_again(connection, Side(owner_id, given.seller_id, given.currency), now)
    return done


def _reversed(connection: Connection, given: Given, author: str, reason: str, now: int) -> Given:
    connection.execute(update(credits_given).where(*_named(given.owner_id, given.id)).values(state=REVERSED))
    if author != people.ENGINE.author:
        subject = f"{given.kind} {given.id}"
        trail.record(
            connection, author=author, what=f"{given.kind}_taken_back", subject=subject, now=now, reason=reason
        )
    done = _known(connection, given.owner_id, given.id)
    converge(connection, done.subject, books_of(done), f"taken back: {reason}", now)
    return done


def reverse_what_is_paid(
    connection: Connection, owner_id: str, seller_id: str, currency: str, paid_minor: int, now: int
) -> None:
    """The same where it was paid by other means than the card that failed: each write-off that this payment covers as a
    whole, the oldest first. What it covers in part is left to a person. Caller holds the owner's lock.
    """
    owed = owner_balances(connection, owner_id).get((seller_id, currency), 0)
    left = min(paid_minor, -owed)
    wanted = select(credits_given).where(
        credits_given.c.owner_id == owner_id,
        credits_given.c.seller_id == seller_id,
        credits_given.c.currency == currency,
        credits_given.c.kind == Deed.WRITE_OFF.value,
        credits_given.c.state == POSTED,
    )
    oldest = wanted.order_by(credits_given.c.asked_at, credits_given.c.id)
    for given in [given_from_row(row) for row in connection.execute(oldest).mappings().all()]:
        if given.amount_minor <= left:
            left -= given.amount_minor
            _reversed(connection, given, people.ENGINE.author, "paid after all", now)


def reverse_write_off(connection: Connection, owner_id: str, about: str, reason: str, now: int) -> bool:
    """The debt that was written off is paid after all: it stands again, for the payment to settle. Caller holds the
    owner's lock. False if nothing of it was written off.
    """
    wanted = select(credits_given.c.id).where(
        credits_given.c.owner_id == owner_id,
        credits_given.c.about == about,
        credits_given.c.kind == Deed.WRITE_OFF.value,
        credits_given.c.state == POSTED,
    )
    found = connection.execute(wanted).scalars().all()
    for id_ in found:
        _reversed(connection, _known(connection, owner_id, id_), people.ENGINE.author, reason, now)
    return bool(found)


# -- one step each ------------------------------------------------------------------------------------------


def _posted(connection: Connection, owner_id: str, id_: str, author: str, because: str | None, now: int) -> Given:
    given = _known(connection, owner_id, id_)
    if given.kind == Deed.WRITE_OFF:
        lock_seller(connection, given.seller_id)
        left = max(0, provided_minor(connection, given.seller_id, given.currency))
        uses = {"allowance_minor": min(given.amount_minor, left)}
        connection.execute(update(credits_given).where(*_named(owner_id, id_)).values(**uses))
    done = _decided(connection, owner_id, id_, POSTED, author, because, now)
    converge(connection, done.subject, books_of(done), f"{done.kind.replace('_', ' ')}: {done.reason}", now)
    look_at_all_of(connection, owner_id, done.seller_id, now)
    return done


def _decided(
    connection: Connection, owner_id: str, id_: str, state: str, author: str, because: str | None, now: int
) -> Given:
    values = {"state": state, "decided_by": author, "decided_at": now, "decided_because": because}
    connection.execute(update(credits_given).where(*_named(owner_id, id_)).values(**values))
    return _known(connection, owner_id, id_)


def _check(connection: Connection, wanted: Wanted) -> None:
    owner(connection, wanted.owner_id)
    if connection.execute(select(sellers.c.id).where(sellers.c.id == wanted.seller_id)).first() is None:
        raise Unknown("seller", wanted.seller_id)
    if wanted.amount_minor <= 0:
        raise AmountTooSmall(str(wanted.amount_minor))
    if wanted.code not in CODES[wanted.deed]:
        raise ReasonMissing(f"a {wanted.deed} is given for one of {', '.join(sorted(CODES[wanted.deed]))}")
    _reason(wanted.reason)


def _check_owed(connection: Connection, wanted: Wanted | Given) -> None:
    """Nobody is let off a debt they do not have; a credit beyond it is theirs to use."""
    deed = wanted.deed if isinstance(wanted, Wanted) else Deed(wanted.kind)
    if deed is Deed.WRITE_OFF:
        owed = owner_balances(connection, wanted.owner_id).get((wanted.seller_id, wanted.currency), 0)
        if owed < wanted.amount_minor:
            raise NothingOwed(f"{wanted.owner_id} owes {wanted.seller_id} {max(0, owed)} minor units, no more")


def _reason(reason: str) -> str:
    if not reason.strip() or "\0" in reason:
        raise ReasonMissing("say why: the reason is shown to the owner")
    return reason.strip()


def _id(connection: Connection, wanted: Wanted, key: str | None) -> str:
    """The name of what is asked for: the same key, the same name; without one, one more of the owner's."""
    there = select(func.count()).where(credits_given.c.owner_id == wanted.owner_id)
    said = key or f"#{connection.execute(there).scalar_one() + 1}"
    return "crd_" + hashlib.blake2b(f"{wanted.owner_id}\0{said}".encode(), digest_size=12).hexdigest()


def _asked(what: Wanted | Given) -> tuple[object, ...]:
    """What makes two requests the same."""
    kind, code = (what.deed.value, what.code.value) if isinstance(what, Wanted) else (what.kind, what.reason_code)
    return kind, code, what.seller_id, what.currency, what.amount_minor, what.reason.strip(), what.about


def _named(owner_id: str, id_: str) -> Any:
    return (credits_given.c.owner_id == owner_id, credits_given.c.id == id_)


def given_from_row(row: Mapping[Any, Any]) -> Given:
    return Given(**row)


def _row(connection: Connection, owner_id: str, id_: str) -> Given | None:
    found = connection.execute(select(credits_given).where(*_named(owner_id, id_))).mappings().first()
    return None if found is None else given_from_row(found)


def _known(connection: Connection, owner_id: str, id_: str) -> Given:
    found = _row(connection, owner_id, id_)
    if found is None:
        raise Unknown("credit", id_)
    return found


def _open(connection: Connection, owner_id: str, id_: str) -> Given:
    given = _known(connection, owner_id, id_)
    if given.state != ASKED:
        raise AlreadyDecided(f"{given.kind.replace('_', '-')} {id_} is {given.state} already")
    return given
