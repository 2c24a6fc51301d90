"""The product, driven by the facts of the slow model: the same worlds, events and decisions, and what came of them.

A `Deployment` is one database. Nothing is compared here; the tests do that.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select

from billing import decisions, ledger
from billing.assignments import add_version, assign, install_presets
from billing.engine import Cause, on_changes, resettle
from billing.owners import Owner, add_owner, give_token
from billing.settle import Charge, charge_from_row
from billing.store.tables import charges
from billing.tariffs import DAYS, NoFeeHours, Tariff, Tax, Tier
from sessions.database import connect, reading, writing
from sessions.events import SessionEvent, rfc3339
from sessions.facts import Fact as Recorded
from sessions.facts import Kind, record_facts
from sessions.grace import GraceMode, GracePolicy
from sessions.intake import EventResult, TokenNames, Upload, record
from sessions.sites import add_seller, add_site, add_stall, add_station
from sessions.store.queries import SessionKey
from sessions.store.tables import sessions
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
    """One database with a world's sellers, sites, stalls, tariffs and tokens."""

    def __init__(self, engine: Engine, world: model.World) -> None:
        self.engine = engine
        self.world = world
        with writing(engine) as connection:
            install_presets(connection, SINCE_EVER)
            self.names = TokenNames.load(connection)
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
            self.names,
            uid=holding["token"],
            owner_id=holding["owner"],
            author="test",
            now=SINCE_EVER,
            valid_from=holding["from"] or SINCE_EVER,
            valid_to=holding["to"],
        )

    # -- what happens ---------------------------------------------------------------------------------------

    def record(self, events: Sequence[model.Fact], now: int) -> list[EventResult]:
        """One transaction of the intake; one upload for each run of events that came the same way."""
        uploads: list[Upload] = []
        for event in events:
            imported = bool(event["imported"])
            if uploads and uploads[-1].imported == imported:
                uploads[-1] = Upload([*uploads[-1].events, as_event(event)], "test", imported=imported)
            else:
                uploads.append(Upload([as_event(event)], "test", imported=imported))
        with writing(self.engine) as connection:
            results = record(connection, uploads, now, self.names, [on_changes])
        return [one for upload in results for one in upload]

    def decide(self, fact: model.Fact, now: int) -> None:
        """Record what somebody decided, and let it settle."""
        with writing(self.engine) as connection:
            getattr(self, f"_{fact['kind']}")(connection, fact, now)

    def settle_again(self, now: int) -> None:
        """Settle every session as of `now`, as the time-outs that are due would."""
        with writing(self.engine) as connection:
            self._resettle_all(connection, now)

    def _assign(self, connection: Connection, fact: model.Fact, now: int) -> None:
        # Given as of the beginning: the product refuses what is back-dated, the model has no such moment.
        start, tariff = fact["from"] or SINCE_EVER, self.tariffs[fact["tariff"]]
        assign(connection, fact["site"], tariff, now=SINCE_EVER, valid_from=start, **BY)

    def _excuse(self, connection: Connection, fact: model.Fact, now: int) -> None:
        stall = None if fact["stall"] is None else tuple(fact["stall"])
        decisions.excuse(connection, fact["site"], fact["start"], fact["end"], stall=stall, now=now, **BY)

    def _out_of_service(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decisions.out_of_service(connection, tuple(fact["stall"]), fact["start"], fact["end"], now=now, **BY)

    def _void(self, connection: Connection, fact: model.Fact, now: int) -> None:
        decisions.void_event(connection, fact["station"], fact["id"], now=now, **BY)

    def _rerate(self, connection: Connection, fact: model.Fact, now: int) -> None:
        sites = sorted(self.world["sites"]) if fact["site"] is None else [fact["site"]]
        name = self.tariffs[fact["tariff"]].name
        decisions.order_rerate(connection, sites, name, fact["from"], fact["to"], now=now, **BY)
        self._resettle_all(connection, now)

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
        noted = Recorded(site_id=key.site_id, kind=kind, session_id=key.id, **BY, **more)
        record_facts(connection, [noted], now)
        resettle(connection, [key], now, Cause(kind.value, quiet=True))

    def _resettle_all(self, connection: Connection, now: int) -> None:
        known = select(sessions.c.site_id, sessions.c.id)
        keys = [SessionKey(*row) for row in connection.execute(known)]
        resettle(connection, keys, now, Cause("all", quiet=True))

    # -- what came of it ------------------------------------------------------------------------------------

    def key(self, session: model.SessionKey) -> SessionKey:
        station, name = session
        return SessionKey(self.world["stations"][station], f"{station}/{name}")

    def books(self) -> Books:
        with reading(self.engine) as connection:
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


@contextmanager
def deployed(url: str, world: model.World) -> Iterator[Deployment]:
    engine = connect(url)
    try:
        yield Deployment(engine, world)
    finally:
        engine.dispose()


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
