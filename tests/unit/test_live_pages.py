"""The ticker behind open pages: what stands as it stood is not drawn again, and only what changed is sent."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from api.pages import live
from api.pages.live import News, Shown, Stamp, Subject, Ticker
from sessions.clock import FixedClock

STALLS = Subject("front", "")
ANN = Subject("me", "", "ann")


class Computed:
    """Answers with what it is told to, and counts how often it was asked. Stamps are what is shown."""

    def __init__(self) -> None:
        self.parts: dict[Subject, dict[str, str]] = {STALLS: {"a": "1", "b": "1"}, ANN: {"mine": "1"}}
        self.asked: list[set[Subject]] = []
        self.drawn: list[Subject] = []
        self.changes_at: int | None = None
        self.broken = False

    async def asked_for(self, times: int) -> None:
        """Returns once it was asked so often."""
        async with asyncio.timeout(5):
            while len(self.asked) < times:  # noqa: ASYNC110 - asked in another thread, which may not set an Event
                await asyncio.sleep(0.001)

    def __call__(self, known: Mapping[Subject, Stamp | None]) -> Mapping[Subject, News]:
        self.asked.append(set(known))
        if self.broken:
            raise ConnectionError("the database is away")
        stamps = {subject: str(self.parts[subject]) for subject in known}
        changed = [subject for subject in known if stamps[subject] != known[subject]]
        self.drawn += changed
        return {one: News(stamps[one], Shown(dict(self.parts[one]), self.changes_at), 0) for one in changed}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TICK_S", 0.01)


async def news_of(ticker: Ticker, subject: Subject, messages: int) -> list[Any]:
    watching = ticker.watch(subject)
    found = []
    async for message in watching:
        found.append(message.data["parts"])
        if len(found) == messages:
            break
    await watching.aclose()  # type: ignore[attr-defined]
    return found


def test_a_hundred_pages_are_asked_for_once_a_tick() -> None:
    computed = Computed()

    async def watched() -> list[list[Any]]:
        ticker = Ticker(computed, FixedClock(0))
        pages = [news_of(ticker, STALLS if number % 2 else ANN, 1) for number in range(100)]
        return await asyncio.gather(*pages)

    found = asyncio.run(watched())
    assert sorted(map(str, found)) == sorted([str([{"mine": "1"}])] * 50 + [str([{"a": "1", "b": "1"}])] * 50)
    assert len(computed.asked) <= 3  # the pages come together, but not all need be there at the first tick
    assert computed.asked[-1] <= {STALLS, ANN}


def test_a_page_whose_turn_has_not_come_waits_for_a_first_message_that_says_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "DRAWN_A_TICK", 1)
    computed = Computed()

    async def watched() -> list[list[Any]]:
        ticker = Ticker(computed, FixedClock(0))
        return list(await asyncio.gather(news_of(ticker, STALLS, 1), news_of(ticker, ANN, 1)))

    assert asyncio.run(watched()) == [[{"a": "1", "b": "1"}], [{"mine": "1"}]]


def test_only_what_changed_is_sent() -> None:
    computed = Computed()

    async def watched() -> list[Any]:
        ticker = Ticker(computed, FixedClock(0))
        watching = asyncio.create_task(news_of(ticker, STALLS, 2))
        await computed.asked_for(1)
        computed.parts[STALLS]["b"] = "2"
        return await watching

    assert asyncio.run(watched()) == [{"a": "1", "b": "1"}, {"b": "2"}]


def test_pages_go_on_when_the_database_comes_back() -> None:
    computed = Computed()
    computed.broken = True

    async def watched() -> list[Any]:
        ticker = Ticker(computed, FixedClock(0))
        watching = asyncio.create_task(news_of(ticker, ANN, 1))
        await computed.asked_for(2)
        computed.broken = False
        return await watching

    assert asyncio.run(watched()) == [{"mine": "1"}]


def test_nothing_is_computed_for_nobody() -> None:
    computed = Computed()

    async def watched() -> int:
        ticker = Ticker(computed, FixedClock(0))
        await news_of(ticker, ANN, 1)
        await asyncio.sleep(0.05)
        asked = len(computed.asked)
        await asyncio.sleep(0.05)
        assert len(computed.asked) == asked
        return len((await news_of(ticker, ANN, 1))[0])  # and it begins again for whoever comes next

    assert asyncio.run(watched()) == 1


def test_what_stands_as_it_stood_is_drawn_once_until_its_moment_comes() -> None:
    computed, clock = Computed(), FixedClock(0)
    computed.changes_at = 60

    async def watched() -> None:
        watching = asyncio.create_task(news_of(Ticker(computed, clock), ANN, 100))
        await computed.asked_for(5)
        assert computed.drawn == [ANN]
        computed.parts[ANN]["mine"] = "2"  # noticed by its stamp
        await computed.asked_for(8)
        assert computed.drawn == [ANN] * 2
        clock.advance(60)
        await computed.asked_for(12)
        assert len(computed.drawn) > 2
        watching.cancel()

    asyncio.run(watched())
