"""Reads the pages of the documentation: their blocks, commands, links and headings. No tests here."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]))

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block and what it says it is."""

    language: str
    text: str


@cache
def page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, heading: str, language: str) -> list[str]:
    """The blocks of one language under a heading, in their order; there must be one."""
    after = f"\n{page(path)}".partition(f"\n{heading}\n")[2]
    level = heading.partition(" ")[0]
    section = re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]
    found = [block.text for block in map(Block._make, _BLOCK.findall(section)) if block.language == language]
    assert found, f"{name(path)} has no {language} under {heading!r}"
    return found


def files_of(path: Path) -> dict[str, str]:
    """What a page says a file holds: its name in a line of its own, then a block."""
    return dict(_NAMED.findall(page(path)))


def commands(path: Path) -> Iterator[str]:
    """Everything that is meant to be typed: code in the text, and lines of shell blocks without their remarks."""
    for block in map(Block._make, _BLOCK.findall(page(path))):
        if block.language in {"sh", "bash", ""}:
            yield from (line.partition("  #")[0].strip() for line in block.text.splitlines())
    yield from map(str.strip, spans(path))


def spans(path: Path) -> list[str]:
    """Code in the text."""
    return _SPAN.findall(_BLOCK.sub("", page(path)))


def links(path: Path) -> list[str]:
    return _LINK.findall(_BLOCK.sub("", page(path)))


def anchors(path: Path) -> set[str]:
    """What a link may name after `#`, as GitHub makes it of a heading."""
    bare = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in _HEADING.findall(_BLOCK.sub("", page(path))))
    return {heading.strip().replace(" ", "-") for heading in bare}
