"""The product and the slow model told the same, step by step, and compared after each. No tests here."""

from collections import Counter
from random import Random
from typing import Any

from sessions.intake import Status
from tests.databases import PostgresDatabases, SqliteDatabases
from tests.model.events import Fact, SessionKey, World, content
from tests.model.generate import sessions_named
from tests.model.occupancy import closures
from tests.model.posting import NOTHING_POSTED, Posting, post
from tests.model.rules import bill
from tests.properties.driving import Deployment

HOUR_S = 3600
BY_HISTORY = ("review", "finalised")  # what stands then depends on what stood when they were decided


class Witness:
    """`facts` are what was told so far, as the model reads them; `postings` what should stand for each session."""

    def __init__(self, url: str, world: World, now: int) -> None:
        self.world = world
        self._registered = {site: list(about["stalls"]) for site, about in world["sites"].items()}
        self.product = Deployment(url, world, now)
        self.facts: list[Fact] = []
        self.postings: dict[SessionKey, Posting] = {}
        self.bills: dict[SessionKey, dict[str, Any]] = {}
        self._decided = 0

    def close(self) -> None:
        self.product.close()

    @property
    def now(self) -> int:
        return self.product.clock.now()

    @property
    def events(self) -> list[Fact]:
        return [fact for fact in self.facts if fact["kind"] == "event"]

    @property
    def sessions(self) -> list[SessionKey]:
        return sessions_named(self.facts)

    @property
    def waiting(self) -> list[SessionKey]:
        """Sessions with a fee that waits for a person."""
        return sorted(session for session, posting in self.postings.items() if posting.waits)

    def out_until_further_notice(self) -> list[Fact]:
        """Where a stall is out of service, and nobody has said since when it is back."""
        return [fact for fact in closures(self.facts) if fact["end"] is None]

    # -- what is told ---------------------------------------------------------------------------------------

    def take(self, events: list[Fact]) -> None:
        """One transaction of the intake; each event's answer must be what it should be."""
        arrived = [{**event, "received_at": self.now} for event in events]
        for event, result in zip(arrived, self.product.record(arrived), strict=True):
            copies = [
                known for known in self.events if (known["station"], known["id"]) == (event["station"], event["id"])
            ]
            same = [content(known) == content(event) for known in copies]
            expected = Status.CONFLICT if not all(same) else Status.DUPLICATE if same else Status.ACCEPTED
            assert result.status is expected, (event, result)
            if not any(same):
                self.facts.append(event)
                self._notice_stall(event)
        self.settled()

    def _notice_stall(self, event: Fact) -> None:
        """A stall stands there from the first message that names it, and has always stood there."""
        stalls = self.world["sites"][self.world["stations"][event["station"]]]["stalls"]
        if event["stall"] is not None and (event["station"], event["stall"]) not in stalls:
            stalls.append((event["station"], event["stall"]))

    def decide(self, fact: Fact) -> None:
        """One decision; those that follow each other are numbered."""
        self._decided += 1
        fact = {**fact, "n": self._decided}
        self.product.decide(fact)
        self.facts.append(fact)
        self.settled()

    def review(self, session: SessionKey, decision: str) -> None:
        """Release what waits, or reject it."""
        fee_minor = self.bills[session]["to_pay_minor"]
        self.decide({"kind": "review", "session": session, "decision": decision, "fee_minor": fee_minor})

    def give_token(self, holding: dict[str, Any]) -> None:
        self.world["tokens"].append(holding)
        self.product.decide({"kind": "token", **holding})
        self.settled()

    def pass_time(self, length_s: int) -> None:
        """A worker does what falls due, at the moment it does: sessions are over by silence, fees become final."""
        until = self.now + length_s
        while (due_at := self.product.next_step_at()) is not None and due_at <= until:
            self.product.put_clock(max(due_at, self.now))
            self.product.work()
            self.settled()
        self.product.put_clock(until)
        self.settled()

    # -- what should come of it -----------------------------------------------------------------------------

    def settled(self) -> None:
        """Bill and post every session by the model, and compare."""
        known = {fact["session"] for fact in self.facts if fact["kind"] == "finalised"}
        final = self.product.finalised(self.sessions) - known
        self.facts += [{"kind": "finalised", "session": session} for session in sorted(final)]
        for session in self.sessions:
            self.bills[session] = bill(self.facts, self.world, session, self.now)
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
            assert billed["state"] == "none" or charge.owner_id == billed["owner"], name
            if charge.owner_id is not None:
                owed[charge.owner_id, charge.currency] += posting.posted_minor
        assert books.owed_minor == {line: amount for line, amount in owed.items() if amount}
        assert not any(books.trial_minor.values()), books.trial_minor

    def end(self) -> None:
        """Every session is over, and `verify` finds nothing."""
        self.pass_time(25 * HOUR_S)
        assert self.product.differences() == []

    def tell_another(self, databases: SqliteDatabases | PostgresDatabases, rng: Random) -> None:
        """Told to a second database in another order, the same facts come to the same."""
        with databases.migrated() as url:
            other = Deployment(url, self._as_registered())
            try:
                self._tell(other, rng)
                self._compare_with(other)
            finally:
                other.close()

    def _as_registered(self) -> World:
        """The world with the stalls that it had before anything was told."""
        sites = {site: {**about, "stalls": self._registered[site]} for site, about in self.world["sites"].items()}
        return {**self.world, "sites": sites}

    def _tell(self, other: Deployment, rng: Random) -> None:
        for told in self._in_another_order(rng):
            if told[0]["kind"] == "event":
                other.put_clock(told[0]["received_at"])
                other.record(told)
            else:
                other.put_clock(self.now)
                other.decide(told[0])
            other.forget_finality()
        other.put_clock(self.now)
        other.time_out()

    def _in_another_order(self, rng: Random) -> list[list[Fact]]:
        """Decisions, and uploads of a few events each, shuffled; but an event is there when it is voided, a stall when
        something is decided about it, and decisions follow each other as they did.
        """
        decided = [fact for fact in self.facts if fact["kind"] not in ("event", *BY_HISTORY)]
        order = [[fact] for fact in decided] + self._uploads(rng)
        rng.shuffle(order)
        in_turn = iter(decided)
        order = [told if told[0]["kind"] == "event" else [next(in_turn)] for told in order]
        return sorted(order, key=lambda told: self._turn(told[0]))

    def _turn(self, fact: Fact) -> int:
        if fact["kind"] == "event":
            return 1
        registered = {tuple(stall) for stalls in self._registered.values() for stall in stalls}
        named_later = fact.get("stall") is not None and tuple(fact["stall"]) not in registered
        return 2 if named_later else {"assign": 0, "void": 2}.get(fact["kind"], 1)

    def _uploads(self, rng: Random) -> list[list[Fact]]:
        """When an event first arrived is part of what it says: only those of one second may share an upload."""
        events = rng.sample(self.events, len(self.events))
        uploads: list[list[Fact]] = []
        for event in sorted(events, key=lambda event: int(event["received_at"])):
            together = uploads and uploads[-1][0]["received_at"] == event["received_at"] and rng.random() < 0.7
            uploads[-1:] = [[*uploads[-1], event]] if together else [*uploads[-1:], [event]]
        return uploads

    def _compare_with(self, other: Deployment) -> None:
        here, there = self.product.books(), other.books()
        assert here.snapshots.keys() == there.snapshots.keys()
        by_history = {fact["session"] for fact in self.facts if fact["kind"] in BY_HISTORY}
        for session, billed in self.bills.items():
            name = "/".join(session)
            one, two = here.charges.get(name), there.charges.get(name)
            if billed["state"] != "ended":
                continue
            assert one is not None, name
            assert two is not None, name
            assert (one.report, one.owner_id) == (two.report, two.owner_id), name
            if not billed["review"] and session not in by_history:
                assert (one.fee_minor, one.tax_minor) == (two.fee_minor, two.tax_minor), name
        assert other.differences() == []
