"""What the repository holds: a short top level, files a reader can take in, nothing of anybody's machine."""

import re

import pytest

from tests.architecture.sources import PACKAGES, ROOT, python_files, repository_files

TOP_LEVEL = {
    *("sessions", "billing", "api", "tests", "docs"),
    *("pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md"),
    *("requirements.lock", "requirements-dev.lock", ".ci", ".gitignore"),
}
MOST_LINES = 400
MOST_README_LINES = 150
LOCKS = ("requirements.lock", "requirements-dev.lock")
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)

# Written in halves, or this file would be the first to name what none may name.
REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "deb." + "debian.org",
    "crates" + ".io",
]
LOCAL_PATHS = ["/" + "work/", "/" + "root/", "/" + "tmp/", "file:" + "///"]
NOT_FOR_A_COMMIT = re.compile("|".join(map(re.escape, REGISTRIES + LOCAL_PATHS)))


def test_the_top_level_is_short() -> None:
    wrong = sorted({file.parts[0] for file in repository_files()} - TOP_LEVEL)
    assert not wrong, f"at the top level: {', '.join(wrong)}. Move them into one of {', '.join(sorted(TOP_LEVEL))}"


def test_no_file_outgrows_a_reader() -> None:
    lines = {
        file: (ROOT / file).read_text(encoding="utf-8").count("\n")
        for file in python_files(*PACKAGES, "tests")
        if "migrations" not in file.parts  # a record of what was done, in one piece
    }
    wrong = [
        f"{file} has {count} lines, over {MOST_LINES}: make it a folder {file.with_suffix('')}/"
        for file, count in lines.items()
        if count > MOST_LINES
    ]
    assert not wrong, "\n".join(wrong)


def test_the_readme_is_read_to_its_end() -> None:
    count = (ROOT / "README.md").read_text(encoding="utf-8").count("\n")
    assert count <= MOST_README_LINES, f"README.md has {count} lines, over {MOST_README_LINES}: move detail into docs/"


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    wrong = []
    for file in repository_files():
        content = (ROOT / file).read_bytes()
        if b"\0" in content:
            continue  # pictures and the like
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if found := NOT_FOR_A_COMMIT.search(line):
                wrong.append(f"{file}:{number} names {found.group()}: name the thing, not where this machine has it")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_names_versions_and_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "--hash=sha256:" in text
    wrong = [line for line in text.splitlines() if "://" in line or line.startswith("-")]
    assert not wrong, f"{lock} holds {wrong}: write it again with `make lock`"


def test_both_locks_agree() -> None:
    """`make install` and `make install-dev` share one .venv: a version named by both must be the same."""
    run, dev = ({m[1]: m[2] for m in PIN.finditer((ROOT / lock).read_text(encoding="utf-8"))} for lock in LOCKS)
    wrong = {name: (version, dev.get(name)) for name, version in run.items() if dev.get(name) != version}
    assert run
    assert not wrong, f"versions that differ: {wrong}: write both locks again with `make lock`"
