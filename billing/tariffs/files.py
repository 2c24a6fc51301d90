"""Tariffs as text: TOML for people, JSON for the database and the API, and the presets that are shipped.

A faulty file is answered with all of its faults at once.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from billing.tariffs.model import Tariff


class TariffFaults(Exception):
    """All that is wrong with a tariff: (where, what) for each fault."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {what}" for where, what in faults))
        self.faults = faults


class UnknownPreset(Exception):
    """No tariff of that name is shipped."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no preset is called {name!r}; there are {', '.join(preset_names())}")
        self.name = name


def load_tariff(text: str) -> Tariff:
    """A tariff from TOML. Raises TariffFaults."""
    try:
        # Through JSON, because strict validation then takes lists for tuples and still no string for a number.
        # No field is a date, and a date must not pass for a string either: as a list it is a fault anywhere.
        content = json.dumps(tomllib.loads(text), default=lambda date: [str(date)])
    except RecursionError:
        raise TariffFaults([("file", "is nested too deep")]) from None
    except ValueError as fault:  # no TOML, or a number of thousands of digits
        raise TariffFaults([("file", f"is not TOML: {fault}")]) from None
    return tariff_from_json(content)


def tariff_from_json(text: str | bytes) -> Tariff:
    """A tariff from JSON. Raises TariffFaults."""
    try:
        return Tariff.model_validate_json(text)
    except ValidationError as error:
        raise TariffFaults([_fault(one) for one in error.errors(include_url=False)]) from None


_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is no field of a tariff",
    "unexpected_keyword_argument": "is no field of a tariff",
}


def _fault(error: ErrorDetails) -> tuple[str, str]:
    message = error["msg"].removeprefix("Value error, ")
    what = message.replace("Input should", "must").replace("String should", "must")
    return ".".join(str(part) for part in error["loc"]) or "file", _SENTENCES.get(error["type"], what)


def tariff_to_json(tariff: Tariff) -> str:
    """All fields, those at their default too: what a bill was made with must not change with a default."""
    return tariff.model_dump_json()


def tariff_to_toml(tariff: Tariff) -> str:
    """The tariff as a file that `load_tariff` reads back."""
    content = tariff.model_dump(mode="json", exclude_none=True)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lists = {key: value for key, value in content.items() if isinstance(value, list)}
    plain = {key: value for key, value in content.items() if key not in tables and key not in lists}
    lines = list(_assignments(plain))
    for key, table in tables.items():
        lines += ["", f"[{key}]", *_assignments(table)]
    for key, items in lists.items():
        for item in items:
            lines += ["", f"[[{key}]]", *_assignments(item)]
    return "\n".join(lines) + "\n"


def _assignments(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{key} = {_literal(value)}"


def _literal(value: Any) -> str:
    """JSON writes numbers, booleans, short lists and strings as TOML reads them; prose keeps its lines."""
    if isinstance(value, str) and "\n" in value:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"""\n{escaped}"""'
    return json.dumps(value, ensure_ascii=False)


@cache
def preset_names() -> tuple[str, ...]:
    """The names of the tariffs that are shipped."""
    shipped = (files("billing.tariffs") / "presets").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in shipped if file.name.endswith(".toml")))


@cache
def preset(name: str) -> Tariff:
    """A tariff that is shipped. Raises UnknownPreset."""
    if name not in preset_names():
        raise UnknownPreset(name)
    return load_tariff((files("billing.tariffs") / "presets" / f"{name}.toml").read_text("utf-8"))
