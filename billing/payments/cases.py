"""A payment that did not come, as `arrears` keeps it: reading, writing and listing. What follows is `dunning`'s."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select, tuple_, update

from billing.jobs import Job, schedule
from billing.payments.course import Place, Stage
from billing.payments.seen import LOOK_AT_ARREARS
from billing.store.arrears import arrears


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A payment that did not come, as `arrears` keeps it. Times in UTC seconds."""

    owner_id: str
    payment_id: str
    seller_id: str
    currency: str
    amount_minor: int
    stage: str
    step: int
    told: int
    opened_at: int
    next_at: int | None
    frozen_at: int | None = None
    frozen_because: str | None = None
    ended_at: int | None = None
    ended_because: str | None = None
    changed_at: int

    @property
    def place(self) -> Place:
        return Place(Stage(self.stage), self.step, self.next_at)


def case_of(connection: Connection, owner_id: str, payment_id: str) -> Case | None:
    found = connection.execute(select(arrears).where(*named(owner_id, payment_id))).mappings().first()
    return None if found is None else Case(**found)


def open_cases(connection: Connection, owner_id: str, seller_id: str) -> list[Case]:
    theirs = (arrears.c.owner_id == owner_id, arrears.c.seller_id == seller_id, arrears.c.ended_at.is_(None))
    found = connection.execute(select(arrears).where(*theirs).order_by(arrears.c.opened_at, arrears.c.payment_id))
    return [Case(**row) for row in found.mappings()]


def look_at_all_of(connection: Connection, owner_id: str, seller_id: str, now: int) -> None:
    """What the owner owes the seller has fallen by other means than a card: their open cases are looked at soon."""
    found = open_cases(connection, owner_id, seller_id)
    body = [{"owner_id": owner_id, "payment_id": case.payment_id} for case in found]
    steps = [Job(f"{LOOK_AT_ARREARS}:{owner_id}:{one['payment_id']}", LOOK_AT_ARREARS, now, one) for one in body]
    schedule(connection, steps, now)


def arrears_after(
    connection: Connection, after: tuple[int, str, str] | None, most: int, stage: Stage | None = None
) -> list[Case]:
    """Up to `most` cases that are not over, behind (opened, owner, payment), oldest first; of one stage or of all."""
    columns = (arrears.c.opened_at, arrears.c.owner_id, arrears.c.payment_id)
    statement = select(arrears).where(arrears.c.ended_at.is_(None))
    if stage is not None:
        statement = statement.where(arrears.c.stage == stage.value)
    if after is not None:
        statement = statement.where(tuple_(*columns) > tuple_(*after))
    return [Case(**row) for row in connection.execute(statement.order_by(*columns).limit(most)).mappings()]


def change_case(connection: Connection, case: Case, now: int, **values: Any) -> Case:
    changed: Mapping[str, Any] = {**values, "changed_at": now}
    connection.execute(update(arrears).where(*named(case.owner_id, case.payment_id)).values(**changed))
    return replace(case, **changed)


def named(owner_id: str, payment_id: str) -> Any:
    return (arrears.c.owner_id == owner_id, arrears.c.payment_id == payment_id)
