"""The table of settings is the settings."""

from api.settings import Settings
from tests.docs.reading import ROOT, page

OPERATING = ROOT / "docs" / "operating.md"


def test_the_table_of_settings_is_complete_and_says_what_the_code_says() -> None:
    rows = [
        f"| `IDLEFEE_{name.upper()}` | {'–' if field.default is None else f'`{field.default}`'} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    written = [line for line in page(OPERATING).splitlines() if line.startswith("| `IDLEFEE_")]
    assert written == rows, "docs/operating.md must have these rows:\n" + "\n".join(rows)
