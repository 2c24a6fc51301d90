"""The worked example for a first change does what the page says."""

import json
from pathlib import Path

from tests.docs.reading import ROOT, files_of
from tests.scenarios.test_scenarios import FILES, REQUIRED, bill, outcome

CONTRIBUTING = ROOT / "docs" / "contributing.md"


def test_the_worked_example_is_a_scenario_that_holds(tmp_path: Path) -> None:
    files = files_of(CONTRIBUTING)
    folders = {path.rpartition("/")[0] for path in files if path.startswith("tests/scenarios/")}
    (preset,) = [text for path, text in files.items() if path.startswith("billing/tariffs/presets/")]
    (folder,) = folders
    (tmp_path / "tariff.toml").write_text(preset, encoding="utf-8")
    expected = json.loads(files[f"{folder}/expected.json"])
    lines = files[f"{folder}/facts.jsonl"].splitlines()

    assert {"tariff.toml", *(path.rpartition("/")[2] for path in files if path.startswith(folder))} == FILES
    assert set(expected) == REQUIRED
    assert expected.pop("rule").endswith(".")
    billed = outcome(*bill(tmp_path, lines))
    assert {name: billed[name] for name in expected} == expected
    assert not (ROOT / folder).exists(), "it is still to be done"
