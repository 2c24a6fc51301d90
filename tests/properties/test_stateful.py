"""A station, its neighbours and the people around them, in any order: after every step the intake, the books and the
slow model of `tests/model` say the same of every session.

Uploads come shuffled, late, twice and in contradiction to themselves; between them people excuse, void, claim, waive,
review and re-rate, and time passes, so that sessions are over by silence and become final. At the end `verify` finds
nothing, and a second database that is told the same facts in another order ends with the same bills and balances.
"""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from billing.decisions import NothingToDecide
from sessions.intake import Status
from tests.databases import PostgresDatabases, SqliteDatabases
from tests.model.events import Fact, SessionKey, content
from tests.model.generate import OWNERS, TOKENS, sessions_named
from tests.model.posting import NOTHING_POSTED, Posting, post
from tests.model.rules import bill
from tests.model.tight import BEGIN, HORIZON_S, stalls_of, tight_history, tight_world
from tests.properties.driving import Deployment

HOUR_S = 3600
STARTS_S = st.integers(-30, HORIZON_S + 300)
LENGTHS_S = st.sampled_from((1, 2, 30, 60, 61, 300))
ONE = st.integers(0, 10_000)
FINAL_OR_REVIEWED = ("review", "finalised")


class Intake(RuleBasedStateMachine):
    """`facts` are what was recorded so far, as the model reads them; `postings` what should stand for each session."""

    databases: SqliteDatabases | PostgresDatabases

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Fact] = []
        self.postings: dict[SessionKey, Posting] = {}
        self.bills: dict[SessionKey, dict[str, Any]] = {}
        self.decided = 0

    @initialize(
        seed=st.integers(0, 2**32), behind_s=st.sampled_from((0, 0, 7, -45, HOUR_S)), at_first=st.integers(0, 30)
    )
    def a_site(self, seed: int, behind_s: int, at_first: int) -> None:
        rng = Random(seed)
        self.rng = rng
        self.world = tight_world(rng)
        self.pool = tight_history(rng, self.world)
        self.behind_s = behind_s  # of the station's clock
        self.stack = self.databases.migrated()
        self.product = Deployment(self.stack.__enter__(), self.world, BEGIN + HORIZON_S + HOUR_S)
        for site in sorted(self.world["sites"]):
            tariff = rng.choice(("standard", "tiered", "odd"))
            self.decide({"kind": "assign", "site": site, "tariff": tariff, "from": None})
        self.upload(at_first, 0, 0)

    # -- what happens ---------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 20), again=st.integers(0, 3), delay_s=st.sampled_from((0, 0, 0, 1, 121)))
    def upload(self, count: int, again: int, delay_s: int) -> None:
        """The next of the stream, which has no order, and some for a second time."""
        new, self.pool = self.pool[:count], self.pool[count:]
        sent = self.events()
        self.take([*new, *self.rng.sample(sent, min(again, len(sent)))], delay_s)

    @rule(count=st.integers(10, 30))
    def upload_much(self, count: int) -> None:
        self.upload(count, 0, 0)

    @rule(pick=ONE, later_s=st.sampled_from((0, 1, 60)))
    def contradict(self, pick: int, later_s: int) -> None:
        sent = self.events()
        if sent and pick % 3 == 0:  # not too often: who is in review is not billed
            event = sent[pick % len(sent)]
            self.take([{**event, "at": event["at"] + later_s, "seq": 77}], 0)

    @rule(pick=ONE)
    def void(self, pick: int) -> None:
        if events := self.events():
            event = events[pick % len(events)]
            if not any(fact["kind"] == "void" and fact["id"] == event["id"] for fact in self.facts):
                self.decide({"kind": "void", "station": event["station"], "id": event["id"]})

    @rule(pick=ONE, start_s=STARTS_S, length_s=LENGTHS_S)
    def excuse(self, pick: int, start_s: int, length_s: int) -> None:
        site, places = self.pick(self.world["sites"].items(), pick)
        stall = self.pick([None, *places["stalls"]], pick)
        start = BEGIN + start_s
        self.decide({"kind": "excuse", "site": site, "stall": stall, "start": start, "end": start + length_s})

    @rule(pick=ONE, start_s=STARTS_S, length_s=st.none() | LENGTHS_S)
    def out_of_service(self, pick: int, start_s: int, length_s: int | None) -> None:
        start, stall = BEGIN + start_s, self.pick(stalls_of(self.world), pick)
        end = None if length_s is None else start + length_s
        self.decide({"kind": "out_of_service", "stall": stall, "start": start, "end": end})

    @rule(pick=ONE, tariff=st.sampled_from(("standard", "tiered", "odd")), start_s=STARTS_S, everywhere=st.booleans())
    def rerate(self, pick: int, tariff: str, start_s: int, everywhere: bool) -> None:
        site = None if everywhere else self.pick(sorted(self.world["sites"]), pick)
        order = {"from": BEGIN + start_s, "to": BEGIN + start_s + 300, "tariff": tariff, "n": self.numbered()}
        self.decide({"kind": "rerate", "site": site, **order})

    @rule(pick=ONE, owner=st.sampled_from((*OWNERS, None)))
    def claim(self, pick: int, owner: str | None) -> None:
        self.about_a_session(pick, {"kind": "claim", "owner": owner, "n": self.numbered()})

    @rule(pick=ONE, amount_minor=st.sampled_from((None, 1, 40)))
    def waive(self, pick: int, amount_minor: int | None) -> None:
        self.about_a_session(pick, {"kind": "waiver", "amount_minor": amount_minor})

    @rule(pick=ONE, start_s=STARTS_S)
    def accept_a_notice(self, pick: int, start_s: int) -> None:
        self.about_a_session(pick, {"kind": "notice_accepted", "at": BEGIN + start_s})

    @precondition(lambda self: not any(one["token"] == TOKENS[2] for one in self.world["tokens"]))
    @rule(owner=st.sampled_from(OWNERS), start_s=STARTS_S)
    def give_a_token(self, owner: str, start_s: int) -> None:
        holding = {"token": TOKENS[2], "owner": owner, "from": BEGIN + start_s, "to": None}
        self.world["tokens"].append(holding)
        self.product.decide({"kind": "token", **holding})
        self.settled()

    @rule(pick=ONE, decision=st.sampled_from(("release", "release", "reject")))
    def review(self, pick: int, decision: str) -> None:
        """Whoever reviews decides about what waits; where nothing does, there is nothing to decide."""
        waiting = sorted(session for session, posting in self.postings.items() if posting.waits)
        if waiting:
            session = self.pick(waiting, pick)
            decided = {"kind": "review", "session": session, "decision": decision, "n": self.numbered()}
            self.decide({**decided, "fee_minor": self.bills[session]["to_pay_minor"]})

    @rule(pick=ONE)
    def review_what_does_not_wait(self, pick: int) -> None:
        clear = sorted(s for s, posting in self.postings.items() if not posting.waits and not self.bills[s]["review"])
        clear = [session for session in clear if self.bills[session]["state"] == "ended"]
        if clear:
            fact = {"kind": "review", "session": self.pick(clear, pick), "decision": "reject"}
            with pytest.raises(NothingToDecide):
                self.product.decide(fact)

    @rule(length_s=st.sampled_from((1, 60, HOUR_S, 25 * HOUR_S, 73 * HOUR_S)))
    def time_passes(self, length_s: int) -> None:
        """A worker does what falls due, at the moment it does: sessions are over by silence, fees become final."""
        until = self.product.clock.now() + length_s
        while (due_at := self.product.next_step_at()) is not None and due_at <= until:
            self.product.put_clock(max(due_at, self.product.clock.now()))
            self.product.work()
            self.settled()
        self.product.put_clock(until)

    # -- what should come of it -----------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "product"):
            return
        try:
            self.upload(len(self.pool), 0, 0)
            self.time_passes(25 * HOUR_S)
            assert self.product.differences() == []
            self.compare_with_another_order()
        finally:
            self.product.close()
            self.stack.__exit__(None, None, None)

    def settled(self) -> None:
        """Bill and post every session by the model, and compare."""
        now = self.product.clock.now()
        named = sessions_named(self.facts)
        known = {fact["session"] for fact in self.facts if fact["kind"] == "finalised"}
        final = self.product.finalised(named) - known
        self.facts += [{"kind": "finalised", "session": session} for session in sorted(final)]
        for session in named:
            self.bills[session] = bill(self.facts, self.world, session, now)
            before = self.postings.get(session, NOTHING_POSTED)
            self.postings[session] = post(before, self.bills[session], self.facts, session)
        self.compare()

    def compare(self) -> None:
        books = self.product.books()
        owed: Counter[tuple[str, str]] = Counter()
        for session, posting in self.postings.items():
            billed, name = self.bills[session], "/".join(session)
            snapshot, charge = books.snapshots[name], books.charges.get(name)
            assert snapshot["plugged_in_at"] == billed["plugged_in_at"], name
            assert snapshot["not_billable"] == billed["not_billable"], name
            assert bool(snapshot["closed"]) == (billed["state"] == "ended"), name
            in_review = [reason for reason in billed["review"] if reason != "above_limit"]
            assert sorted((snapshot["review"] or "").split()) == in_review, name
            assert (charge is not None) == posting.settled, name
            if charge is None:
                continue
            assert charge.computed_minor == billed["to_pay_minor"], name
            assert (charge.allowed_minor, charge.fee_minor) == (posting.allowed_minor, posting.posted_minor), name
            assert charge.held or not posting.waits, name
            if billed["state"] != "none":
                assert charge.owner_id == billed["owner"], name
            if charge.owner_id is not None:
                owed[charge.owner_id, charge.currency] += posting.posted_minor
        assert books.owed_minor == {line: amount for line, amount in owed.items() if amount}
        assert not any(books.trial_minor.values()), books.trial_minor

    def compare_with_another_order(self) -> None:
        """The same facts, told to a second database in another order, come to the same."""
        told_once = [fact for fact in self.facts if fact["kind"] not in FINAL_OR_REVIEWED]
        order = self.in_another_order(told_once)
        with self.databases.migrated() as url:
            other = Deployment(url, self.world)
            try:
                for fact in order:
                    other.put_clock(fact["received_at"] if fact["kind"] == "event" else self.product.clock.now())
                    if fact["kind"] == "event":
                        other.record([fact])
                    else:
                        other.decide(fact)
                    other.forget_finality()
                other.put_clock(self.product.clock.now())
                other.time_out()
                self.compare_orders(other)
            finally:
                other.close()

    def in_another_order(self, told: list[Fact]) -> list[Fact]:
        """Shuffled, but that an event is voided when it is there, and the latest claim and order stay the latest."""
        shuffled = self.rng.sample(told, len(told))
        numbered = [fact for fact in shuffled if "n" in fact]
        in_turn = iter(sorted(numbered, key=lambda fact: int(fact["n"])))
        shuffled = [next(in_turn) if "n" in fact else fact for fact in shuffled]
        assigned = [fact for fact in shuffled if fact["kind"] == "assign"]
        events = [fact for fact in shuffled if fact["kind"] not in ("assign", "void")]
        return assigned + events + [fact for fact in shuffled if fact["kind"] == "void"]

    def compare_orders(self, other: Deployment) -> None:
        one, two = self.product.books(), other.books()
        assert one.snapshots.keys() == two.snapshots.keys()
        for session, billed in self.bills.items():
            name = "/".join(session)
            here, there = one.charges.get(name), two.charges.get(name)
            about = [
                fact for fact in self.facts if fact.get("session") == session and fact["kind"] in FINAL_OR_REVIEWED
            ]
            assert (here is None and there is None) or billed["state"] != "ended" or (here and there), name
            if here is None or there is None or billed["state"] != "ended":
                continue
            assert (here.report, here.owner_id) == (there.report, there.owner_id), name
            if not billed["review"] and not about:
                assert (here.fee_minor, here.tax_minor) == (there.fee_minor, there.tax_minor), name
        assert other.differences() == []

    # -- how it is told -------------------------------------------------------------------------------------

    def take(self, events: list[Fact], delay_s: int) -> None:
        now = self.product.clock.now()
        sent = [self.sent(event, now, delay_s) for event in events]
        known = {repr(sorted(content(fact).items())) for fact in self.events()}
        results = self.product.record(sent)
        for event, result in zip(sent, results, strict=True):
            name = repr(sorted(content(event).items()))
            copies = [
                fact for fact in self.events() if (fact["station"], fact["id"]) == (event["station"], event["id"])
            ]
            contradicted = any(content(fact) != content(event) for fact in copies)
            expected = Status.CONFLICT if contradicted else Status.DUPLICATE if name in known else Status.ACCEPTED
            assert result.status is expected, (event, result)
            if name not in known:
                known.add(name)
                self.facts.append(event)
        self.settled()

    def sent(self, event: Fact, now: int, delay_s: int) -> Fact:
        """What is sent live leaves the station now."""
        live = not event["replayed"] and not event["imported"] and event["sent_at"] is not None
        sent_at = now - self.behind_s - delay_s if live else event["sent_at"]
        return {**event, "sent_at": sent_at, "received_at": now}

    def decide(self, fact: Fact) -> None:
        self.product.decide(fact)
        self.facts.append(fact)
        self.settled()

    def about_a_session(self, pick: int, fact: Fact) -> None:
        if named := sessions_named(self.facts):
            self.decide({**fact, "session": self.pick(named, pick)})

    def events(self) -> list[Fact]:
        return [fact for fact in self.facts if fact["kind"] == "event"]

    def pick(self, some: Any, pick: int) -> Any:
        return list(some)[pick % len(some)]

    def numbered(self) -> int:
        self.decided += 1
        return self.decided


def run(databases: SqliteDatabases | PostgresDatabases, examples: int, steps: int) -> None:
    class Here(Intake):
        pass

    Here.databases = databases
    profile = settings()
    soak = profile.max_examples > 1000
    run_state_machine_as_test(
        Here, settings=settings(profile, max_examples=examples * (100 if soak else 1), stateful_step_count=steps)
    )


def test_any_order_of_facts_on_sqlite(sqlite_databases: SqliteDatabases) -> None:
    run(sqlite_databases, examples=12, steps=25)


def test_any_order_of_facts_on_postgresql(postgres_databases: PostgresDatabases) -> None:
    run(postgres_databases, examples=4, steps=15)
