"""What a session cost, as programs read it: `/v1/receipts/…` for owner and staff; what it would cost, for everybody:
`/v1/sites/…/prices`.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from api.access.keys import Role
from api.answers import READS, only_problems
from api.guard import Engine, OwnerOrStaff
from api.inputs import Moment, PathId, PathSession
from api.pages.loading import Sight
from api.pages.public.caching import kept
from api.pages.receipts.routes import receipt_of_session
from api.problems import not_found
from api.seen import known_session
from billing.prices import Period, examples, prices_of
from billing.receipts import Receipt
from billing.tariffs import Tariff
from billing.tariffs.words import terms_of

router = APIRouter(prefix="/v1", tags=["receipts"])


class Version(BaseModel):
    """A version of a tariff; its terms can be read at `/tariffs/NAME/VERSION` for ever."""

    name: str
    version: int


class SellerRow(BaseModel):
    """Who bills; what is not known is null."""

    id: str
    name: str
    legal_name: str | None
    address: str | None
    tax_id: str | None


class Item(BaseModel):
    """So many minutes at one rate."""

    minutes: int
    rate_minor: int
    amount_minor: int


class Step(BaseModel):
    """One step of the fee in the books."""

    n: int
    recorded_at: Moment
    reason: str
    currency: str
    change_minor: int
    total_minor: int


class ReceiptRow(BaseModel):
    """A receipt. `total_minor` is what is posted; what it comes to without review and waivers is its items' sum, less
    the limit, plus added tax.
    """

    session: str
    made_at: Moment
    seller: SellerRow
    site: str
    site_name: str
    station: str
    stall: str | None
    plugged_in_at: Moment
    complete_at: Moment | None
    ended_at: Moment
    unplugged: Annotated[bool, Field(description="false: no unplug was reported, `ended_at` is the last message")]
    grace_s: int
    grace_used_s: int
    billed_s: int
    items: list[Item]
    currency: str
    capped_minor: int
    tax_added_minor: int
    held_back_minor: int
    waived_minor: int
    total_minor: int
    net_minor: int
    tax_minor: int
    tax_code: str | None
    tax_rate_ppm: Annotated[int, Field(description="parts per million: 190000 is 19 %")]
    tax_included: Annotated[bool, Field(description="whether the listed prices include it")]
    terms: Annotated[Version, Field(description="accepted at the plug-in")]
    priced_by: Annotated[Version, Field(description="another one after a re-rate")]
    in_review: list[str]
    final_at: Moment | None
    steps: list[Step]
    corrects: Annotated[Step | None, Field(description="the step before the last: what this receipt replaces")]


@router.get("/receipts/{station}/{session:path}", responses=READS)
def show_receipt(idlefee: Engine, principal: OwnerOrStaff, station: PathId, session: PathSession) -> ReceiptRow:
    """The receipt of a session that is over: yours, or for staff any. 409 while it runs."""
    now = idlefee.clock.now()
    with idlefee.reading() as connection:
        key = known_session(connection, station, session)
        found = Sight(connection, now).load([key])[key]
        if principal.role is Role.OWNER and (found.view is None or found.view.owner_id != principal.owner_id):
            raise not_found("such session")
        return _receipt(receipt_of_session(connection, found, now))


def _receipt(one: Receipt) -> ReceiptRow:
    seller, steps = one.seller, [_step(step) for step in one.postings]
    return ReceiptRow(
        session=one.session_id,
        made_at=one.made_at,
        seller=SellerRow(
            id=seller.id,
            name=seller.name,
            legal_name=seller.legal_name,
            address=seller.address,
            tax_id=seller.tax_id,
        ),
        site=one.site.id,
        site_name=one.site.name,
        station=one.station_id,
        stall=one.stall,
        plugged_in_at=one.plugged_in_at,
        complete_at=one.full_at,
        ended_at=one.ended_at,
        unplugged=one.unplugged,
        grace_s=one.grace.grace_s,
        grace_used_s=one.free_s,
        billed_s=one.billed_s,
        items=[
            Item(minutes=line.pieces, rate_minor=line.rate_minor, amount_minor=line.amount_minor) for line in one.lines
        ],
        currency=one.currency,
        capped_minor=one.capped_minor,
        tax_added_minor=one.tax_added_minor,
        held_back_minor=one.held_back_minor,
        waived_minor=one.waived_minor,
        total_minor=one.total_minor,
        net_minor=one.net_minor,
        tax_minor=one.tax_minor,
        tax_code=one.tax_code,
        tax_rate_ppm=one.tax_rate_ppm,
        tax_included=one.tax_included,
        terms=Version(name=one.terms.name, version=one.terms.version),
        priced_by=Version(name=one.tariff.name, version=one.tariff.version),
        in_review=list(one.held),
        final_at=one.final_at,
        steps=steps,
        corrects=steps[-2] if one.corrects else None,
    )


def _step(one: object) -> Step:
    return Step.model_validate(one, from_attributes=True)


# -- prices -------------------------------------------------------------------------------------------------


class Example(BaseModel):
    """What a stay of `full_s` costs at a site of which `taken_percent` of the stalls are taken."""

    full_s: int
    taken_percent: int
    fee_minor: int


class PricePeriod(BaseModel):
    """A version in force at the site."""

    valid_from: Annotated[Moment | None, Field(description="null: since the beginning")]
    valid_to: Annotated[Moment | None, Field(description="null: until further notice")]
    tariff: Version


class Prices(BaseModel):
    """What a site charges. `terms` are today's in plain words, `examples` today's as the product computes them."""

    site: str
    site_name: str
    currency: str
    terms: list[str]
    today: Tariff
    examples: list[Example]
    present: PricePeriod
    coming: list[PricePeriod]
    past: Annotated[list[PricePeriod], Field(description="oldest first")]


@router.get("/sites/{site_id}/prices", response_model=Prices, responses=only_problems(400, 404, 422, 503))
def show_prices(request: Request, idlefee: Engine, site_id: PathId) -> Response:
    """What a site charges, before anybody plugs in. Needs no key."""
    now = idlefee.clock.now()
    with idlefee.reading() as connection:
        found = prices_of(connection, site_id, now)
    tariff = found.present.tariff
    shown = Prices(
        site=found.site.id,
        site_name=found.site.name,
        currency=tariff.currency,
        terms=[term.says for term in terms_of(tariff)],
        today=tariff.model_copy(update={"sources": ""}),
        examples=[
            Example(full_s=one.full_s, taken_percent=one.taken_percent, fee_minor=one.report.fee_minor)
            for row in examples(tariff, found.site.tz, now)
            for one in row
        ],
        present=_period(found.present),
        coming=[_period(one) for one in found.coming],
        past=[_period(one) for one in found.periods[: found.place]],
    )
    return kept(request, Response(shown.model_dump_json(), media_type="application/json"))


def _period(one: Period) -> PricePeriod:
    version = Version(name=one.tariff.name, version=one.tariff.version)
    return PricePeriod(valid_from=one.valid_from or None, valid_to=one.valid_to, tariff=version)
