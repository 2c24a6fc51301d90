"""Stations, their neighbours and the people around them, in any order: after every step the intake, the books and the
slow model of `tests/model` say the same of every session.

Uploads come shuffled, late, twice and in contradiction to themselves; between them people excuse, void, claim, waive,
review and re-rate, and time passes, so that sessions are over by silence and become final. At the end `verify` finds
nothing, and a second database that is told the same facts in another order ends with the same bills and balances.
"""

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from billing.decisions import NothingToDecide
from tests.databases import PostgresDatabases, SqliteDatabases
from tests.model.events import Fact
from tests.model.generate import OWNERS, TOKENS
from tests.model.tight import BEGIN, HORIZON_S, stalls_of, tight_history, tight_world
from tests.properties.witness import HOUR_S, Witness

STARTS_S = st.integers(-30, HORIZON_S + 300)
LENGTHS_S = st.sampled_from((1, 2, 30, 60, 61, 300))
TARIFFS = ("standard", "tiered", "odd")
ONE = st.integers(0, 10_000)


class AnyOrder(RuleBasedStateMachine):
    """`left` of the stream was not sent yet; `behind_s` is the station's clock."""

    databases: SqliteDatabases | PostgresDatabases

    @initialize(
        seed=st.integers(0, 2**32), behind_s=st.sampled_from((0, 0, 7, -45, HOUR_S)), at_first=st.integers(0, 30)
    )
    def a_town(self, seed: int, behind_s: int, at_first: int) -> None:
        self.rng = Random(seed)
        world = tight_world(self.rng)
        self.left = tight_history(self.rng, world)
        self.behind_s = behind_s
        self.database = self.databases.migrated()
        self.witness = Witness(self.database.__enter__(), world, BEGIN + HORIZON_S + HOUR_S)
        for site in sorted(world["sites"]):
            self.witness.decide({"kind": "assign", "site": site, "tariff": self.rng.choice(TARIFFS), "from": None})
        self.upload(at_first, 0, 0)

    # -- stations -------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 20), again=st.integers(0, 3), delay_s=st.sampled_from((0, 0, 0, 1, 121)))
    def upload(self, count: int, again: int, delay_s: int) -> None:
        """The next of the stream, which has no order, and some for a second time; what is live leaves now."""
        new, self.left = self.left[:count], self.left[count:]
        sent = self.witness.events
        sent_at = self.witness.now - self.behind_s - delay_s
        uploaded = [*new, *self.rng.sample(sent, min(again, len(sent)))]
        self.witness.take([{**one, "sent_at": sent_at} if is_live(one) else one for one in uploaded])

    @rule(count=st.integers(10, 30))
    def upload_much(self, count: int) -> None:
        self.upload(count, 0, 0)

    @rule(pick=ONE, later_s=st.sampled_from((0, 1, 60)))
    def contradict(self, pick: int, later_s: int) -> None:
        sent = self.witness.events
        if sent and pick % 3 == 0:  # not too often: who is in review is not billed
            event = sent[pick % len(sent)]
            self.witness.take([{**event, "at": event["at"] + later_s, "seq": 77}])

    # -- people ---------------------------------------------------------------------------------------------

    @rule(pick=ONE)
    def void(self, pick: int) -> None:
        voided = {fact["id"] for fact in self.witness.facts if fact["kind"] == "void"}
        if left := [event for event in self.witness.events if event["id"] not in voided]:
            event = chosen(left, pick)
            self.witness.decide({"kind": "void", "station": event["station"], "id": event["id"]})

    @rule(pick=ONE, start_s=STARTS_S, length_s=LENGTHS_S)
    def excuse(self, pick: int, start_s: int, length_s: int) -> None:
        site, about = chosen(self.witness.world["sites"].items(), pick)
        start, stall = BEGIN + start_s, chosen([None, *about["stalls"]], pick)
        self.witness.decide({"kind": "excuse", "site": site, "stall": stall, "start": start, "end": start + length_s})

    @rule(pick=ONE, start_s=STARTS_S, length_s=st.none() | LENGTHS_S)
    def out_of_service(self, pick: int, start_s: int, length_s: int | None) -> None:
        start, stall = BEGIN + start_s, chosen(stalls_of(self.witness.world), pick)
        end = None if length_s is None else start + length_s
        self.witness.decide({"kind": "out_of_service", "stall": stall, "start": start, "end": end})

    @precondition(lambda self: self.witness.out_until_further_notice())
    @rule(pick=ONE, length_s=LENGTHS_S)
    def back_in_service(self, pick: int, length_s: int) -> None:
        out = chosen(self.witness.out_until_further_notice(), pick)
        self.witness.decide({"kind": "back_in_service", "stall": out["stall"], "at": out["start"] + length_s})

    @rule(pick=ONE, tariff=st.sampled_from(TARIFFS), start_s=STARTS_S, everywhere=st.booleans())
    def rerate(self, pick: int, tariff: str, start_s: int, everywhere: bool) -> None:
        site = None if everywhere else chosen(sorted(self.witness.world["sites"]), pick)
        start = BEGIN + start_s
        self.witness.decide({"kind": "rerate", "site": site, "from": start, "to": start + 300, "tariff": tariff})

    @rule(pick=ONE, owner=st.sampled_from((*OWNERS, None)))
    def claim(self, pick: int, owner: str | None) -> None:
        self.about_a_session(pick, {"kind": "claim", "owner": owner})

    @rule(pick=ONE, amount_minor=st.sampled_from((None, 1, 40)))
    def waive(self, pick: int, amount_minor: int | None) -> None:
        self.about_a_session(pick, {"kind": "waiver", "amount_minor": amount_minor})

    @rule(pick=ONE, start_s=STARTS_S)
    def accept_a_notice(self, pick: int, start_s: int) -> None:
        self.about_a_session(pick, {"kind": "notice_accepted", "at": BEGIN + start_s})

    @precondition(lambda self: all(one["token"] != TOKENS[2] for one in self.witness.world["tokens"]))
    @rule(owner=st.sampled_from(OWNERS), start_s=STARTS_S)
    def give_a_token(self, owner: str, start_s: int) -> None:
        self.witness.give_token({"token": TOKENS[2], "owner": owner, "from": BEGIN + start_s, "to": None})

    @rule(pick=ONE, decision=st.sampled_from(("release", "release", "reject")))
    def review(self, pick: int, decision: str) -> None:
        if waiting := self.witness.waiting:
            self.witness.review(chosen(waiting, pick), decision)

    @rule(pick=ONE)
    def review_what_does_not_wait(self, pick: int) -> None:
        bills = self.witness.bills
        clear = sorted(set(bills) - set(self.witness.waiting))
        clear = [session for session in clear if bills[session]["state"] == "ended" and not bills[session]["review"]]
        if clear:
            fact = {"kind": "review", "session": chosen(clear, pick), "decision": "reject"}
            with pytest.raises(NothingToDecide):
                self.witness.product.decide(fact)

    # -- time -----------------------------------------------------------------------------------------------

    @rule(length_s=st.sampled_from((1, 60, HOUR_S, 25 * HOUR_S, 73 * HOUR_S)))
    def time_passes(self, length_s: int) -> None:
        self.witness.pass_time(length_s)

    def teardown(self) -> None:
        if not hasattr(self, "witness"):
            return
        try:
            self.upload(len(self.left), 0, 0)
            self.witness.end()
            self.witness.tell_another(self.databases, self.rng)
        finally:
            self.witness.close()
            self.database.__exit__(None, None, None)

    def about_a_session(self, pick: int, fact: Fact) -> None:
        if named := self.witness.sessions:
            self.witness.decide({**fact, "session": chosen(named, pick)})


def is_live(event: Fact) -> bool:
    return not event["replayed"] and not event["imported"] and event["sent_at"] is not None


def chosen(some: Iterable[Any], pick: int) -> Any:
    among = list(some)
    return among[pick % len(among)]


def run(databases: SqliteDatabases | PostgresDatabases, examples: int, steps: int) -> None:
    """So many examples in the everyday profile, and in proportion more in one that tries harder."""
    machine = type("Here", (AnyOrder,), {"databases": databases})
    profile, everyday = settings(), settings.get_profile("everyday")
    examples = examples * profile.max_examples // everyday.max_examples
    run_state_machine_as_test(machine, settings=settings(profile, max_examples=examples, stateful_step_count=steps))


def test_any_order_of_facts_on_sqlite(sqlite_databases: SqliteDatabases) -> None:
    run(sqlite_databases, examples=4, steps=25)


def test_any_order_of_facts_on_postgresql(postgres_databases: PostgresDatabases) -> None:
    run(postgres_databases, examples=2, steps=12)
