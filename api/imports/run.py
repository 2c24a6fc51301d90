"""The import itself: rows in, uploads through the intake, a summary out. Bad rows are reported, the rest is stored.

A file is taken in part by part, each in transactions of its own: an interrupted import is completed by a second one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from api.imports.formats import READERS, Format, guess_format
from api.imports.registry import AUTHOR, Registry
from api.imports.rows import Advance, Problem, Row
from api.imports.summary import Summary, summarise
from api.wiring import Idlefee
from sessions.intake import EventResult, Status, Upload
from sessions.store.queries import SessionKey
from sessions.store.tables import conflicts

EVENTS_A_PART = 5_000  # large enough that a commit's cost is nothing, small enough for any machine's memory

OnAdvance = Callable[[Advance], None]


@dataclass(slots=True)
class Imported:
    """What became of a file."""

    format: Format
    new_events: int = 0
    known_events: int = 0
    conflicts: int = 0  # event ids that came with a second content for the first time
    created: int = 0  # sites, stations, owners and tokens that were not there before
    problems: list[Problem] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)

    @property
    def changed(self) -> bool:
        return bool(self.new_events or self.conflicts or self.created)

    def to_json(self) -> dict[str, Any]:
        return self.summary.to_json() | {
            "format": self.format.value,
            "changed": self.changed,
            "new_events": self.new_events,
            "known_events": self.known_events,
            "conflicts": self.conflicts,
            "problems": [problem._asdict() for problem in self.problems],
        }


def import_file(
    app: Idlefee,
    path: Path,
    chosen: Format | None = None,
    *,
    tariff: str | None = None,
    site: str | None = None,
    seller: str | None = None,
    on_advance: OnAdvance = lambda _: None,
) -> Imported:
    """Take the file in. `site` is where stations stand that no row places, `seller` whose new sites are.

    Raises `UnreadableFile`, `TariffUnknown`, `TariffAlreadyAssigned`, `SeveralSellers`, and when the database cannot
    commit `sessions.writer.Unavailable`.
    """
    file_format = chosen or guess_format(path)
    read = READERS[file_format]
    registry = Registry(app.names, tariff=tariff, site=site, seller=seller)
    if tariff is not None:
        with app.reading() as connection:
            registry.check_tariff(connection, (row for row, _ in read(path) if isinstance(row, Row)))
    done = Imported(file_format)
    keys: set[SessionKey] = set()
    conflicts_before = _count_conflicts(app)
    for part in _parts(read(path), done.problems, on_advance):
        keys |= _take_in(app, registry, part, done)
    done.conflicts = _count_conflicts(app) - conflicts_before
    done.created = registry.created
    done.problems.sort()
    with app.reading() as connection:
        done.summary = summarise(connection, keys)
    return done


def _parts(
    rows: Iterable[tuple[Row | Problem, Advance]], problems: list[Problem], on_advance: OnAdvance
) -> Iterator[list[Row]]:
    """Whole rows up to a commit's size; rows that could not be read go to `problems`."""
    part: list[Row] = []
    size = 0
    for row, advance in rows:
        if isinstance(row, Problem):
            problems.append(row)
            continue
        part.append(row)
        size += len(row.events)
        if size >= EVENTS_A_PART:
            yield part
            on_advance(advance)
            part, size = [], 0
    if part:
        yield part


def _take_in(app: Idlefee, registry: Registry, rows: Sequence[Row], done: Imported) -> set[SessionKey]:
    """Register what the rows name, hand their events to the intake; answers the sessions they belong to."""
    with app.writing() as connection:
        admitted, problems = registry.admit(connection, rows, app.clock.now())
    done.problems += problems
    events = [(row.line, event) for _, row in admitted for event in row.events]
    results = app.intake.submit(Upload([event for _, event in events], AUTHOR, imported=True)).result()
    for (line, _), result in zip(events, results, strict=True):
        _note(line, result, done)
    return {
        SessionKey(site_id, f"{event.station}/{event.session}")
        for site_id, row in admitted
        for event in row.events
        if event.session is not None
    }


def _count_conflicts(app: Idlefee) -> int:
    """The intake answers a conflict the same way however often it comes; how many there are tells the first time."""
    with app.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(conflicts)).scalar_one())


def _note(line: int, result: EventResult, done: Imported) -> None:
    match result.status:
        case Status.ACCEPTED:
            done.new_events += 1
        case Status.DUPLICATE:
            done.known_events += 1
        case Status.CONFLICT:
            done.problems.append(Problem(line, f"event {result.id}: {result.message}", lost=False))
        case Status.REJECTED:
            done.problems.append(Problem(line, f"event {result.id}: {result.message}"))
