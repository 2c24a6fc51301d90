"""What an endpoint is: an address, the parameters it takes, and the function that answers an object."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .errors import Json
from .forms import Params
from .state import State

LISTED = "limit starting_after ending_before expand.*"


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in: `ref` is the id in its address, empty where there is none."""

    ref: str
    url: str
    params: Params


Answer = Callable[[State, Call], Json]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    known: frozenset[str]
    answer: Answer


def route(method: str, path: str, known: str, answer: Answer) -> Route:
    """`path` as `/v1/refunds/{id}`; `known` the parameters beside `expand`, in words."""
    pattern = re.compile(path.replace("{id}", r"(?P<ref>[\w-]+)"))
    return Route(method, pattern, frozenset([*known.split(), "expand.*"]), answer)
