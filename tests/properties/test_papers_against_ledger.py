"""Receipts, invoices and statements say what the ledger says, whatever happened: sessions of four currencies and taxes,
late events, waivers, claims, excuses and re-rates, payments, credits and write-offs, other policies, over months that
begin at another second for each seller.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from api.pages.loading import Sight
from api.pages.receipts.printed import printed
from api.settings import Settings
from api.wiring import Idlefee, running
from api.worker import Worker
from billing import decisions, orders
from billing.assignments import add_version, assign
from billing.invoices.papers import Wanted as Invoices
from billing.invoices.papers import documents_after
from billing.invoices.policy import Policy, decide
from billing.invoices.sides import Side
from billing.invoices.standing import INVOICE, carried_of, standings
from billing.invoices.uninvoiced import Due, due_of
from billing.ledger import owner_balances
from billing.owners import Owner, add_owner, give_token
from billing.payments.by_hand import Received, record, reverse
from billing.payments.credits import Code, NothingOwed, Wanted, ask
from billing.payments.people import Deed, Person
from billing.receipts import receipt_for
from billing.settle import charges_of
from billing.statements import Kind, statements
from billing.tariffs import Tariff, Tax
from billing.verify import verify
from sessions.clock import FixedClock
from sessions.events import rfc3339
from sessions.sites import add_seller, add_site, add_station
from sessions.store.queries import SessionKey
from tests.databases import PostgresDatabases, SqliteDatabases
from tests.integration.small_world import NOON, a_session, post

DAY_S = 86_400
EIGHT_PERCENT = Tax(code="JCT", rate_ppm=80_000)
TARIFFS: dict[str, dict[str, Any]] = {
    "yen": {"currency": "JPY", "rate_minor_per_minute": 55, "tax": EIGHT_PERCENT, "cap_minor": 1000},
    "dinar": {"currency": "JOD", "rate_minor_per_minute": 355, "review_above_minor": 4000},
    "euro": {"currency": "EUR", "rate_minor_per_minute": 41, "tax": Tax(code="VAT", rate_ppm=190_000)},
    "ontop": {"currency": "USD", "rate_minor_per_minute": 33, "tax": Tax(code="NY", rate_ppm=88_750, included=False)},
}
SITES = {
    "yen": "east",
    "dinar": "west",
    "euro": "east",
    "ontop": "west",
}  # whose they are; each has the tariff it names
ZONES = {"east": "Pacific/Auckland", "west": "America/Los_Angeles"}
OWNERS = ("ann", "bob")

SITE, OWNER = st.sampled_from(sorted(SITES)), st.sampled_from([*OWNERS, None])
PICK = st.integers(0, 99)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("session"), SITE, OWNER, st.sampled_from([299, 361, 660, 1000, 2400])),
        st.tuples(st.just("session"), SITE, OWNER, st.integers(300, 1500)),
        st.tuples(st.just("late_fault"), PICK, st.integers(30, 500)),
        st.tuples(st.just("waive"), PICK, st.sampled_from([1, 7, 100, 10_000, None])),
        st.tuples(st.just("claim"), PICK, OWNER),
        st.tuples(st.just("review"), PICK, st.booleans()),
        st.tuples(st.just("rerate"), SITE, st.sampled_from(sorted(TARIFFS))),
        st.tuples(st.just("pay"), PICK, st.sampled_from([None, 1, 250, 5000])),
        st.tuples(st.just("take_back"), PICK),
        st.tuples(
            st.just("credit"), SITE, st.sampled_from(OWNERS), st.sampled_from([Deed.CREDIT, Deed.WRITE_OFF]), PICK
        ),
        st.tuples(st.just("policy"), SITE, st.sampled_from(["session_end", "daily", "monthly"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 5 * 3600, DAY_S, 20 * DAY_S])),
    ),
    min_size=3,
    max_size=18,
)


@dataclass
class Story:
    """What has happened so far; `keys` are its sessions."""

    app: Idlefee
    clock: FixedClock
    keys: list[SessionKey] = field(default_factory=list)

    def tell(self, what: str, *how: Any) -> None:
        if what in {"late_fault", "waive", "claim", "review"}:
            if not self.keys:
                return
            how = (self.keys[how[0] % len(self.keys)], *how[1:])
        getattr(self, what)(*how)
        self.clock.advance(1)
        Worker(self.app, channels=[]).run_due()

    def session(self, site: str, owner: str | None, idle_s: int) -> None:
        self.keys.append(SessionKey(site, f"at-{site}/s{len(self.keys)}"))
        name, token = self.keys[-1].id.partition("/")[2], None if owner is None else owner.upper()
        post(self.app, a_session(f"at-{site}", name, idle_s=idle_s, at=self.clock.now() - 9000, token=token))

    def late_fault(self, key: SessionKey, lasted_s: int) -> None:
        """Reported only now: it cost nobody anything to wait for the station."""
        with self.app.reading() as connection:
            full_at = Sight(connection, self.clock.now()).load([key])[key].folded.timeline.car[-1].start
        station, _, session = key.id.partition("/")
        about = {"station": station, "stall": "1", "session": session, "cause": "stuck"}
        began, ended = full_at + 100, full_at + 100 + lasted_s
        begins = {"id": f"{session}-f{self.clock.now()}", "type": "station_fault", "at": rfc3339(began), **about}
        ends = {"id": f"{session}-r{self.clock.now()}", "type": "station_restored", "at": rfc3339(ended), **about}
        post(self.app, [begins, ends])

    def waive(self, key: SessionKey, amount_minor: int | None) -> None:
        with self.app.writing() as connection:
            decisions.waive(connection, key, amount_minor, author="t", reason="r", now=self.clock.now())

    def claim(self, key: SessionKey, owner: str | None) -> None:
        with self.app.writing() as connection:
            decisions.claim(connection, key, owner, author="t", reason="r", now=self.clock.now())

    def review(self, key: SessionKey, is_released: bool) -> None:
        with self.app.writing() as connection:
            if charges_of(connection, [key])[key].held:
                decide = decisions.release if is_released else decisions.reject
                decide(connection, key, author="t", reason="r", now=self.clock.now())

    def rerate(self, site: str, tariff: str) -> None:
        now = self.clock.now()
        with self.app.writing() as connection:
            order = orders.ordered(connection, [site], tariff, NOON, None, author="t", reason="r", now=now)
        orders.carry_out(self.app.engine, self.clock, order)

    def pay(self, pick: int, amount_minor: int | None) -> None:
        """By hand, for one of the invoices: what it asks for, or too little, or too much."""
        now = self.clock.now()
        with self.app.writing() as connection:
            found = [one.document for one in documents_after(connection, Invoices(kind=INVOICE), None, 100)]
            if not found:
                return
            one = found[pick % len(found)]
            received = Received(
                owner_id=one.owner_id,
                seller_id=one.seller_id,
                currency=one.currency,
                amount_minor=amount_minor or max(1, one.due_minor),
                reference=f"till {now}",
                received_at=now,
                invoice_id=one.id,
            )
            record(connection, received, author="t", now=now)

    def take_back(self, pick: int) -> None:
        """A payment was written down by mistake."""
        with self.app.writing() as connection:
            paid = connection.execute(text("SELECT owner_id, id FROM payments ORDER BY id")).all()
            if paid:
                owner, payment = paid[pick % len(paid)]
                reverse(connection, owner, payment, reason="r", author="t", now=self.clock.now())

    def credit(self, site: str, owner: str, deed: Deed, amount: int) -> None:
        code = Code.GOODWILL if deed is Deed.CREDIT else Code.TOO_SMALL
        wanted = Wanted(
            owner_id=owner,
            seller_id=SITES[site],
            currency=TARIFFS[site]["currency"],
            deed=deed,
            amount_minor=amount + 1,
            code=code,
            reason="r",
        )
        with suppress(NothingOwed), self.app.writing() as connection:
            ask(connection, wanted, Person("finance:t", "finance"), self.clock.now(), key=str(self.clock.now()))

    def policy(self, site: str, when: Literal["session_end", "daily", "monthly"]) -> None:
        with self.app.writing() as connection:
            decide(connection, SITES[site], Policy(invoice_at=when), author="t", reason="r", now=self.clock.now())

    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)


@contextmanager
def a_story(url: str) -> Iterator[Story]:
    clock = FixedClock(NOON + DAY_S)
    with running(Settings(database_url=url), clock) as app:
        with app.writing() as connection:
            for seller, zone in ZONES.items():
                add_seller(connection, seller, seller.title(), zone, NOON)
            for site, seller in SITES.items():
                add_site(connection, site, seller, site.title(), "Asia/Amman", NOON)
                add_station(connection, f"at-{site}", site, NOON)
                added = add_version(connection, Tariff.model_validate({"name": site} | TARIFFS[site]), "t", NOON)
                assign(connection, site, added, author="t", reason="t", now=NOON)
            for owner in OWNERS:
                add_owner(connection, Owner(owner, None, None), NOON)
                give_token(connection, app.names, uid=owner.upper(), owner_id=owner, author="t", now=NOON)
        yield Story(app, clock)


BOOKED = """SELECT e.seller_id, e.currency, t.recorded_at, e.amount_minor FROM entries e
JOIN transfers t ON t.site_id = e.site_id AND t.id = e.transfer_id
WHERE e.account = 'receivable' AND e.owner_id = :owner
UNION ALL SELECT e.seller_id, e.currency, t.recorded_at, e.amount_minor FROM account_entries e
JOIN account_transfers t ON t.party_id = e.party_id AND t.id = e.transfer_id
WHERE e.account = 'receivable' AND e.owner_id = :owner"""
OF_SESSION = """SELECT e.account, e.owner_id, e.currency, sum(e.amount_minor) FROM entries e
JOIN transfers t ON t.site_id = e.site_id AND t.id = e.transfer_id
WHERE t.site_id = :site AND t.session_id = :session GROUP BY e.account, e.owner_id, e.currency"""


def receipts_say_what_is_booked(story: Story) -> None:
    now = story.clock.now()
    with story.app.reading() as connection:
        for key, seen in Sight(connection, now).load(story.keys).items():
            assert seen.charge is not None
            assert seen.view is not None
            one = receipt_for(connection, seen.charge, seen.view.bar.report, "1", now)
            stands: dict[tuple[str, str | None, str], int] = defaultdict(int)
            for account, owner, currency, amount in connection.execute(
                text(OF_SESSION), {"site": key.site_id, "session": key.id}
            ):
                stands[account, owner, currency] = int(amount)
            account = "unclaimed" if one.owner_id is None else "receivable"
            mine = (account, one.owner_id, one.currency)
            assert stands[mine] == one.total_minor, key
            assert not [place for place, amount in stands.items() if place[0] == account and place != mine and amount]
            tax_minor = sum(amount for (account, _, _), amount in stands.items() if account == "tax")
            if one.owner_id is not None:
                assert -tax_minor == one.tax_minor
            assert one.net_minor + one.tax_minor == one.total_minor
            items_minor = sum(line.amount_minor for line in one.lines)
            listed_minor = items_minor - one.capped_minor + one.tax_added_minor
            assert items_minor == one.subtotal_minor
            assert listed_minor - one.held_back_minor - one.waived_minor == one.total_minor
            steps = [step for step in one.postings if step.currency == one.currency]
            assert (steps[-1].total_minor if steps else 0) == one.total_minor
            assert printed(one).total


BILLED = """SELECT l.site_id, l.session_id, i.currency, sum(l.amount_minor), sum(l.tax_minor) FROM invoice_lines l
JOIN invoices i ON i.owner_id = l.owner_id AND i.id = l.invoice_id
WHERE i.owner_id = :owner GROUP BY l.site_id, l.session_id, i.currency"""
SUMS = """SELECT i.id FROM invoices i JOIN invoice_lines l ON l.owner_id = i.owner_id AND l.invoice_id = i.id
GROUP BY i.id, i.total_minor, i.tax_minor HAVING i.total_minor <> sum(l.amount_minor) OR i.tax_minor <> sum(l.tax_minor)
OR min(l.amount_minor) < 0 AND max(l.amount_minor) > 0"""


def invoices_say_what_is_booked(story: Story) -> None:
    """Once every month is over, and all that is left is too little to ask for."""
    story.clock.advance(40 * DAY_S)
    Worker(story.app, channels=[]).run_due()
    with story.app.reading() as connection:
        assert connection.execute(text(SUMS)).all() == []
        gaps = (
            "SELECT series FROM invoices GROUP BY seller_id, series HAVING max(number) <> count(*) OR min(number) <> 1"
        )
        assert connection.execute(text(gaps)).all() == []
        for owner in OWNERS:
            waiting = {(one.seller_id, one.currency): one for one in carried_of(connection, owner)}
            assert all(one.until is None and one.least_minor for one in waiting.values())
            for side, standing in standings(connection, [owner]).items():
                waits = waiting.pop(side[1:], None)
                owed = owner_balances(connection, owner).get(side[1:], 0)
                assert standing.allocation.owed_minor + (waits.amount_minor if waits else 0) == owed
                assert all(one.seller_id == side.seller_id for one in standing.documents)
            assert all(one.amount_minor == owner_balances(connection, owner)[side] for side, one in waiting.items())
            carried = {one.key for one in _not_invoiced(connection, owner)}
            for site, session, currency, amount, tax in connection.execute(text(BILLED), {"owner": owner}):
                charge = charges_of(connection, [SessionKey(site, session)])[SessionKey(site, session)]
                if charge.key not in carried:
                    mine = (charge.owner_id, charge.currency) == (owner, currency)
                    assert (amount, tax) == ((charge.fee_minor, charge.tax_minor) if mine else (0, 0))


def _not_invoiced(connection: Connection, owner: str) -> list[Due]:
    sides = [Side(owner, one.seller_id, one.currency) for one in carried_of(connection, owner)]
    return [due for side in sides for due in due_of(connection, side)]


def statements_say_what_is_booked(story: Story) -> None:
    now = story.clock.now()
    for owner in OWNERS:
        with story.app.reading() as connection:
            booked = [tuple(row) for row in connection.execute(text(BOOKED), {"owner": owner})]
            balances = owner_balances(connection, owner)
            found = statements(connection, owner, now)
        books = defaultdict(list)
        for one in reversed(found):
            books[one.seller_id, one.currency].append(one)
        assert set(books) == {(seller, currency) for seller, currency, _, _ in booked}
        for (seller, currency), months in books.items():
            assert str(months[0].zone) == ZONES[seller]
            assert [one.month for one in months[1:]] == [one.month.next for one in months[:-1]]
            assert months[0].opening_minor == 0
            assert all(later.opening_minor == earlier.closing_minor for earlier, later in pairwise(months))
            assert months[-1].closing_minor == balances.get((seller, currency), 0)
            for one in months:
                ends_at = one.month.next.starts_at(one.zone)
                theirs = [row[3] for row in booked if row[:2] == (seller, currency) and row[2] < ends_at]
                assert one.closing_minor == sum(theirs)
                assert one.opening_minor + one.minor_of(*Kind) == one.closing_minor
                assert one.minor_of(Kind.PAYMENT, Kind.CREDIT, Kind.WRITE_OFF) <= 0 <= one.minor_of(Kind.REFUND)


def tell(databases: SqliteDatabases | PostgresDatabases, steps: list[tuple[Any, ...]]) -> None:
    with databases.migrated() as url, a_story(url) as story:
        for step in steps:
            story.tell(*step)
        receipts_say_what_is_booked(story)
        statements_say_what_is_booked(story)
        invoices_say_what_is_booked(story)
        statements_say_what_is_booked(story)
        assert verify(story.app.engine, story.clock.now(), print).clean


@given(steps=STEPS)
@settings(settings(), max_examples=settings().max_examples // 4)
def test_papers_say_what_the_ledger_says_on_sqlite(
    sqlite_databases: SqliteDatabases, steps: list[tuple[Any, ...]]
) -> None:
    tell(sqlite_databases, steps)


@given(steps=STEPS)
@settings(settings(), max_examples=settings().max_examples // 20)
def test_papers_say_what_the_ledger_says_on_postgresql(
    postgres_databases: PostgresDatabases, steps: list[tuple[Any, ...]]
) -> None:
    tell(postgres_databases, steps)
