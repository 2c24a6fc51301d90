"""Links lead somewhere, and pictures are small and shown."""

import re
from pathlib import Path

import pytest

from tests.docs.reading import PAGES, ROOT, anchors, files_of, links, name, spans

IMAGES = ROOT / "docs" / "images"
LARGEST_IMAGE_BYTES = 200_000

_PLACE = re.compile(r"(?:sessions|billing|api|tests|docs)/[\w./-]+")


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    wrong = [link for link in links(path) if not link.startswith(("http://", "https://")) and not _leads(path, link)]
    assert not wrong, f"{name(path)} links to {', '.join(wrong)}: nothing is there"


def _leads(path: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_files_and_rooms_that_are_named_are_there(path: Path) -> None:
    told = [span for span in spans(path) if _PLACE.fullmatch(span)]
    wrong = [place for place in told if place not in files_of(path) and not _is_there(place)]
    assert not wrong, f"{name(path)} names {', '.join(wrong)}: nothing is there"


def _is_there(place: str) -> bool:
    return (ROOT / place).exists() or (ROOT / f"{place}.py").is_file()


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        to = [(path.parent / link.partition("#")[0]).resolve() for link in links(path) if "://" not in link]
        pages = [
            page for one in to for page in ([*one.glob("*.md")] if one.is_dir() else [one]) if page.suffix == ".md"
        ]
        waiting += [page for page in pages if page not in reached]
    assert not set(PAGES) - reached, f"nothing leads to {', '.join(map(name, set(PAGES) - reached))}: link to it"


def test_pictures_are_shown_somewhere_and_load_fast() -> None:
    pictures = {path for path in IMAGES.iterdir() if path.is_file()}
    shown = {(path.parent / link).resolve() for path in PAGES for link in links(path) if "images/" in link}
    assert pictures == shown, "each picture is on a page, and each picture on a page is there"
    wrong = [path.name for path in pictures if path.stat().st_size > LARGEST_IMAGE_BYTES]
    assert not wrong, f"over {LARGEST_IMAGE_BYTES} bytes: {', '.join(wrong)}"
