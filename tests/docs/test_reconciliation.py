"""docs/reconciliation.md is the table of cases in the code, and the format it shows can be read."""

import re
import tomllib

from billing.reconcile.bank.reading import format_of
from billing.reconcile.cases import CASES, Code
from tests.docs.cases import PAGE, written


def test_the_page_is_the_table_in_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run `python -m tests.docs.cases`"
    assert page.count("\n| **") == 21


def test_the_format_on_the_page_is_one() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    form = format_of(tomllib.loads(example))
    assert (form.date, form.text, form.skip) == ("Buchungstag", ("Verwendungszweck", "Name"), 1)


def test_every_case_of_the_table_says_what_it_means() -> None:
    assert set(CASES) == set(Code)
    for case in CASES.values():
        for words in (case.meaning, case.engine, case.person):
            assert words.endswith(".")
            assert "!" not in words
