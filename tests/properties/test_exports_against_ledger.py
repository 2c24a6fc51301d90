"""What is exported adds up to what the ledger says, over any history: `bean-check` finds nothing to object to in the
journal, and the sums of the Parquet table are the trial balance.
"""

import io
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from arro3.io import read_parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, text

from billing.books import Wanted, every_entry
from billing.exports.journal import Ref, component, journal
from billing.exports.table import write_parquet
from billing.ledger import ACCOUNTS, SESSIONS, Account, Book, Line, Subject, post, transfers_for, trial_balance
from billing.money import minor_digits
from sessions.database import connect, one_moment, writing
from sessions.sites import add_seller
from sessions.store.queries import SessionKey

SELLERS = ("acme", "Acme", "a-c.me")
NAMES = st.sampled_from(["a", 'b"q\\', "h1/ü 1"])


PARTS = st.builds(
    Wanted,
    since=st.none() | st.integers(1_790_000_000, 1_800_000_000),
    until=st.none() | st.integers(1_790_000_000, 1_800_000_000),
    seller_id=st.none() | st.sampled_from(SELLERS),
).filter(lambda part: part.since is None or part.until is None or part.since < part.until)
BEAN_CHECK = Path(sys.executable).with_name("bean-check")


@st.composite
def postings(draw: st.DrawFn) -> tuple[Book, str, str, dict[Line, int], str, int]:
    """A balanced transfer of either book, in any accounts there are."""
    seller, currency = draw(st.sampled_from(SELLERS)), draw(st.sampled_from(["USD", "JPY", "JOD"]))
    accounts = draw(st.lists(st.sampled_from(list(Account)), min_size=1, max_size=4, unique=True))
    amounts = {
        Line(account, draw(NAMES) if account is Account.RECEIVABLE else None, seller, currency,
             draw(st.sampled_from(["US-CA", "de.19"])) if account is Account.TAX else None):
        draw(st.integers(-(10**9), 10**9).filter(bool))
        for account in accounts
    }  # fmt: skip
    rest = Line(Account.BANK if Account.BANK not in accounts else Account.GOODWILL, None, seller, currency, None)
    amounts[rest] = amounts.get(rest, 0) - sum(amounts.values())
    moves = {line: amount for line, amount in amounts.items() if amount}
    at = draw(st.integers(1_790_000_000, 1_800_000_000))
    return draw(st.sampled_from([SESSIONS, ACCOUNTS])), draw(NAMES), draw(NAMES), moves, draw(NAMES), at


@pytest.fixture(scope="module")
def engine(sqlite_databases: object) -> Iterator[Engine]:
    with sqlite_databases.migrated() as url:  # type: ignore[attr-defined]
        engine = connect(url)
        with writing(engine) as connection:
            for seller, zone in zip(SELLERS, ("UTC", "Pacific/Auckland", "America/Los_Angeles"), strict=True):
                add_seller(connection, seller, seller, zone, 0)
            for table in ("transfers", "entries", "account_transfers", "account_entries"):
                connection.execute(text(f"DROP TRIGGER {table}_no_delete"))
        yield engine
        engine.dispose()


def remember(connection: Connection, history: list[tuple[Book, str, str, dict[Line, int], str, int]]) -> None:
    for book in (SESSIONS, ACCOUNTS):
        connection.execute(delete(book.entries))
        connection.execute(delete(book.transfers))
    counted: Counter[tuple[str, str, str]] = Counter()
    for book, lead, subject, moves, reason, at in history:
        key = SessionKey(lead, subject) if book is SESSIONS else Subject(lead, subject)
        new = transfers_for(key, counted[book.lead, lead, subject], moves, reason)
        counted[book.lead, lead, subject] += len(new)
        post(connection, [one for one in new if len(one.lines) > 1], at, book)


POSTING = re.compile(r"^  (\S+:\S+)  (-?[0-9.]+) ([A-Z]{3})$", re.MULTILINE)


def sums_of(text_: str) -> Counter[tuple[str, str]]:
    """What stands on each account of a journal, in minor units."""
    sums: Counter[tuple[str, str]] = Counter()
    for name, amount, currency in POSTING.findall(text_):
        sums[name, currency] += int(Decimal(amount).scaleb(minor_digits(currency)))
    return sums


def check(text_: str) -> None:
    """Beancount's own word, asked of its program: it objects to what does not balance or is not what was asserted."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.beancount"
        file.write_text(text_, encoding="utf-8")
        done = subprocess.run([BEAN_CHECK, "--no-cache", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), text_


@settings(max_examples=6 if settings.get_current_profile_name() != "soak" else 500)
@given(history=st.lists(postings(), max_size=12), part_of=PARTS)
def test_whatever_was_posted_the_exports_add_up_to_the_ledger(
    engine: Engine, history: list[tuple[Book, str, str, dict[Line, int], str, int]], part_of: Wanted
) -> None:
    with writing(engine) as connection:
        remember(connection, history)
    with one_moment(engine) as connection:
        ledger = {
            (row.seller_id, row.currency, row.account.value): row.balance_minor for row in trial_balance(connection)
        }
        whole = "".join(journal(connection, Wanted()))
        sums = sums_of(whole)
        for (seller, currency, account), balance in ledger.items():
            name = Ref(seller, account, None).name
            mine = (
                amount for (of, code), amount in sums.items() if code == currency and f"{of}:".startswith(f"{name}:")
            )
            assert sum(mine) == balance
        part = "".join(journal(connection, part_of))
        check(whole)
        check(part)
        table = io.BytesIO()
        write_parquet(every_entry(connection, Wanted()), table)
    rows = read_parquet(io.BytesIO(table.getvalue())).read_all()
    columns = (rows[name].to_pylist() for name in ("seller", "currency", "account", "amount_minor"))
    totals: Counter[tuple[str, str, str]] = Counter()
    for seller, currency, account, amount in zip(*columns, strict=True):
        totals[seller, currency, account] += amount
    assert {key: amount for key, amount in totals.items() if amount} == {key: b for key, b in ledger.items() if b}


@given(st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=2, unique=True))
def test_no_two_ids_have_one_name_in_a_journal(ids: list[str]) -> None:
    assert component("S", ids[0]) != component("S", ids[1])
