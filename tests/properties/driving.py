"""The product, driven by the facts of the slow model: the same worlds, events and decisions, and what came of them.

A `Deployment` is one database. Nothing is compared here; the tests do that.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, select

from api.access.limits import Limits
from api.access.secret import Secret
from api.settings import Settings
from api.wiring import Idlefee
from api.worker import Worker
from billing import decisions, ledger, orders
from billing.assignments import add_version, assign, install_presets
from billing.engine import Cause, on_changes, resettle
from billing.owners import Owner, add_owner, give_token
from billing.settle import Charge, charge_from_row
from billing.store.tables import charges, jobs
from billing.tariffs import DAYS, NoFeeHours, Tariff, Tax, Tier
from billing.verify import verify
from sessions.clock import FixedClock
from sessions.database import connect
from sessions.events import SessionEvent, rfc3339
from sessions.facts import Fact as Recorded
from sessions.facts import Kind, facts_of, record_facts
from sessions.grace import GraceMode, GracePolicy
from sessions.intake import EventResult, TokenNames, Upload, record
from sessions.sites import add_seller, add_site, add_stall, add_station
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions
from sessions.writer import Intake
from tests.model import events as model
from tests.model.generate import OWNERS

SELLER = "seller"
BY = {"author": "test", "reason": "because"}
SINCE_EVER = 0


class Books(NamedTuple):
    """What a database says in the end, in the order of the sessions' names."""

    charges: dict[str, Charge]
    snapshots: dict[str, dict[str, Any]]
    trial_minor: dict[str, int]  # by currency
    owed_minor: dict[tuple[str, str], int]  # by owner and currency


