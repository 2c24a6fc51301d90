"""What is looked at before a month is closed. What `stops` would make the month's figures wrong; the rest is said, kept
with the month, and left to whoever closes. Reads only; nothing of a session is priced again (`idlefee verify` does).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from billing.periods.months import Span

_IN_MONTH = "t.recorded_at >= :starts_at AND t.recorded_at < :ends_at AND t.seller_id = :seller"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: how many were `found`, and in a sentence what that means. `stops`: the close waits."""

    name: str
    found: int
    stops: bool
    sentence: str

    @property
    def in_the_way(self) -> bool:
        return self.stops and self.found > 0

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "found": self.found, "stops": self.stops, "sentence": self.sentence}


# (name, does it stop, how many, what zero means, what more means)
_CHECKS = (
    (
        "books_balance",
        True,
        (
            "SELECT COUNT(*) FROM (SELECT currency FROM (SELECT currency, amount_minor FROM entries "
            "WHERE seller_id = :seller UNION ALL SELECT currency, amount_minor FROM account_entries "
            "WHERE seller_id = :seller) AS b GROUP BY currency HAVING SUM(amount_minor) <> 0) AS w"
        ),
        "The books sum to zero in every currency.",
        "Currencies that do not sum to zero: {}. `idlefee verify` names the transfers.",
    ),
    (
        "sessions_book_in_order",
        True,
        (
            "SELECT COUNT(*) FROM (SELECT t.id FROM transfers t LEFT JOIN entries e ON e.site_id = t.site_id "
            f"AND e.transfer_id = t.id WHERE {_IN_MONTH} GROUP BY t.site_id, t.id "
            "HAVING COUNT(e.line) < 2 OR SUM(e.amount_minor) <> 0) AS w"
        ),
        "Every posting of sessions balances.",
        "Postings of sessions that do not balance: {}. `idlefee verify` names them.",
    ),
    (
        "accounts_book_in_order",
        True,
        (
            "SELECT COUNT(*) FROM (SELECT t.id FROM account_transfers t LEFT JOIN account_entries e "
            f"ON e.party_id = t.party_id AND e.transfer_id = t.id WHERE {_IN_MONTH} GROUP BY t.party_id, t.id "
            "HAVING COUNT(e.line) < 2 OR SUM(e.amount_minor) <> 0) AS w"
        ),
        "Every posting of payments balances.",
        "Postings of payments that do not balance: {}. `idlefee verify` names them.",
    ),
    (
        "corrections_named",
        True,
        (
            f"SELECT COUNT(*) FROM transfers t WHERE {_IN_MONTH} AND t.n > 1 AND NOT EXISTS (SELECT 1 FROM transfers p "
            "WHERE p.site_id = t.site_id AND p.session_id = t.session_id AND p.n = t.n - 1 AND p.id = t.corrects)"
        ),
        "Every correction names the posting it corrects.",
        "Corrections that name no posting that is there: {}. `idlefee verify` names them.",
    ),
    (
        "money_unexplained",
        False,
        (
            "SELECT COUNT(*) FROM (SELECT e.currency FROM account_entries e WHERE e.seller_id = :seller "
            "AND e.account = 'suspense' GROUP BY e.currency HAVING SUM(e.amount_minor) <> 0) AS w"
        ),
        "No money waits to be explained.",
        "Currencies with money in suspense: {}. `idlefee reconcile` says more of it.",
    ),
    (
        "differences_open",
        False,
        "SELECT COUNT(*) FROM differences WHERE seller_id = :seller AND ended_at IS NULL",
        "Nothing differs from the processor or the bank.",
        "Open differences to the processor or the bank: {}. They end in the month in which they are explained.",
    ),
    (
        "fees_in_review",
        False,
        "SELECT COUNT(*) FROM charges WHERE seller_id = :seller AND held IS NOT NULL",
        "No fee waits in review.",
        "Fees that wait in review: {}. What is released posts in the month of its release.",
    ),
    (
        "steps_parked",
        False,
        "SELECT COUNT(*) FROM jobs WHERE dead",
        "No step is parked.",
        "Steps that are parked: {}. What they still post comes in the open month (`idlefee jobs list`).",
    ),
)


def checks(connection: Connection, of: Span) -> Iterator[Check]:
    """Each check in turn, as the books are now."""
    given = {"seller": of.seller_id, "starts_at": of.starts_at, "ends_at": of.ends_at}
    for name, stops, count, fine, wrong in _CHECKS:
        wanted = {key: value for key, value in given.items() if f":{key}" in count}
        found = int(connection.execute(text(count), wanted).scalar_one())
        yield Check(name, found, stops, wrong.format(found) if found else fine)


HOW_MANY = len(_CHECKS)
