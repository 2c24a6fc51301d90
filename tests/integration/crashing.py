"""A process that dies at a chosen moment: before or after any commit, before or after any call to the processor.

    points = Points(app.engine)
    with points.counting():          # how many moments there are, and which
        work()
    with points.dying_at(3):         # the same work, and death at the fourth
        work()

`points.watching(processor)` is the processor whose calls count. No tests here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine

from billing.payments.processor import Processor


class Died(BaseException):
    """The process is gone: nothing catches this, and nothing after it runs."""


class Points:
    """Every moment at which a process may die, counted or died at while a block runs."""

    def __init__(self, engine: Engine) -> None:
        self.names: list[str] = []
        self._on, self._die_at = False, -1
        dialect: Any = engine.dialect
        commit = dialect.do_commit

        def committing(connection: Any) -> None:
            self._pass("before a commit")
            commit(connection)
            self._pass("after a commit")

        dialect.do_commit = committing

    def _pass(self, name: str) -> None:
        if not self._on:
            return
        self.names.append(name)
        if len(self.names) - 1 == self._die_at:
            self._on = False  # what a dead process would not do happens no more: rolling back is the database's
            raise Died(name)

    def watching(self, processor: Processor) -> Processor:
        """The processor, each of its calls between two moments."""
        watched: Any = _Watched(processor, self._pass)
        found: Processor = watched
        return found

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The names of all moments that the block passes."""
        self.names, self._die_at, self._on = [], -1, True
        try:
            yield self.names
        finally:
            self._on = False

    @contextmanager
    def dying_at(self, point: int) -> Iterator[None]:
        """The block dies at this moment, counted from 0; what comes after it is left undone."""
        self.names, self._die_at, self._on = [], point, True
        try:
            with suppress(Died):
                yield
        finally:
            self._on = False


class _Watched:
    def __init__(self, processor: Processor, pass_: Callable[[str], None]) -> None:
        self._processor, self._pass = processor, pass_

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._processor, name)

        def calling(*args: Any, **named: Any) -> Any:
            self._pass(f"before {name}")
            answer = call(*args, **named)
            answer = iter(list(answer)) if isinstance(answer, Iterator) else answer
            self._pass(f"after {name}")
            return answer

        return calling
