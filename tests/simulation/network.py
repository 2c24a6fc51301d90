"""Four sellers on one account at the card processor, and who charges at them: what they pay with. No tests here."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from api.sandbox.serving import Sandbox, sandbox_running
from api.wiring import Idlefee, running
from billing.assignments import add_version, assign
from billing.invoices.policy import Dunning, Policy, decide
from billing.owners import Owner, add_owner, give_token
from billing.payments import setups
from billing.tariffs.model import Tariff, Tax
from sessions.clock import FixedClock
from sessions.sites import add_seller, add_site, add_station
from tests.integration.paying import choose
from tests.integration.small_world import settings_with

BEGINS = 1_802_217_600  # 2027-02-10: a month's end, and with it monthly invoices, falls into the month that is lived
CAME = BEGINS - 2 * 24 * 3600  # before that owners come with their cards
VISA, SAYS_NO, ASKS, TAKES_BACK = (
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_createDispute",
)
CARDS = (*(VISA,) * 16, *(SAYS_NO,) * 2, ASKS, TAKES_BACK)
MEANS = (*("card",) * 41, *("hand",) * 4, *("bank",) * 3, *("nothing",) * 2)
OWNERS_A_STATION = 60
RETRIES = (1, 3, 6)


@dataclass(frozen=True, slots=True)
class Firm:
    """A seller; `weight` of ten owners charge with it."""

    id: str
    zone: str
    tariff: Tariff
    policy: Policy
    weight: int


FIRMS = (
    Firm(
        "acme",
        "America/New_York",
        Tariff(name="acme", currency="USD", rate_minor_per_minute=40),
        Policy(dunning=Dunning(retry_days=RETRIES, last_step_days=9), return_credit_days=10),
        4,
    ),
    Firm(
        "volt",
        "Europe/Berlin",
        Tariff(
            name="volt",
            currency="EUR",
            rate_minor_per_minute=35,
            tax=Tax(code="VAT", rate_ppm=190_000),
            cap_minor=15_00,
        ),
        Policy(invoice_at="daily", minimum_minor={"EUR": 200}, dunning=Dunning(retry_days=(2,), last_step_days=8)),
        3,
    ),
    Firm(
        "denki",
        "Asia/Tokyo",
        Tariff(name="denki", currency="JPY", rate_minor_per_minute=55, tax=Tax(code="JCT", rate_ppm=100_000)),
        Policy(invoice_at="daily", dunning=Dunning(retry_days=RETRIES, last_step="write_off", last_step_days=10)),
        2,
    ),
    Firm(
        "sahn",
        "Asia/Amman",
        Tariff(name="sahn", currency="JOD", rate_minor_per_minute=283),
        Policy(invoice_at="monthly", dunning=Dunning(retry_days=(1, 2), last_step="hand_over", last_step_days=4)),
        1,
    ),
)


@dataclass(frozen=True, slots=True)
class Driver:
    """An owner, whose token is their id in capitals: with whom they charge, and what they pay with."""

    id: str
    firm: Firm
    means: str

    @property
    def token(self) -> str:
        return self.id.upper()


def drivers_of(random: Random, owners: int) -> list[Driver]:
    """The same for the same seed."""
    firms = [firm for firm in FIRMS for _ in range(firm.weight)]
    return [Driver(f"o{number}", random.choice(firms), random.choice(MEANS)) for number in range(owners)]


def stations_of(firm: Firm, owners: int) -> list[str]:
    number = max(2, owners * firm.weight // (10 * OWNERS_A_STATION))
    return [f"{firm.id}-{n}" for n in range(number)]


def settle_in(app: Idlefee, owners: int, drivers: list[Driver]) -> None:
    """Sellers with their tariffs and policies, sites, stations, owners and their tokens."""
    with app.writing() as connection:
        for firm in FIRMS:
            site = f"{firm.id}-site"
            add_seller(connection, firm.id, firm.id.capitalize(), firm.zone, CAME)
            add_site(connection, site, firm.id, site, firm.zone, CAME)
            tariff = add_version(connection, firm.tariff, "simulated", CAME)
            assign(connection, site, tariff, author="simulated", reason="it opens", now=CAME)
            decide(connection, firm.id, firm.policy, author="simulated", reason="it opens", now=CAME)
            for station in stations_of(firm, owners):
                add_station(connection, station, site, CAME)
        for one in drivers:
            add_owner(connection, Owner(one.id, f"Driver {one.id}", None), CAME)
            give_token(connection, app.names, uid=one.token, owner_id=one.id, author="simulated", now=CAME)


def add_card(app: Idlefee, sandbox: Sandbox, driver: Driver, card: str) -> None:
    """Through the processor's page, as an owner does. Raises what the processor does."""
    processor = app.processor
    assert processor is not None
    back = "http://127.0.0.1/back?s={setup}"
    setup = setups.begin_setup(app.engine, app.clock, processor, driver.id, driver.firm.id, back)
    choose(sandbox, setup.processor_ref or "", card)
    setups.look_at_setup(app.engine, app.clock, processor, setup)


@contextmanager
def network(url: str) -> Iterator[tuple[Idlefee, FixedClock, Sandbox]]:
    """A running product whose cards are charged at a sandbox, two days before the first morning."""
    clock = FixedClock(CAME)
    with sandbox_running(clock) as sandbox, running(settings_with(url, sandbox), clock) as app:
        yield app, clock, sandbox
