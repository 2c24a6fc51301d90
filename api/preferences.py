"""What owners want to hear, where and when not: `/v1/me/preferences`."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from api.answers import READS, WRITES
from api.guard import Engine, Owner
from api.inputs import Body, Text64
from billing.notices.kinds import KINDS
from billing.notices.preferences import CHANNELS, Preferences, preferences_of, save_preferences
from billing.owners import owner, set_language
from billing.texts import languages

router = APIRouter(prefix="/v1/me", tags=["me"])

TimeOfDay = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["22:00", "07:30"])
]
Kind = Annotated[str, Field(json_schema_extra={"enum": list(KINDS)})]
Channel = Annotated[str, Field(json_schema_extra={"enum": list(CHANNELS)})]
Language = Annotated[str, StringConstraints(pattern=f"^({'|'.join(languages())})$"), Field(examples=["en", "de"])]


class Quiet(Body):
    """Every day from `start` until before `end`, past midnight if need be: outside channels wait, but for
    charge_complete and fee_begun.
    """

    start: TimeOfDay
    end: TimeOfDay
    zone: Annotated[Text64, Field(examples=["Europe/Berlin"])]


class Mute(Body):
    """A kind of notice that a channel does not carry. The inbox keeps it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Kind
    channel: Channel


class PreferencesForm(Body):
    """All of them at once: what is left out is put back to its default."""

    language: Language = "en"
    quiet: Annotated[Quiet | None, Field(description="null: never quiet")] = None
    muted: Annotated[list[Mute], Field(default_factory=list, max_length=len(KINDS) * len(CHANNELS))]


class PreferencesRow(BaseModel):
    language: str
    quiet: Quiet | None
    muted: list[Mute]


@router.get("/preferences", responses=READS)
def show_my_preferences(idlefee: Engine, principal: Owner) -> PreferencesRow:
    """Your language, your quiet hours, and what you do not want to hear where."""
    with idlefee.reading() as connection:
        return _row(connection, principal.owner_id or "")


@router.put("/preferences", responses=WRITES)
def change_my_preferences(idlefee: Engine, principal: Owner, wanted: PreferencesForm) -> PreferencesRow:
    """Put these in place of those before. They hold from the next notice that is handed over."""
    quiet = wanted.quiet
    kept = Preferences(
        quiet_from=None if quiet is None else _minute(quiet.start),
        quiet_to=None if quiet is None else _minute(quiet.end),
        zone=None if quiet is None else quiet.zone,
        muted=frozenset((mute.kind, mute.channel) for mute in wanted.muted),
    )
    owner_id = principal.owner_id or ""
    with idlefee.writing() as connection:
        set_language(connection, owner_id, wanted.language)
        save_preferences(connection, owner_id, kept, idlefee.clock.now())
        return _row(connection, owner_id)


def _row(connection: Connection, owner_id: str) -> PreferencesRow:
    kept = preferences_of(connection, owner_id)
    quiet = None
    if kept.quiet_from is not None and kept.quiet_to is not None and kept.zone is not None:
        quiet = Quiet(start=_time(kept.quiet_from), end=_time(kept.quiet_to), zone=kept.zone)
    muted = [Mute.model_validate({"kind": kind, "channel": channel}) for kind, channel in sorted(kept.muted)]
    return PreferencesRow(language=owner(connection, owner_id).language, quiet=quiet, muted=muted)


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
