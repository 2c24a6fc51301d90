"""Runs every folder beside this file: a rule of the bill as facts, a tariff and the exact outcome.

`facts.jsonl` holds one fact a line. A station event is in its wire form, as it is posted; one that arrived
live is wrapped with the moment it arrived. The other kinds are what people and the site add:

    {"kind": "live", "arrived_at": …, "event": {…}}         an event and when we first had it
    {"kind": "site", "zone": "Europe/Berlin"}               where the stall is; else America/Los_Angeles
    {"kind": "excuse", "start": …, "end": …, "reason": …}   an operator's, on our clock
    {"kind": "void", "id": …}                               an operator's, of one event
    {"kind": "notice_accepted", "at": …, "channel": …, "id": …}   which of them took which, on our clock
    {"kind": "occupancy", "at": …, "occupied": …, "in_service": …}
    {"kind": "last_heard", "at": …}                         the last message about the stall; no unplug came

`expected.json` holds the rule in a sentence and the bill of session `s-1`. A folder that lacks a file or an
expectation fails, and so does one with a file or an expectation that nobody reads.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from billing.rating import Context, FeeReport, Occupancy, explain, rate
from billing.tariffs import load_tariff
from sessions.events import Event, SessionEvent, content_digest, utc_seconds
from sessions.machine import Span, Timeline, fold

HERE = Path(__file__).parent
FOLDERS = sorted(path for path in HERE.iterdir() if path.is_dir() and not path.name.startswith("__"))
FILES = {"facts.jsonl", "tariff.toml", "expected.json"}
REQUIRED = {"rule", "billed_s", "fee_minor", "currency", "not_billable", "review", "ignored", "explanation"}
OPTIONAL = {"tax_minor", "capped_minor", "without_exclusions", "stays", "spans", "token", "offset_s"}
SESSION = "s-1"


@dataclass
class Facts:
    """The lines of one facts.jsonl, read."""

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("America/Los_Angeles"))
    events: list[Event] = field(default_factory=list)
    excuses: list[Span] = field(default_factory=list)
    occupancy: list[Occupancy] = field(default_factory=list)
    voided: set[str] = field(default_factory=set)
    notice: dict[str, Any] = field(default_factory=dict)
    last_heard_at: int | None = None

    def read(self, line: str) -> None:
        match json.loads(line):
            case {"kind": "live", "arrived_at": arrived_at, "event": event}:
                self.events.append(read_event(event, utc_seconds(arrived_at)))
            case {"kind": "site", "zone": zone}:
                self.zone = ZoneInfo(zone)
            case {"kind": "excuse", "start": start, "end": end, "reason": reason}:
                self.excuses.append(Span(utc_seconds(start), utc_seconds(end), reason))
            case {"kind": "void", "id": voided}:
                self.voided.add(voided)
            case {"kind": "notice_accepted", "at": at, **which}:
                self.notice = {"notice_accepted_at": utc_seconds(at)}
                self.notice |= {f"notice_{name}": which[name] for name in ("channel", "id") if name in which}
            case {"kind": "occupancy", "at": at, "occupied": occupied, "in_service": in_service}:
                self.occupancy.append(Occupancy(utc_seconds(at), occupied, in_service))
            case {"kind": "last_heard", "at": at}:
                self.last_heard_at = utc_seconds(at)
            case event:
                self.events.append(read_event(event, None))


def read_event(event: dict[str, Any], arrived_at_s: int | None) -> Event:
    read = SessionEvent.model_validate_json(json.dumps(event))
    return Event(
        at=read.at,
        seq=read.seq,
        type=read.type,
        id=read.id,
        stall=read.stall,
        session=read.session,
        cause=read.cause,
        token=read.token,
        offset_s=None if arrived_at_s is None else read.live_offset_s(arrived_at_s),
        digest=content_digest(read, read.token),
    )


def read_facts(lines: list[str]) -> Facts:
    facts = Facts()
    for line in lines:
        facts.read(line)
    return facts


def bill(folder: Path, lines: list[str]) -> tuple[Timeline, FeeReport, list[str]]:
    facts = read_facts(lines)
    tariff = load_tariff((folder / "tariff.toml").read_text())
    timeline = fold(facts.events, session=SESSION, until=facts.last_heard_at, voided=facts.voided)
    context = Context(facts.zone, tuple(facts.excuses), occupancy=tuple(facts.occupancy), **facts.notice)
    report = rate(timeline, tariff, context)
    return timeline, report, explain(report, facts.zone)


def outcome(timeline: Timeline, report: FeeReport, explanation: list[str]) -> dict[str, Any]:
    return {
        "billed_s": report.billed_s,
        "fee_minor": report.fee_minor,
        "currency": report.currency,
        "not_billable": report.not_billable,
        "review": list(timeline.review),
        "ignored": {event.id: ignored for event, ignored in timeline.judged if ignored},
        "explanation": explanation,
        "tax_minor": report.tax_minor,
        "capped_minor": report.capped_minor,
        "without_exclusions": report.without_exclusions,
        "stays": len(report.stays),
        "spans": [[span.label, span.end - span.start] for span in report.spans],
        "token": timeline.token,
        "offset_s": timeline.offset_s,
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_rule(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES, f"{folder.name} must hold exactly these files"
    expected = json.loads((folder / "expected.json").read_text())
    assert set(expected) >= REQUIRED, f"{folder.name}/expected.json lacks {REQUIRED - set(expected)}"
    assert set(expected) <= REQUIRED | OPTIONAL, f"nobody reads {set(expected) - REQUIRED - OPTIONAL}"
    assert expected.pop("rule").endswith("."), "the rule is a sentence"

    lines = (folder / "facts.jsonl").read_text().splitlines()
    billed = outcome(*bill(folder, lines))
    assert {name: billed[name] for name in expected} == expected
    for again in (lines[::-1], lines + lines):
        assert bill(folder, again) == bill(folder, lines), "order and second copies change nothing"


def test_there_are_scenarios() -> None:
    assert len(FOLDERS) > 50
