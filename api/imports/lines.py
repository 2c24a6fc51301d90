"""JSON lines: one station event of `sessions.events` a line, exactly as it would be posted."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from api.imports.rows import Advance, Problem, Row, UnreadableFile
from sessions.events import MAX_EVENTS, EventFault, SessionEvent, UnusableUpload, parse_batch

Line = tuple[int, bytes]


def read(path: Path) -> Iterator[tuple[Row | Problem, Advance]]:
    """The events of the file in its order. Raises `UnreadableFile`."""
    try:
        total, done = path.stat().st_size, 0
        with path.open("rb") as file:
            filled = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
            while block := list(islice(filled, MAX_EVENTS)):
                done += sum(len(line) for _, line in block)
                for (number, _), event in zip(block, _parsed(block), strict=True):
                    yield _row(number, event), Advance(done, total)
    except OSError as fault:
        raise UnreadableFile(str(fault.strerror)) from None


def _parsed(block: Sequence[Line]) -> Sequence[SessionEvent | EventFault]:
    """What each line says; where the block cannot be read as a whole, line by line."""
    try:
        return parse_batch(b"\n".join(line.strip() for _, line in block))
    except UnusableUpload:
        return [_alone(line) for _, line in block]


def _alone(line: bytes) -> SessionEvent | EventFault:
    try:
        events = parse_batch(line)
    except UnusableUpload as fault:
        return EventFault(0, None, fault.code, fault.message)
    return events[0] if len(events) == 1 else EventFault(0, None, "not_an_object", "must be one JSON object")


def _row(line: int, event: SessionEvent | EventFault) -> Row | Problem:
    if isinstance(event, EventFault):
        return Problem(line, event.message)
    return Row(line, None, None, None, event.station, None, event.token, [event])
