"""What moves on open pages, over SSE: one ticker for all of them, whose cost does not grow with the number of pages.

Once a second the ticker asks for the parts of every subject somebody watches, together, in a handful of queries,
and hands each page what changed. Clocks run in the browser; only states, fees and bars are sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Annotated, Any, NamedTuple

import structlog
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent

from sessions.clock import Clock

log = structlog.get_logger()

TICK_S = 1
WORD_EVERY_TICKS = 10  # a page that hears nothing for longer says so
REOPEN_AFTER_TICKS = 900  # a stream ends now and then, so that the next one asks again who is looking


class Subject(NamedTuple):
    """What a page watches, and for whom: the stalls after the site `name`, what runs of an owner's, or a session."""

    kind: str
    name: str
    owner_id: str | None = None
    is_staff: bool = False


Stream = AsyncIterator[ServerSentEvent]
Parts = Mapping[str, str]  # id of an element → its markup
Compute = Callable[[Collection[Subject], bool], Mapping[Subject, Parts]]


@dataclass(eq=False, slots=True)
class _Watcher:
    """One open page."""

    subject: Subject
    news: asyncio.Queue[dict[str, Any]] = field(default_factory=lambda: asyncio.Queue(2))
    seen: dict[str, str] = field(default_factory=dict)


class Ticker:
    """Computes once a second what is watched, in the event loop that first watched something."""

    def __init__(self, compute: Compute, clock: Clock) -> None:
        self._compute, self._clock = compute, clock
        self._watchers: set[_Watcher] = set()
        self._task: asyncio.Task[None] | None = None

    async def watch(self, subject: Subject) -> Stream:
        """What changes, until the page leaves; the first message says everything."""
        watcher = _Watcher(subject)
        self._watchers.add(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            for _ in range(REOPEN_AFTER_TICKS):
                yield ServerSentEvent(data=await watcher.news.get(), retry=2000)
        finally:
            self._watchers.discard(watcher)

    async def _run(self) -> None:
        tick = 0
        while self._watchers:
            tick += 1
            await self._tick(tick)
            await asyncio.sleep(TICK_S)

    async def _tick(self, tick: int) -> None:
        """One round. Bars move every fifth second; the rest when it changes."""
        watchers = list(self._watchers)
        try:
            found = await run_in_threadpool(self._compute, {one.subject for one in watchers}, tick % 5 == 1)
        except Exception as error:  # noqa: BLE001 - a database that is away comes back; the pages say how old they are
            log.error("the open pages were not refreshed", traceback="".join(format_exception(error)))
            return
        now = self._clock.now()
        for one in watchers:
            parts = found.get(one.subject, {})
            changed = {name: markup for name, markup in parts.items() if one.seen.get(name) != markup}
            if changed or not one.seen or tick % WORD_EVERY_TICKS == 0:
                one.seen.update(parts)
                with contextlib.suppress(asyncio.QueueFull):  # a page that does not read misses news, not memory
                    one.news.put_nowait({"now": now, "parts": changed})


def _ticker(request: Request) -> Ticker:
    ticker: Ticker = request.app.state.pages.ticker
    return ticker


Watching = Annotated[Ticker, Depends(_ticker)]
