"""What people decide in a file: TOML for them, JSON for the database and the API, one pydantic model for both.

A faulty file is answered with all of its faults at once. No tables and no meaning here: tariffs and policies are forms.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Form = TypeVar("Form", bound=BaseModel)


class Faults(Exception):
    """All that is wrong with a form: (where, what) for each fault."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where}: {what}" for where, what in faults))
        self.faults = faults


def from_toml(form: type[Form], text: str, named: str, fails: type[Faults]) -> Form:
    """The form that a file fills in. `named` is what people call it: a tariff. Raises `fails`."""
    try:
        # Through JSON, because strict validation then takes lists for tuples and still no string for a number.
        # No field is a date, and a date must not pass for a string either: as a list it is a fault anywhere.
        content = json.dumps(tomllib.loads(text), default=lambda date: [str(date)])
    except RecursionError:
        raise fails([("file", "is nested too deep")]) from None
    except ValueError as fault:  # no TOML, or a number of thousands of digits
        raise fails([("file", f"is not TOML: {fault}")]) from None
    return from_json(form, content, named, fails)


def from_json(form: type[Form], text: str | bytes, named: str, fails: type[Faults]) -> Form:
    """The same from JSON. Raises `fails`."""
    try:
        return form.model_validate_json(text)
    except ValidationError as error:
        raise fails([_fault(one, named) for one in error.errors(include_url=False)]) from None


def _fault(error: ErrorDetails, named: str) -> tuple[str, str]:
    where = ".".join(str(part) for part in error["loc"]) or "file"
    match error["type"]:
        case "missing":
            return where, "is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return where, f"is no field of a {named}"
    message = error["msg"].removeprefix("Value error, ")
    return where, message.replace("Input should", "must").replace("String should", "must")


def to_toml(form: BaseModel) -> str:
    """The form as a file that `from_toml` reads back."""
    return "\n".join(_table(_told(form), "")).lstrip("\n") + "\n"


def _told(form: BaseModel) -> dict[str, Any]:
    """What the form says; not that a list is empty which is so by itself: people add tables of it."""
    content = form.model_dump(mode="json", exclude_none=True)
    for name, field in type(form).model_fields.items():
        inner = getattr(form, name)
        if inner == field.default == ():
            del content[name]
        elif isinstance(inner, BaseModel):
            content[name] = _told(inner)
    return content


def _table(content: Mapping[str, Any], path: str) -> Iterator[str]:
    """What stands by itself, then the tables, then the lists of tables."""
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lists = {key: value for key, value in content.items() if _is_list_of_tables(value)}
    for key, value in content.items():
        if key not in tables and key not in lists:
            yield f"{key} = {_literal(value)}"
    for key, table in tables.items():
        inner = list(_table(table, f"{path}{key}."))
        if inner and inner[0]:
            yield from ("", f"[{path}{key}]")
        yield from inner
    for key, items in lists.items():
        for item in items:
            yield from ("", f"[[{path}{key}]]", *_table(item, f"{path}{key}."))


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _literal(value: Any) -> str:
    """JSON writes numbers, booleans, short lists and strings as TOML reads them; prose keeps its lines."""
    if isinstance(value, str) and "\n" in value:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"""\n{escaped}"""'
    return json.dumps(value, ensure_ascii=False)
