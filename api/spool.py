"""Files that are downloaded: made whole first, then handed out to whoever takes them, however slowly.

A connection of the database is held while the file is made, and not while it is read; a query that fails is an error,
and no half-empty file. What is long waits on the disk in a file without a name, which is gone when it was read.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO

HELD_IN_MEMORY_BYTES = 1 << 20
PIECE_BYTES = 1 << 16


def spooled(pieces: Iterable[str]) -> Iterator[bytes]:
    """The text in UTF-8. `pieces` were taken to their end before this returns."""

    def write(file: IO[bytes]) -> None:
        for piece in pieces:
            file.write(piece.encode())

    return spooled_file(write)


def spooled_file(write: Callable[[IO[bytes]], None]) -> Iterator[bytes]:
    """What `write` writes; it has written before this returns."""
    with ExitStack() as until_written:
        file = until_written.enter_context(SpooledTemporaryFile(HELD_IN_MEMORY_BYTES))
        write(file)
        until_written.pop_all()  # from here on who reads it closes it
    file.seek(0)
    return _pieces(file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece
