"""Who may start no new session with a seller, since when and why. A block follows a warning (`dunning`), ends with the
debt or by finance's word, and changes no bill: a session that starts all the same costs what it costs.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, tuple_, update

from billing.decisions import ReasonMissing
from billing.owners import holder_at, holdings_of
from billing.periods import trail
from billing.store.arrears import blocks
from sessions.sites import Unknown


@dataclass(frozen=True, slots=True)
class Block:
    """`id` is the payment that is missing. Times in UTC seconds."""

    owner_id: str
    id: str
    seller_id: str
    since: int
    why: str
    lifted_at: int | None = None
    lifted_by: str | None = None
    lifted_because: str | None = None


def block(connection: Connection, new: Block) -> None:
    """Let the owner start nothing new with the seller from now on; one that was lifted stands again."""
    here = (blocks.c.owner_id == new.owner_id, blocks.c.id == new.id)
    values = {"since": new.since, "why": new.why, "lifted_at": None, "lifted_by": None, "lifted_because": None}
    if not connection.execute(update(blocks).where(*here).values(**values)).rowcount:
        connection.execute(insert(blocks).values(owner_id=new.owner_id, id=new.id, seller_id=new.seller_id, **values))


def lift(connection: Connection, owner_id: str, id_: str, *, by: str, because: str, now: int) -> Block | None:
    """End one block; answers it, or none where it did not stand."""
    here = (blocks.c.owner_id == owner_id, blocks.c.id == id_, blocks.c.lifted_at.is_(None))
    found = connection.execute(select(blocks).where(*here)).mappings().first()
    if found is None:
        return None
    connection.execute(update(blocks).where(*here).values(lifted_at=now, lifted_by=by, lifted_because=because))
    return Block(**found)


def lift_by_hand(connection: Connection, owner_id: str, id_: str, *, by: str, because: str, now: int) -> Block:
    """The same by somebody of finance, with a reason. Raises `Unknown`, `ReasonMissing`."""
    if not because.strip() or "\0" in because:
        raise ReasonMissing("say why")
    lifted = lift(connection, owner_id, id_, by=by, because=because, now=now)
    if lifted is None:
        raise Unknown("block", f"{owner_id}/{id_}")
    trail.record(connection, author=by, what="block_lifted", subject=f"owner {owner_id}", now=now, reason=because)
    return lifted


def standing(connection: Connection, owner_id: str, seller_id: str | None = None) -> list[Block]:
    """The owner's blocks that stand, oldest first; with a seller, theirs alone."""
    statement = select(blocks).where(blocks.c.owner_id == owner_id, blocks.c.lifted_at.is_(None))
    if seller_id is not None:
        statement = statement.where(blocks.c.seller_id == seller_id)
    return [Block(**row) for row in connection.execute(statement.order_by(blocks.c.since, blocks.c.id)).mappings()]


def blocks_after(connection: Connection, after: tuple[int, str, str] | None, most: int) -> list[Block]:
    """Up to `most` blocks that stand, behind (since, owner, payment), in that order."""
    place: Any = tuple_(blocks.c.since, blocks.c.owner_id, blocks.c.id)
    statement = select(blocks).where(blocks.c.lifted_at.is_(None))
    if after is not None:
        statement = statement.where(place > tuple_(*after))
    ordered = statement.order_by(blocks.c.since, blocks.c.owner_id, blocks.c.id).limit(most)
    return [Block(**row) for row in connection.execute(ordered).mappings()]


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a token may start a session that its owner pays for. `owner_id` none: it stands for nobody."""

    may_charge: bool
    owner_id: str | None
    since: int | None = None


def admission(connection: Connection, token_id: str, seller_id: str, now: int) -> Admission:
    """What holds for a token at a seller's stations now. Nobody is turned away for being unknown: whose a session is
    may be said later.
    """
    owner_id = holder_at(holdings_of(connection, [token_id]).get(token_id, ()), now)
    stands = [] if owner_id is None else standing(connection, owner_id, seller_id)
    return Admission(not stands, owner_id, stands[0].since if stands else None)
