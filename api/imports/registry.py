"""Sees to the places and people that rows name: finds them, or creates what is not there yet.

A token that an owner's row names stands for that owner from ever on, unless it stands for somebody already.
"""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, Text, select

from api.imports.rows import Problem, Row
from billing.assignments import DEFAULT_TARIFF, assign, assignments_of, in_use, latest
from billing.decisions import token_given
from billing.network import add_seller, add_site, add_station
from billing.owners import add_missing_owners, give_missing_tokens
from sessions.intake import TokenNames
from sessions.sites import BadName, Site, Unknown, all_sites
from sessions.statements import keys_of
from sessions.store.tables import sellers, stations

AUTHOR = "import"
DEFAULT_SELLER = "seller"
DEFAULT_SITE = "site"
DEFAULT_ZONE = "UTC"


class TariffAlreadyAssigned(Exception):
    """A site of the file bills by another tariff."""

    def __init__(self, site_id: str, assigned: str, wanted: str) -> None:
        super().__init__(f"{site_id} has {assigned}")
        self.site_id, self.assigned, self.wanted = site_id, assigned, wanted


class SeveralSellers(Exception):
    """A new site needs one seller, and there are several to choose from."""


class Registry:
    """What an import knows to be registered, and what it has created."""

    def __init__(
        self, names: TokenNames, *, tariff: str | None = None, site: str | None = None, seller: str | None = None
    ) -> None:
        self._names = names
        self._tariff, self._site, self._seller = tariff, site, seller
        self._sites: dict[str, Site] = {}
        self._site_of: dict[str, str] = {}
        self._holders: dict[str, str] = {}  # token → whose it is
        self.created = 0

    # -- before anything is stored ----------------------------------------------------------------------

    def check_tariff(self, connection: Connection, rows: Iterable[Row]) -> None:
        """Raises `TariffUnknown`, or `TariffAlreadyAssigned` for the first site of the file that has another tariff."""
        if self._tariff is None:
            return
        latest(connection, self._tariff)
        named: set[str] = {self._site} if self._site else set()
        unplaced: set[str] = set()
        for row in rows:
            if row.site is None:
                unplaced.add(row.station)
            else:
                named.add(row.site)
        named |= set(_sites_of(connection, unplaced).values())
        assigned = assignments_of(connection, named)
        for site_id in sorted(named):
            holding = {one.tariff.name for one in assigned.get(site_id, ())}
            if not holding and in_use(connection, site_id):
                holding = {DEFAULT_TARIFF}  # a car stands there under it already
            if other := sorted(holding - {self._tariff}):
                raise TariffAlreadyAssigned(site_id, other[0], self._tariff)

    # -- with each part of the file ---------------------------------------------------------------------

    def admit(
        self, connection: Connection, rows: Sequence[Row], now: int
    ) -> tuple[list[tuple[str, Row]], list[Problem]]:
        """Create what the rows name; answers those that can be taken in, each with its site, and what is wrong."""
        self._sites |= {site.id: site for site in all_sites(connection)}
        new_stations = {row.station for row in rows} - self._site_of.keys()
        self._site_of |= _sites_of(connection, new_stations)
        self._know_people(connection, rows, now)
        admitted: list[tuple[str, Row]] = []
        problems: list[Problem] = []
        for row in rows:
            try:
                site_id = self._place(connection, row, now)
            except (BadName, Unknown, _Misplaced) as fault:
                problems.append(Problem(row.line, str(fault)))
                continue
            admitted.append((site_id, row))
            if (taken := self._whose(row)) is not None:
                problems.append(Problem(row.line, taken, lost=False))
        return admitted, problems

    def _place(self, connection: Connection, row: Row, now: int) -> str:
        """The row's site, with its station registered there."""
        known = self._site_of.get(row.station)
        if known is not None:
            if row.site not in {None, known}:
                raise _Misplaced(f"station {row.station} is registered at site {known}, not at {row.site}: correct one")
            return known
        site_id = row.site or self._site or self._only_site()
        if site_id not in self._sites:
            self._found_site(connection, site_id, row, now)
        add_station(connection, row.station, site_id, author=AUTHOR, now=now)
        self._site_of[row.station] = site_id
        self.created += 1
        if self._tariff is not None and not assignments_of(connection, [site_id]):
            tariff = latest(connection, self._tariff)
            assign(connection, site_id, tariff, author=AUTHOR, reason="chosen at the import", now=now)
        return site_id

    def _only_site(self) -> str:
        if len(self._sites) > 1:
            raise _Misplaced("its station is not registered: say where it stands with --site SITE")
        return next(iter(self._sites), DEFAULT_SITE)

    def _found_site(self, connection: Connection, site_id: str, row: Row, now: int) -> None:
        zone = row.zone or DEFAULT_ZONE
        seller_id = seller_for_new_site(connection, self._seller, zone, AUTHOR, now)
        add_site(connection, site_id, seller_id, row.site_name or site_id, zone, author=AUTHOR, now=now)
        self._sites |= {site.id: site for site in all_sites(connection)}
        self.created += 1

    # -- people -----------------------------------------------------------------------------------------

    def _know_people(self, connection: Connection, rows: Sequence[Row], now: int) -> None:
        """Register the owners and tokens that are not there yet, all at once."""
        wanted = {row.token: row.owner for row in rows if row.token is not None and row.owner is not None}
        new = {uid: owner_id for uid, owner_id in wanted.items() if uid not in self._holders}
        self.created += add_missing_owners(connection, {row.owner for row in rows if row.owner is not None}, now)
        holders, heard_of = give_missing_tokens(connection, self._names, new, AUTHOR, now)
        self._holders |= holders
        for token_id in heard_of:
            token_given(connection, token_id, 0, None, now)

    def _whose(self, row: Row) -> str | None:
        """What to say of a row whose token is somebody else's."""
        holder = self._holders.get(row.token or "", row.owner)
        if row.owner is None or holder == row.owner:
            return None
        return f"its token stands for owner {holder}, not for {row.owner}, so the session is billed to {holder}"


class _Misplaced(ValueError):
    """The row's station cannot stand where the row has it."""


def seller_for_new_site(connection: Connection, named: str | None, zone: str, author: str, now: int) -> str:
    """The seller named, or the only one there is, or the first one, created. Raises `SeveralSellers`."""
    if named is not None:
        return named
    known = connection.execute(select(sellers.c.id).order_by(sellers.c.id).limit(2)).scalars().all()
    if len(known) > 1:
        raise SeveralSellers(", ".join(known))
    if not known:
        add_seller(connection, DEFAULT_SELLER, "Seller", zone, author=author, now=now)
        return DEFAULT_SELLER
    return str(known[0])


def _sites_of(connection: Connection, station_ids: Collection[str]) -> dict[str, str]:
    wanted = keys_of(connection, "wanted", (("id", Text()),), [(station_id,) for station_id in station_ids])
    statement = select(stations.c.id, stations.c.site_id).join(wanted, stations.c.id == wanted.c.id)
    return {row.id: row.site_id for row in connection.execute(statement)}
