"""Reading a request as Stripe does: form fields with brackets, whole numbers and booleans as text, nothing unknown.

Pure. `a[b]=1&c[0]=x` becomes `{"a": {"b": "1"}, "c": ["x"]}`; every error is Stripe's own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from .errors import Json, invalid

MOST_METADATA = 50
LONGEST_NAME, LONGEST_VALUE = 40, 500


def fields_of(form: str) -> Json:
    """The nested fields of a form body or a query."""
    root: Json = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        first, *inner = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", name) or [name]
        place: Json = root
        for step, following in zip([first, *inner], [*inner, None], strict=True):
            key = step or str(len(place))
            if following is None:
                place[key] = value
            else:
                nested = place.setdefault(key, {})
                if not isinstance(nested, dict):
                    raise invalid(f"Invalid object: {name}", param=first)
                place = nested
    return {name: _lists(value) for name, value in root.items()}


def _lists(value: object) -> object:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(inner) for key, inner in value.items()}


@dataclass(frozen=True, slots=True)
class Params:
    """The fields of one request, already known to be among those that its endpoint takes."""

    fields: Json

    def text(self, name: str) -> str | None:
        value = self._at(name)
        if isinstance(value, (dict, list)):
            raise invalid(f"Invalid string: {value}", param=brackets(name))
        return None if value in {None, ""} else str(value)

    def needed(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid(f"Missing required param: {brackets(name)}.", param=brackets(name), code="parameter_missing")
        return value

    def whole(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise invalid(f"Invalid integer: {value}", param=brackets(name), code="parameter_invalid_integer")
        return int(value)

    def flag(self, name: str) -> bool:
        value = self.text(name)
        if value not in {None, "true", "false"}:
            raise invalid(f"Invalid boolean: {value}", param=brackets(name))
        return value == "true"

    def words(self, name: str) -> list[str]:
        value = self._at(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise invalid("Invalid array", param=brackets(name))
        return [str(word) for word in value]

    def metadata(self, before: Json | None = None, name: str = "metadata") -> Json:
        """`before` with what is set and, where the value is empty, without what is unset."""
        # https://docs.stripe.com/api/metadata
        given = self._at(name)
        if given == "":
            return {}
        if not isinstance(given, dict):
            return dict(before or {})
        merged = {key: str(value) for key, value in ((before or {}) | given).items() if value != ""}
        if len(merged) > MOST_METADATA:
            raise invalid(f"You can only have {MOST_METADATA} keys.", param=name)
        for key, value in merged.items():
            if len(key) > LONGEST_NAME or len(value) > LONGEST_VALUE:
                raise invalid("Metadata: names have up to 40 characters, values up to 500.", param=f"{name}[{key}]")
        return merged

    def between(self, name: str) -> tuple[int | None, int | None]:
        """The half-open interval that `created`, or `created[gte]` and the like, ask for."""
        if not isinstance(self._at(name), dict):
            moment = self.whole(name)
            return moment, None if moment is None else moment + 1
        starts = [_moved(self.whole(f"{name}.gte"), 0), _moved(self.whole(f"{name}.gt"), 1)]
        ends = [_moved(self.whole(f"{name}.lt"), 0), _moved(self.whole(f"{name}.lte"), 1)]
        return (
            max((start for start in starts if start is not None), default=None),
            min((end for end in ends if end is not None), default=None),
        )

    def _at(self, name: str) -> object:
        value: object = self.fields
        for step in name.split("."):
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return value


def refuse_unknown(fields: Json, known: frozenset[str]) -> None:
    """Stripe takes no parameter it does not know. `known` has dotted names; `metadata.*` allows what is below."""
    for path in _paths(fields):
        steps = path.split(".")
        above = {".".join([*steps[:count], "*"]) for count in range(1, len(steps))}
        if path not in known and f"{path}.*" not in known and not above & known:
            name = brackets(path)
            raise invalid(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")


def _paths(fields: Json, before: str = "") -> Iterator[str]:
    for name, value in fields.items():
        path = f"{before}{name}"
        if isinstance(value, dict) and value:
            yield from _paths(value, f"{path}.")
        else:
            yield f"{path}.0" if isinstance(value, list) else path


def brackets(path: str) -> str:
    """`created.gte` as Stripe writes it: `created[gte]`."""
    first, *inner = path.split(".")
    return first + "".join(f"[{step}]" for step in inner)


def _moved(moment: int | None, by: int) -> int | None:
    return None if moment is None else moment + by
