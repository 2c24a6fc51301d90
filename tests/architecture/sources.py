"""What the architecture tests read: every file of the repository, and the imports of every Python file."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sessions", "billing", "api")


class Import(NamedTuple):
    """One module imported by a file, under its full name."""

    file: str
    line: int
    module: str

    def is_of(self, package: str) -> bool:
        return self.module == package or self.module.startswith(f"{package}.")


@cache
def repository_files() -> tuple[Path, ...]:
    """Every file git would commit, relative to the root: no build product, no local database."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(sorted({Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()}))


def python_files(*folders: str) -> list[Path]:
    return [file for file in repository_files() if file.suffix == ".py" and file.parts[0] in folders]


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"), filename=str(file))


def imports_of(file: Path) -> Iterator[Import]:
    """Imports anywhere in the file, inside functions and TYPE_CHECKING too: a layer has no back door."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (Import(str(file), node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield Import(str(file), node.lineno, node.module)
            yield from (Import(str(file), node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
