"""The formats there are, and which one a file is in."""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from api.imports import acn, lines, table
from api.imports.rows import Reader, UnreadableFile

_ENOUGH = 65_536  # characters: the first line of any file we read is shorter


class Format(StrEnum):
    """What a file of sessions may be written in."""

    ACN = "acn"
    CSV = "csv"
    JSONL = "jsonl"


READERS: Mapping[Format, Reader] = {Format.ACN: acn.read, Format.CSV: table.read, Format.JSONL: lines.read}
_SUFFIXES = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}


def guess_format(path: Path) -> Format:
    """By the file's name, else by how it begins. Raises `UnreadableFile`."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            beginning = file.read(_ENOUGH)
    except OSError as fault:
        raise UnreadableFile(str(fault.strerror)) from None
    if not beginning.strip():
        raise UnreadableFile("it is empty")
    return _SUFFIXES.get(path.suffix.lower()) or _by_beginning(beginning.strip())


def _by_beginning(text: str) -> Format:
    first = text.split("\n", 1)[0].strip()
    if not first.startswith(("{", "[")):
        return Format.CSV
    try:
        document = json.loads(first)
    except ValueError:
        return Format.ACN  # a document over many lines
    return Format.JSONL if isinstance(document, dict) and "type" in document else Format.ACN
