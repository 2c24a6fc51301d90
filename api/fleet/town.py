"""Who and what is there in the demo: a seller, two sites in two time zones, stations, stalls, owners and their cars.

All of it is invented. Nothing moves in here.
"""

from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from billing.assignments import DEFAULT_TARIFF, assign, latest
from billing.network import add_seller, add_site, add_stall, add_station, register_seller
from billing.owners import Owner, Vehicle, add_owner, add_vehicle, give_token
from sessions.intake import TokenNames

AUTHOR = "demo"
SELLER = ("lantern", "Lantern Charging", "America/New_York")
REGISTRATION = {
    "legal_name": "Lantern Charging Inc.",
    "address": "48 Example Wharf\nPortland, ME 04101",
    "tax_id": "00-0000000",
}


class DemoSite(NamedTuple):
    """A site and its time zone."""

    id: str
    name: str
    zone: str

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


class Stall(NamedTuple):
    """Where one car stands."""

    site: DemoSite
    station: str
    name: str

    @property
    def id(self) -> str:
        return f"{self.station}/{self.name}"


class Car(NamedTuple):
    """A car with the token that stands for it, and the site where it is usually charged."""

    owner_id: str
    token: str
    name: str
    plate: str
    site: str


HARBOR = DemoSite("harbor", "Harbor Lot", "America/Los_Angeles")
MILL = DemoSite("mill", "Mill Street", "America/New_York")
SITES = {site.id: site for site in (HARBOR, MILL)}

STALLS = {
    stall.id: stall
    for stall in (
        *(Stall(HARBOR, f"harbor-{number}", name) for number in (1, 2, 3) for name in "AB"),
        *(Stall(MILL, f"mill-{number}", name) for number in (1, 2) for name in "AB"),
    )
}
SPARE = Stall(MILL, "mill-3", "A")  # no simulated car ever stands here: it is left to whoever tries the demo
STATIONS = {stall.station: stall.site for stall in (*STALLS.values(), SPARE)}

OWNERS = {
    "mara": "Mara Lindqvist",
    "tomas": "Tomás Reyes",
    "priya": "Priya Nair",
    "jonah": "Jonah Whitaker",
    "aiko": "Aiko Tanaka",
    "luca": "Luca Ferraro",
    "wren": "Wren Okafor",
    "elif": "Elif Demir",
    "noor": "Noor Haddad",
    "anton": "Anton Vesely",
    "grace": "Grace Mbeki",
    "silas": "Silas Brandt",
}
CARS = (
    Car("mara", "04A91C52E77A80", "Blue hatchback", "8KLM214", "harbor"),
    Car("tomas", "0437D0B1F26E80", "Grey estate", "7TRB950", "harbor"),
    Car("priya", "04C2258A914D80", "White saloon", "9PXA037", "harbor"),
    Car("jonah", "045E8F03AB6180", "Red coupé", "6JWD488", "harbor"),
    Car("aiko", "04F1740C3D9280", "Silver hatchback", "8AKT126", "harbor"),
    Car("luca", "04086BD59E2C80", "Green roadster", "5LFO771", "harbor"),
    Car("wren", "047A13E84B0F80", "Black pickup", "4W03895", "harbor"),
    Car("elif", "04D96A27C15880", "Yellow city car", "KDM 4417", "mill"),
    Car("noor", "041B80F63AE480", "White estate", "HRN 2096", "mill"),
    Car("anton", "04E5349D708B80", "Blue van", "JVS 8853", "mill"),
    Car("grace", "0462CF1E85A780", "Grey saloon", "LMB 1310", "mill"),
    Car("silas", "049F07B264D380", "Orange hatchback", "FBT 6672", "mill"),
)
SPARE_CAR = Car("mara", "04A91C52E77A81", "Delivery van", "61204V3", "mill")  # as the stall: it stands nowhere
STRANGER = "04BAD3715CE980"  # a token nobody has told us about


def car_of(owner_id: str) -> Car:
    """An owner's first car."""
    return next(car for car in CARS if car.owner_id == owner_id)


def register(connection: Connection, names: TokenNames, now: int) -> None:
    """Write the town into an empty registry."""
    add_seller(connection, *SELLER, author=AUTHOR, now=now)
    register_seller(connection, SELLER[0], author=AUTHOR, now=now, **REGISTRATION)
    tariff = latest(connection, DEFAULT_TARIFF)
    for site in SITES.values():
        add_site(connection, site.id, SELLER[0], site.name, site.zone, author=AUTHOR, now=now)
        assign(connection, site.id, tariff, author=AUTHOR, reason="the house's tariff", now=now)
    for station, site in STATIONS.items():
        add_station(connection, station, site.id, author=AUTHOR, now=now)
    for stall in (*STALLS.values(), SPARE):
        add_stall(connection, stall.station, stall.name, None, author=AUTHOR, now=now)
    for owner_id, name in OWNERS.items():
        add_owner(connection, Owner(owner_id, name, f"{owner_id}@example.org"), now)
    for car in (*CARS, SPARE_CAR):
        token_id = give_token(connection, names, uid=car.token, owner_id=car.owner_id, author=AUTHOR, now=now)
        vehicle = Vehicle(car.plate.replace(" ", "").lower(), car.name, car.plate, token_id)
        add_vehicle(connection, car.owner_id, vehicle, now)
