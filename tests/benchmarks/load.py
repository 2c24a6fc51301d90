"""What the benchmarks post, and a client light enough not to be what is measured.

The client speaks HTTP/1.1 over keep-alive connections by hand: a library would cost more than the server under test.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sessions.events import rfc3339

FIRST_PLUG_IN = 1_790_000_000
STORY = (
    ("plugged_in", 0),
    ("charging_started", 10),
    ("meter", 600),
    ("meter", 1200),
    ("charge_complete", 1800),
    ("unplugged", 2400),
)


def session_events(station: str, name: str, stall: int, plugged_in_at: int, token: str) -> Iterator[dict[str, object]]:
    """One whole session: six events, two billable minutes of every ten idle."""
    for number, (kind, after) in enumerate(STORY):
        event: dict[str, object] = {
            "id": f"{name}-{number}",
            "station": station,
            "stall": str(stall),
            "session": name,
            "type": kind,
            "at": rfc3339(plugged_in_at + after),
            "sent_at": rfc3339(plugged_in_at + after + 1),
        }
        if kind == "plugged_in":
            event["token"] = token
        if kind == "meter":
            event["data"] = {"soc_percent": 50, "power_w": 11_000}
        yield event


def uploads_of_500(stations: int, count: int, run: str) -> list[bytes]:
    """`count` uploads of 500 events, each of one station's sessions one after the other on eight stalls."""
    bodies = []
    for number in range(count):
        events = [
            event
            for each in range(84)
            for event in session_events(
                f"st{number % stations}",
                f"{run}{number}-{each}",
                each % 8 + 1,
                FIRST_PLUG_IN + (number // stations) * 400_000 + each // 8 * 3000,
                f"token-{each % 20}",
            )
        ]
        bodies.append(json.dumps(events[:500]).encode())
    return bodies


def single_events(connection: int, count: int, run: str, stretch: int) -> list[bytes]:
    """`count` uploads of one event each, in the order in which one station would send them. A `stretch` is a time of
    its own: no two cars stand at one stall at once.
    """
    begins = FIRST_PLUG_IN + stretch * 500_000
    events = (
        event
        for each in range(count)
        for event in session_events(
            f"st{connection}", f"{run}{connection}-{each}", 1, begins + each * 3000, f"token-{connection % 20}"
        )
    )
    return [json.dumps(event).encode() for event, _ in zip(events, range(count), strict=False)]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post."""

    host: str
    port: int
    path: str
    key: str = ""
    pid: int = 0


def post_all(target: Target, queues: Sequence[Sequence[bytes]]) -> float:
    """Post each queue over a connection of its own, one request at a time; seconds until the last answer.

    Raises `RuntimeError` on any answer but 200.
    """
    return asyncio.run(_post_all(target, queues))


async def _post_all(target: Target, queues: Sequence[Sequence[bytes]]) -> float:
    channels = [await asyncio.open_connection(target.host, target.port) for _ in queues]
    requests = [[_request(target, body) for body in queue] for queue in queues]
    begun = time.perf_counter()
    await asyncio.gather(*(_drain(*channel, queue) for channel, queue in zip(channels, requests, strict=True)))
    took = time.perf_counter() - begun
    for _, writer in channels:
        writer.close()
    return took


def _request(target: Target, body: bytes) -> bytes:
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.host}\r\nAuthorization: Bearer {target.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes]) -> None:
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
