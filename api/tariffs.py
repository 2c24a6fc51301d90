"""Operators about prices: tariffs, validated with all faults named at once, versioned, never edited."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel

from api.answers import READS, WRITES
from api.forms import TOML, read_form
from api.guard import Engine, Operator, Staff
from api.inputs import Moment, PathTariff, RawBody
from api.paging import Cursor, Limit, Page, page_of, place_of
from billing import assignments
from billing.assignments import VersionRow, add_version, latest, tariff_version, tariffs_after, versions_of
from billing.tariffs import Tariff, load_tariff, preset, preset_names, tariff_from_json, tariff_to_toml

router = APIRouter(prefix="/v1", tags=["tariffs"])

Version = Annotated[int, Query(ge=1, le=10**6)]
Format = Annotated[Literal["json", "toml"], Query(description="toml: as a file for people")]

_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/Tariff"}},
        TOML: {
            "schema": {"type": "string"},
            "example": 'name = "quay"\ncurrency = "USD"\nrate_minor_per_minute = 40\n\n[grace]\ngrace_s = 300\n',
        },
    },
}
_TOML_TOO: dict[int | str, dict[str, Any]] = {200: {"content": {TOML: {"schema": {"type": "string"}}}}}


class TariffVersion(BaseModel):
    """A version of a tariff and where it came from."""

    name: str
    version: int
    recorded_at: Moment
    author: str


@router.get("/tariffs", responses=READS)
def list_tariffs(idlefee: Engine, _principal: Staff, cursor: Cursor = None, limit: Limit = 50) -> Page[TariffVersion]:
    """Every tariff's newest version, in the order of their names."""
    place = place_of(cursor, (str,)) or ("",)
    with idlefee.reading() as connection:
        found = tariffs_after(connection, place[0], limit + 1)
    return page_of(found, limit, lambda one: (one.name,), _version)


@router.post("/tariffs", status_code=201, responses=WRITES, openapi_extra={"requestBody": _BODY})
def add_tariff(
    idlefee: Engine,
    principal: Operator,
    body: RawBody,
    content_type: Annotated[str | None, Header(include_in_schema=False)] = None,
    dry_run: Annotated[bool, Query(description="only say what is wrong with it")] = False,
) -> Tariff:
    """Add a tariff, as JSON or TOML, as the next version of its name; the same as the newest adds nothing.

    All faults are named at once. A version never changes: sessions plugged in under it are billed by it.
    """
    tariff = read_form(body, content_type, "tariff", tariff_from_json, load_tariff)
    if dry_run:
        return tariff
    with idlefee.writing() as connection:
        return add_version(connection, tariff, principal.author, idlefee.clock.now())


@router.get("/tariffs/{name}", response_model=Tariff, responses=READS | _TOML_TOO)
def show_tariff(
    idlefee: Engine,
    _principal: Staff,
    name: PathTariff,
    version: Version | None = None,
    form: Annotated[Format, Query(alias="format")] = "json",
) -> Tariff | Response:
    """A tariff: its newest version, or the one asked for."""
    with idlefee.reading() as connection:
        found = (
            latest(connection, name)
            if version is None
            else tariff_version(connection, assignments.VersionRef(name, version))
        )
    return _as(form, found)


@router.get("/tariffs/{name}/versions", responses=READS)
def list_versions(idlefee: Engine, _principal: Staff, name: PathTariff) -> list[TariffVersion]:
    """A tariff's history, newest first."""
    with idlefee.reading() as connection:
        return [_version(one) for one in versions_of(connection, name)]


@router.get("/presets", responses=READS)
def list_presets(_principal: Staff) -> list[str]:
    """The tariffs that are shipped."""
    return list(preset_names())


@router.get("/presets/{name}", response_model=Tariff, responses=READS | _TOML_TOO)
def show_preset(
    _principal: Staff, name: PathTariff, form: Annotated[Format, Query(alias="format")] = "json"
) -> Tariff | Response:
    """A tariff that is shipped, with its history in `sources`."""
    return _as(form, preset(name))


def _as(form: str, tariff: Tariff) -> Tariff | Response:
    return Response(tariff_to_toml(tariff), media_type=TOML) if form == "toml" else tariff


def _version(one: VersionRow) -> TariffVersion:
    return TariffVersion(name=one.name, version=one.version, recorded_at=one.recorded_at, author=one.author)
