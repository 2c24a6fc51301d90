"""What moves on open pages, over SSE: one ticker for all of them.

Some times a second the ticker asks, in a handful of queries for everybody, which of the watched subjects stand
otherwise than they did; only those are drawn again, and those whose moment has come to look different by themselves.
Each page is handed what changed. Clocks run in the browser; only states, fees and bars are sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Annotated, Any, NamedTuple

import structlog
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent

from sessions.clock import Clock

log = structlog.get_logger()

TICK_S = 0.25
WORD_EVERY_S = 10  # a page that hears nothing for longer says so
KEYS_EVERY_S = 1  # whoever was signed out sees nothing later than this
REOPEN_AFTER_S = 900  # a stream ends now and then, so that the next one asks again who is looking
LOOK_AGAIN_S = 60  # bars grow by themselves, and stations fall silent
DRAWN_A_TICK = 50  # of what nothing happened to: whatever did must not wait behind it


class Subject(NamedTuple):
    """What a page watches, and for whom: the stalls after the site `name`, what runs of an owner's, or a session."""

    kind: str
    name: str
    owner_id: str | None = None
    is_staff: bool = False


class Shown(NamedTuple):
    """What a page shows of its subject: id of an element → its markup. It looks different from `changes_at` on (UTC
    seconds) though nothing happens; none: not soon.
    """

    parts: Mapping[str, str]
    changes_at: int | None = None


Stream = AsyncIterator[ServerSentEvent]
Stamp = Hashable  # of the rows behind a subject: another stamp, another sight


class News(NamedTuple):
    """A subject as it was drawn."""

    stamp: Stamp
    shown: Shown
    drawn_at: int


# What has another stamp than the one given, which is none for what is to be drawn whatever its stamp.
Compute = Callable[[Mapping[Subject, Stamp | None]], Mapping[Subject, News]]
# Which of these browsers' keys still let in.
StillOpen = Callable[[Collection[str]], Collection[str]]


@dataclass(eq=False, slots=True)
class _Watcher:
    """One open page."""

    subject: Subject
    key_id: str | None
    news: asyncio.Queue[dict[str, Any] | None] = field(default_factory=lambda: asyncio.Queue(2))
    seen: dict[str, str] = field(default_factory=dict)
    told_at_s: float = 0

    def end(self) -> None:
        """Nothing more is told, not even what waits to be read."""
        while not self.news.empty():
            self.news.get_nowait()
        self.news.put_nowait(None)


class Ticker:
    """Computes what is watched, in the event loop that first watched something."""

    def __init__(self, compute: Compute, clock: Clock, still_open: StillOpen = frozenset) -> None:
        self._compute, self._clock, self._still_open = compute, clock, still_open
        self._keys_at_s = 0.0
        self._watchers: set[_Watcher] = set()
        self._drawn: dict[Subject, News] = {}
        self._task: asyncio.Task[None] | None = None

    async def watch(self, subject: Subject, key_id: str | None = None) -> Stream:
        """What changes, until the page leaves, or the browser's key `key_id` lets in no longer; the first message says
        everything.
        """
        watcher = _Watcher(subject, key_id)
        self._watchers.add(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        ends_at_s = asyncio.get_running_loop().time() + REOPEN_AFTER_S
        try:
            while asyncio.get_running_loop().time() < ends_at_s:
                if (news := await watcher.news.get()) is None:
                    return
                yield ServerSentEvent(data=news, retry=2000)
        finally:
            self._watchers.discard(watcher)

    async def _run(self) -> None:
        while self._watchers:
            await self._tick()
            await asyncio.sleep(TICK_S)
        self._drawn.clear()

    async def _tick(self) -> None:
        watchers, now = list(self._watchers), self._clock.now()
        watched = {one.subject for one in watchers}
        drawn = {subject: news for subject, news in self._drawn.items() if subject in watched}
        try:
            watchers = await self._let_in(watchers)
            self._drawn = {**drawn, **await run_in_threadpool(self._compute, _asked_for(watched, drawn, now))}
        except Exception as error:  # noqa: BLE001 - a database that is away comes back; the pages say how old they are
            log.error("the open pages were not refreshed", traceback="".join(format_exception(error)))
            return
        self._tell(watchers)

    async def _let_in(self, watchers: list[_Watcher]) -> list[_Watcher]:
        """Those whom nobody signed out; the pages of the others end."""
        at_s = asyncio.get_running_loop().time()
        keys = {one.key_id for one in watchers if one.key_id is not None}
        if not keys or at_s - self._keys_at_s < KEYS_EVERY_S:
            return watchers
        still_open = await run_in_threadpool(self._still_open, keys)
        self._keys_at_s = at_s
        for one in watchers:
            if one.key_id is not None and one.key_id not in still_open:
                self._watchers.discard(one)
                one.end()
        return [one for one in watchers if one in self._watchers]

    def _tell(self, watchers: Collection[_Watcher]) -> None:
        now, at_s = self._clock.now(), asyncio.get_running_loop().time()
        for one in watchers:
            if (news := self._drawn.get(one.subject)) is None:
                continue  # its turn comes
            changed = {name: markup for name, markup in news.shown.parts.items() if one.seen.get(name) != markup}
            if changed or at_s - one.told_at_s >= WORD_EVERY_S:
                with contextlib.suppress(asyncio.QueueFull):  # a page that does not read misses news, not memory
                    one.news.put_nowait({"now": now, "parts": changed})
                    one.seen.update(changed)
                    one.told_at_s = at_s


def _asked_for(watched: Collection[Subject], drawn: Mapping[Subject, News], now: int) -> dict[Subject, Stamp | None]:
    """Everything drawn before, by its stamp; and a few to be drawn anyway: what looks different by now, then what was
    not drawn yet, or long ago.
    """
    asked: dict[Subject, Stamp | None] = {subject: news.stamp for subject, news in drawn.items()}
    different = [one for one, news in drawn.items() if (at := news.shown.changes_at) is not None and at <= now]
    long_ago = now - LOOK_AGAIN_S
    drawn_at = {subject: drawn[subject].drawn_at if subject in drawn else long_ago for subject in watched}
    due = sorted((one for one in watched if drawn_at[one] <= long_ago), key=drawn_at.__getitem__)
    return asked | dict.fromkeys([*different, *due][:DRAWN_A_TICK])


def _ticker(request: Request) -> Ticker:
    ticker: Ticker = request.state.pages.ticker
    return ticker


Watching = Annotated[Ticker, Depends(_ticker)]
