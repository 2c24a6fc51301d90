"""Is each session what its events tell, and each charge what the facts cost? Both as of when they were written."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Text, and_, select

from billing.assignments import assignments_of
from billing.ledger import Balances
from billing.settle import Charge, assess, books_of, charge_for, charges_of
from billing.verify.differences import Code, Difference, amount, each
from sessions.folding import Folded, fold_sessions, snapshot_of
from sessions.sites import sites_by_id
from sessions.statements import keys_of
from sessions.store.queries import SESSION_COLUMNS, SessionKey
from sessions.store.tables import sessions

# What a charge says of the bill. `settlements` and the moments it was looked at are the books' side of it.
_OF_THE_BILL = (
    "owner_id",
    "seller_id",
    "tariff",
    "tariff_version",
    "rules_version",
    "currency",
    "computed_minor",
    "allowed_minor",
    "waived_minor",
    "fee_minor",
    "tax_minor",
    "held",
    "decision",
    "finalised_at",
)


@dataclass(frozen=True, slots=True)
class Bills:
    """What came out for some sessions: their charges as stored, where the facts put them in the books, what differs."""

    charges: Mapping[SessionKey, Charge]
    books: Mapping[SessionKey, Balances]  # of every charge that could be computed again
    differences: Sequence[Difference]


def bills(connection: Connection, keys: Sequence[SessionKey], now: int) -> Bills:
    """Fold, price and let through again what is stored for `keys`."""
    snapshots, charges = _snapshots(connection, keys), charges_of(connection, keys)
    asked = {(key, row[SESSION_COLUMNS.index("folded_at")]) for key, row in snapshots.items()}
    asked |= {(key, charge.assessed_at) for key, charge in charges.items()}
    folds = _folds(connection, asked | {(key, now) for key in keys if key not in snapshots})
    assessable, homeless = _assessable(connection, charges)
    assessed = assess(connection, [folds[key, charge.assessed_at] for key, charge in assessable.items()], now, charges)
    # As settling once more would leave it: what posts while something is in doubt depends on what stood before.
    computed = {one.key: charge_for(one, charges[one.key], charges[one.key].assessed_at) for one in assessed}
    differences = [
        *(found for key in keys for found in _snapshot_differences(key, snapshots.get(key), folds)),
        *homeless,
        *_missing_charges(snapshots, charges),
        *(found for key, charge in computed.items() for found in _charge_differences(charges[key], charge)),
    ]
    books = {one.key: books_of(computed[one.key], one.tariff) for one in assessed}
    return Bills(charges, books, differences)


def together(several: Iterable[Bills]) -> Bills:
    """The bills of several lots of sessions as one."""
    charges: dict[SessionKey, Charge] = {}
    books: dict[SessionKey, Balances] = {}
    differences: list[Difference] = []
    for one in several:
        charges |= one.charges
        books |= one.books
        differences += one.differences
    return Bills(charges, books, differences)


Folds = Mapping[tuple[SessionKey, int], Folded]


def _folds(connection: Connection, asked: set[tuple[SessionKey, int]]) -> Folds:
    """Each session as of each moment asked about. Only where no unplug is known does the moment matter."""
    keys = {key for key, _ in asked}
    found = {one.key: one for one in fold_sessions(connection, keys, max((at for _, at in asked), default=0))}
    folds = {(key, at): replace(found[key], folded_at=at) for key, at in asked}
    unended: dict[int, set[SessionKey]] = defaultdict(set)
    for key, at in asked:
        if found[key].timeline.ended_at is None:
            unended[at].add(key)
    for at, some in unended.items():
        folds |= {(one.key, at): one for one in fold_sessions(connection, some, at)}
    return folds


def _snapshots(connection: Connection, keys: Sequence[SessionKey]) -> dict[SessionKey, tuple[Any, ...]]:
    wanted = keys_of(connection, "wanted", (("site_id", Text()), ("id", Text())), keys)
    statement = select(sessions).join(
        wanted, and_(sessions.c.site_id == wanted.c.site_id, sessions.c.id == wanted.c.id)
    )
    return {SessionKey(row.site_id, row.id): tuple(row) for row in connection.execute(statement)}


def _snapshot_differences(key: SessionKey, stored: tuple[Any, ...] | None, folds: Folds) -> Iterator[Difference]:
    if stored is None:
        yield Difference(
            Code.SNAPSHOT_MISSING,
            f"session {key.id}",
            "stored events, a charge or a transfer name it, but the session itself is not there: no page shows it",
        )
        return
    computed = snapshot_of(folds[key, stored[SESSION_COLUMNS.index("folded_at")]])
    if stored != computed:
        differing = each(
            (name, was, is_) for name, was, is_ in zip(SESSION_COLUMNS, stored, computed, strict=True) if was != is_
        )
        meaning = f"what is kept of it is not what its events tell: {differing}"
        yield Difference(Code.SNAPSHOT_DIFFERS, f"session {key.id}", meaning)


def _assessable(
    connection: Connection, charges: Mapping[SessionKey, Charge]
) -> tuple[dict[SessionKey, Charge], list[Difference]]:
    """The charges whose site and tariffs are there to price by, and what is said of the others."""
    site_ids = sorted({key.site_id for key in charges})
    known = sites_by_id(connection, site_ids)
    assigned = assignments_of(connection, site_ids)
    priced = {site_id for site_id in known if any(not one.valid_from for one in assigned.get(site_id, ()))}
    homeless = [
        Difference(
            Code.NO_TARIFF,
            f"session {key.id}",
            f"it has a charge, but site {key.site_id} or its first tariff is not there: nothing says what it costs",
        )
        for key in charges
        if key.site_id not in priced
    ]
    return {key: charge for key, charge in charges.items() if key.site_id in priced}, homeless


def _missing_charges(
    snapshots: Mapping[SessionKey, tuple[Any, ...]], charges: Mapping[SessionKey, Charge]
) -> Iterator[Difference]:
    closed, plugged_in_at = SESSION_COLUMNS.index("closed"), SESSION_COLUMNS.index("plugged_in_at")
    for key, row in snapshots.items():
        if row[closed] and row[plugged_in_at] is not None and key not in charges:
            yield Difference(Code.CHARGE_MISSING, f"session {key.id}", "it is over, and nobody settled what it costs")


def _charge_differences(stored: Charge, computed: Charge) -> Iterator[Difference]:
    differing = [
        (name, getattr(stored, name), getattr(computed, name))
        for name in _OF_THE_BILL
        if getattr(stored, name) != getattr(computed, name)
    ]
    if differing:
        meaning = f"the charge is not what the facts cost ({_cost(computed)}): {each(differing)}"
        yield Difference(Code.CHARGE_DIFFERS, f"charge of {stored.key.id}", meaning)
    elif stored.report != computed.report:
        meaning = f"the fee of {_cost(stored)} is right, but the report kept with it is not the one it comes from"
        yield Difference(Code.CHARGE_DIFFERS, f"charge of {stored.key.id}", meaning)


def _cost(charge: Charge) -> str:
    return amount(charge.fee_minor, charge.currency)