class Deployment:
    """One database with a world's sellers, sites, stalls, tariffs and tokens; `app.clock` stands where it is put."""

    def __init__(self, url: str, world: model.World, now: int = SINCE_EVER) -> None:
        self.world = world
        self.clock = FixedClock(now)
        engine = connect(url)
        with engine.connect() as connection:
            names, secret = TokenNames.load(connection), Secret.load(connection)
        intake, limits = Intake(engine, self.clock, [on_changes]), Limits(engine, self.clock, secret)
        self.app = Idlefee(Settings(database_url=url), engine, self.clock, intake, names, secret, limits)
        with self.app.writing() as connection:
            install_presets(connection, SINCE_EVER)
            self._build(connection)

    def _build(self, connection: Connection) -> None:
        add_seller(connection, SELLER, "Seller", "UTC", SINCE_EVER)
        for site, about in self.world["sites"].items():
            add_site(connection, site, SELLER, site, about["zone"], SINCE_EVER)
        for station, site in self.world["stations"].items():
            add_station(connection, station, site, SINCE_EVER)
        for about in self.world["sites"].values():
            for station, stall in about["stalls"]:
                add_stall(connection, station, stall, SINCE_EVER, None)
        for owner in OWNERS:
            add_owner(connection, Owner(owner, owner, None), SINCE_EVER)
        self.tariffs = {
            name: add_version(connection, as_tariff(f"its-{name}", body), "test", SINCE_EVER)
            for name, body in self.world["tariffs"].items()
        }
        for holding in self.world["tokens"]:
            self._give(connection, holding)

    def _give(self, connection: Connection, holding: dict[str, Any]) -> str:
        return give_token(
            connection,
            self.app.names,
            uid=holding["token"],
            owner_id=holding["owner"],
            author="test",
            now=SINCE_EVER,
            valid_from=holding["from"] or SINCE_EVER,
            valid_to=holding["to"],
        )

    # -- what happens ---------------------------------------------------------------------------------------

    def record(self, events: Sequence[model.Fact]) -> list[EventResult]:
        """One transaction of the intake; one upload for each run of events that came the same way."""
        uploads: list[Upload] = []
        for event in events:
            imported = bool(event["imported"])
            if uploads and uploads[-1].imported == imported:
                uploads[-1] = Upload([*uploads[-1].events, as_event(event)], "test", imported=imported)
            else:
                uploads.append(Upload([as_event(event)], "test", imported=imported))
        with self.app.writing() as connection:
            results = record(connection, uploads, self.clock.now(), self.app.names, [on_changes])
        return [one for upload in results for one in upload]

    def decide(self, fact: model.Fact) -> None:
        """Record what somebody decided, and let it settle."""
        if fact["kind"] == "rerate":
            self._rerate(fact)
            return
        with self.app.writing() as connection:
            getattr(self, f"_{fact['kind']}")(connection, fact, self.clock.now())

    def put_clock(self, now: int) -> None:
        self.clock.advance(now - self.clock.now())

    def next_step_at(self) -> int | None:
        """When the next job is due."""
        with self.app.reading() as connection:
            return connection.execute(select(func.min(jobs.c.due_at))).scalar()

    def work(self) -> None:
        """Do what is due by now; a step that fails is an error here."""
        Worker(self.app, channels=[]).run_due()
        with self.app.reading() as connection:
            failed = connection.execute(select(jobs.c.key, jobs.c.last_error).where(jobs.c.last_error.is_not(None)))
            if found := failed.all():
                raise AssertionError(f"steps failed: {found}")

    def time_out(self) -> None:
        """Carry out the time-outs that are due; nothing becomes final."""
        self.forget_finality()
        self.work()

    def forget_finality(self) -> None:
        """Drop every step but the time-outs: the moments at which people are told, and what follows from that."""
        with self.app.writing() as connection:
            connection.execute(delete(jobs).where(jobs.c.kind != "time_out"))

    def _assign(self, connection: Connection, fact: model.Fact, now: int) -> None:
        # Given as of the beginning: the product refuses what is back-dated, the model has no such moment.
        start, tariff = fact["from"] or SINCE_EVER, self.tariffs[fact["tariff"]]
        assign(connection, fact["site"], tariff, now=SINCE_EVER, valid_from=start, **BY)

    def _excuse(self, connection: Connection, fact: model.Fact, now: int) -> None:
        stall = None if fact["stall"] is None else tuple(fact["stall"])
        decisions.excuse(connection, fact["site"], fact["start"], fact["end"], stall=stall, now=now, **BY)

    def _out_of_service(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decisions.out_of_service(connection, tuple(fact["stall"]), fact["start"], fact["end"], now=now, **BY)

    def _back_in_service(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decisions.back_in_service(connection, tuple(fact["stall"]), fact["at"], now=now, **BY)

    def _void(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decisions.void_event(connection, fact["station"], fact["id"], now=now, **BY)

    def _rerate(self, fact: model.Fact) -> None:
        sites = sorted(self.world["sites"]) if fact["site"] is None else [fact["site"]]
        name = self.tariffs[fact["tariff"]].name
        with self.app.writing() as connection:
            given = orders.ordered(connection, sites, name, fact["from"], fact["to"], now=self.clock.now(), **BY)
        orders.carry_out(self.app.engine, self.clock, given)

    def _claim(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decisions.claim(connection, self.key(fact["session"]), fact["owner"], now=now, **BY)

    def _waiver(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decisions.waive(connection, self.key(fact["session"]), fact["amount_minor"], now=now, **BY)

    def _review(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decide = decisions.release if fact["decision"] == "release" else decisions.reject
        decide(connection, self.key(fact["session"]), now=now, **BY)

    def _notice_accepted(self, connection: Connection, fact: model.Fact, now: int) -> None:
        self._note(connection, Kind.NOTICE_ACCEPTED, fact, now, starts_at=fact["at"])

    def _finalised(self, connection: Connection, fact: model.Fact, now: int) -> None:
        self._note(connection, Kind.FINALISED, fact, now)

    def _token(self, connection: Connection, fact: model.Fact, now: int) -> None:
        token_id = self._give(connection, fact)
        decisions.token_given(connection, token_id, fact["from"] or SINCE_EVER, fact["to"], now)

    def _note(self, connection: Connection, kind: Kind, fact: model.Fact, now: int, **more: Any) -> None:
        key = self.key(fact["session"])
        noted = Recorded(site_id=key.site_id, kind=kind, session_id=key.id, author="test", reason="because", **more)
        record_facts(connection, [noted], now)
        resettle(connection, [key], now, Cause(kind.value, quiet=True))

    # -- what came of it ------------------------------------------------------------------------------------

    def key(self, session: model.SessionKey) -> SessionKey:
        station, name = session
        return SessionKey(self.world["stations"][station], f"{station}/{name}")

    def books(self) -> Books:
        with self.app.reading() as connection:
            charged = map(charge_from_row, connection.execute(select(charges)).mappings())
            trial: dict[str, int] = {}
            for row in ledger.trial_balance(connection):
                trial[row.currency] = trial.get(row.currency, 0) + row.balance_minor
            return Books(
                charges={charge.key.id: charge for charge in charged},
                snapshots={row["id"]: dict(row) for row in connection.execute(select(sessions)).mappings()},
                trial_minor=trial,
                owed_minor={
                    (owner, currency): amount
                    for owner in OWNERS
                    for (_, currency), amount in ledger.owner_balances(connection, owner).items()
                    if amount
                },
            )

    def finalised(self, named: Sequence[model.SessionKey]) -> set[model.SessionKey]:
        """Those of the sessions that time has made final."""
        with self.app.reading() as connection:
            recorded = facts_of(connection, [self.key(session) for session in named])
        return {
            session
            for session in named
            if any(fact.kind is Kind.FINALISED for fact in recorded.get(self.key(session), []))
        }

    def differences(self) -> list[str]:
        """What `verify` has to say."""
        found: list[str] = []
        verify(self.app.engine, self.clock.now(), lambda one: found.append(str(one)))
        return found

    def close(self) -> None:
        self.app.engine.dispose()


@contextmanager
def deployed(url: str, world: model.World, now: int = SINCE_EVER) -> Iterator[Deployment]:
    deployment = Deployment(url, world, now)
    try:
        yield deployment
    finally:
        deployment.close()


def as_event(fact: model.Fact) -> SessionEvent:
    """The model's event as a station would post it."""
    wire = {name: fact[name] for name in ("id", "station", "stall", "session", "type", "seq", "cause", "token")}
    sent_at = None if fact["sent_at"] is None else rfc3339(fact["sent_at"])
    return SessionEvent.model_validate(
        {**wire, "at": rfc3339(fact["at"]), "sent_at": sent_at, "replayed": fact["replayed"]}
    )


def as_tariff(name: str, body: dict[str, Any]) -> Tariff:
    plain = ("currency", "rate_minor_per_minute", "fragment", "cap_minor", "requires_notice", "review_above_minor")
    return Tariff(
        name=name,
        grace=GracePolicy(
            mode=GraceMode(body["grace_mode"]),
            grace_s=body["grace_s"],
            grace_again_after_s=body["grace_again_after_s"],
            min_resume_s=body["min_resume_s"],
        ),
        tiers=tuple(Tier(from_percent=percent, rate_minor_per_minute=rate) for percent, rate in body["tiers"]),
        no_fee_hours=tuple(
            NoFeeHours(days=tuple(DAYS[day] for day in window["days"]), start=window["start"], end=window["end"])
            for window in body["no_fee_hours"]
        ),
        tax=Tax(**body["tax"]) if body["tax"] else None,
        **{key: body[key] for key in plain},
    )
