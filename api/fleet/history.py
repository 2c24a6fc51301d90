"""Plays the story's past through the intake, on a clock that is moved along.

So the back-fill is what it would have been: notices, decisions and entries of yesterday bear yesterday's times. Until
shortly before the opening, stations report what they have queued every hour, because a commit for each message
would make the visitor wait; then each message comes live, at its own moment.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from api.fleet.story import Message, Story
from api.wiring import Idlefee
from billing import decisions
from sessions.clock import FixedClock
from sessions.events import SessionEvent, parse_batch, rfc3339
from sessions.intake import Status, Upload

ON_THE_WAY_S = 1  # from the station's stamp to our door
REPORTED_EVERY_S = 3600
LIVE_FOR_S = 12 * 60  # the owners whose cars stand full at the opening were told at the right moment


class HistoryRefused(Exception):
    """The intake did not take the demo's own past: a defect of the demo."""


@dataclass(frozen=True, slots=True)
class People:
    """How those who decide in the demo sign their facts."""

    operator: str
    support: str


def play(idlefee: Idlefee, clock: FixedClock, story: Story, people: People, tell: Callable[[], object]) -> None:
    """Everything up to the opening. `tell` does what is due at the clock's moment: yesterday's notices, yesterday."""

    def hear_until(moment: int) -> None:
        for heard_at, messages in groupby(story.until(moment), key=lambda message: _heard_at(message, story, moment)):
            clock.advance(heard_at - clock.now())
            _hear(idlefee, messages, heard_at)
            tell()

    for decided_at, decide in _decided(story, people):
        hear_until(decided_at)
        clock.advance(decided_at - clock.now())
        with idlefee.writing() as connection:
            decide(connection, decided_at)
        tell()
    hear_until(story.opens_at - ON_THE_WAY_S)
    clock.advance(story.opens_at - clock.now())
    tell()


def _heard_at(message: Message, story: Story, moment: int) -> int:
    """When we hear of a message if by `moment` we have heard of everything."""
    live_from = story.opens_at - LIVE_FOR_S
    if message.at >= live_from:
        return message.at + ON_THE_WAY_S
    return min((message.at // REPORTED_EVERY_S + 1) * REPORTED_EVERY_S, live_from, moment)


def _hear(idlefee: Idlefee, messages: Iterator[Message], heard_at: int) -> None:
    """What is heard at one moment, as its stations would have posted it."""
    sent = [
        {**message.event, "sent_at": rfc3339(heard_at), "replayed": message.at + ON_THE_WAY_S < heard_at}
        for message in messages
    ]
    events = [event for event in parse_batch(json.dumps(sent).encode()) if isinstance(event, SessionEvent)]
    results = idlefee.intake.submit(Upload(events, "station:demo")).result()
    refused = [result for result in results if result.status not in (Status.ACCEPTED, Status.CONFLICT)]
    if refused or len(events) < len(sent):
        raise HistoryRefused(str(refused or sent))


Decision = Callable[[Connection, int], object]


def _decided(story: Story, people: People) -> Iterator[tuple[int, Decision]]:
    """What people decided yesterday, in the order of time."""
    excused, waived = story.written["excused"], story.written["waived"]
    full_at = excused.starts_at + excused.visit.full_after_s
    made: list[tuple[int, Decision]] = [
        (
            excused.ends_at + 40 * 60,
            lambda connection, now: decisions.excuse(
                connection,
                excused.stall.site.id,
                full_at + 120,
                full_at + 22 * 60,
                stall=(excused.stall.station, excused.stall.name),
                author=people.operator,
                reason="a delivery lorry blocked the exit",
                now=now,
            ),
        ),
        (
            waived.ends_at + 25 * 60,
            lambda connection, now: decisions.waive(
                connection,
                decisions.session_key(connection, waived.session_id),
                3_00,
                author=people.support,
                reason="first time at this site",
                now=now,
            ),
        ),
    ]
    yield from sorted(made, key=lambda one: one[0])
