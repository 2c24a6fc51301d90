"""Giving money back on the command line: refunds, credits, write-offs, what is provided for; and what did not come."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, Owner, Reason, app
from api.cli.opening import opened

if TYPE_CHECKING:
    from billing.payments.people import Person

OwnerId = Annotated[str, typer.Argument(help="Who gets it.", show_default=False)]
Amount = Annotated[str, typer.Option("--amount", help="How much, as 2.50.", show_default=False)]
Seller = Annotated[str, typer.Option("--seller", help="Whose books.", show_default=False)]
Currency = Annotated[str, typer.Option("--currency", help="As USD.", show_default=False)]
MOST_LISTED = 500
Code = TypeVar("Code", bound=StrEnum)


def _person() -> "Person":
    """Who types: one person of finance, who is nobody's second person for what was typed here."""
    from billing.payments.people import Person

    return Person("finance:cli", "finance")


@app.command()
def refund(
    owner: OwnerId,
    payment: Annotated[str, typer.Argument(help="The payment it comes from.", show_default=False)],
    amount: Amount,
    reason: Reason,
    code: Annotated[str, typer.Option("--code", help="fee_fell, paid_twice, owner_asked or goodwill.")] = "owner_asked",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Send money back to what an owner paid with. Above the limit another person of finance approves it."""
    with opened(database) as idlefee:
        from billing.payments import refunds, rows

        with idlefee.writing() as connection:
            known = rows.payment_of(connection, owner, payment)
            if known is None:
                raise Refused(f"owner {owner} has no payment {payment}")
            minor = asking.amount_minor(amount, known.currency) or 0
            made, _ = refunds.ask(
                connection,
                owner,
                payment,
                minor,
                code=_one_of(refunds.Code, code),
                reason=reason,
                by=_person(),
                now=idlefee.clock.now(),
            )
    _tell(as_json, made.id, made.state, made.amount_minor, made.currency, made.owner_id)


@app.command()
def credit(
    owner: OwnerId,
    amount: Amount,
    seller: Seller,
    currency: Currency,
    reason: Reason,
    code: Annotated[str, typer.Option("--code", help="goodwill, our_mistake or station_trouble.")] = "goodwill",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let an owner off an amount without a fee being wrong; the next invoice uses it up."""
    _give("credit", owner, amount, seller, currency, reason, code, database, as_json)


@app.command("write-off")
def write_off(
    owner: OwnerId,
    amount: Amount,
    seller: Seller,
    currency: Currency,
    reason: Reason,
    code: Annotated[str, typer.Option("--code", help="uncollectible, insolvent or too_small.")] = "uncollectible",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Give up what an owner owes; what was provided for is used up first."""
    _give("write_off", owner, amount, seller, currency, reason, code, database, as_json)


def _give(
    deed: str,
    owner: str,
    amount: str,
    seller: str,
    currency: str,
    reason: str,
    code: str,
    database: str | None,
    as_json: bool,
) -> None:
    with opened(database) as idlefee:
        from billing.payments import credits as credits_
        from billing.payments.people import Deed

        wanted = credits_.Wanted(
            owner_id=owner,
            seller_id=seller,
            currency=currency,
            deed=Deed(deed),
            amount_minor=asking.amount_minor(amount, currency) or 0,
            code=_one_of(credits_.Code, code),
            reason=reason,
        )
        with idlefee.writing() as connection:
            made, _ = credits_.ask(connection, wanted, _person(), idlefee.clock.now())
    _tell(as_json, made.id, made.state, made.amount_minor, made.currency, made.owner_id)


@app.command()
def approve(
    id_: Annotated[str, typer.Argument(metavar="ID", help="ref_…, crd_… or re_…, as it waits.", show_default=False)],
    owner: Owner,
    reason: Reason,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it instead.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Approve a refund, a credit or a write-off that somebody else asked for, or refuse it.

    A refund made at the processor (re_…): approved, it is credited; refused, it is asked for again.
    """
    with opened(database) as idlefee:
        from billing.payments import credits as credits_
        from billing.payments import refunds

        room = credits_ if id_.startswith("crd_") else refunds
        decide = room.refuse if refuse else room.approve
        with idlefee.writing() as connection:
            done = decide(connection, owner, id_, _person(), reason, idlefee.clock.now())
    _tell(as_json, done.id, done.state, done.amount_minor, done.currency, done.owner_id)


@app.command()
def provision(
    seller: Annotated[str, typer.Argument(help="Whose books.", show_default=False)],
    amount: Annotated[str, typer.Option("--amount", help="As 500.00; below zero: no longer.", show_default=False)],
    currency: Currency,
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Set an amount aside for debts that will not be paid."""
    with opened(database) as idlefee:
        from billing.money import format_money
        from billing.payments.provisions import provide

        minor = asking.amount_minor(amount, currency) or 0
        with idlefee.writing() as connection:
            left = provide(
                connection,
                seller,
                currency,
                minor,
                reason=reason,
                author=_person().author,
                now=idlefee.clock.now(),
            )
    if as_json:
        show_json({"seller": seller, "currency": currency, "amount_minor": left})
    else:
        say(f"{seller} has {format_money(left, currency)} set aside.")


@app.command()
def arrears(database: Database = None, as_json: AsJson = False) -> None:
    """Payments that did not come and what follows, the oldest first; at most five hundred."""
    with opened(database) as idlefee:
        from billing.payments.cases import arrears_after
        from sessions.events import rfc3339

        with idlefee.reading() as connection:
            found = arrears_after(connection, None, MOST_LISTED)
    if as_json:
        show_json(
            [
                {
                    "owner": one.owner_id,
                    "payment": one.payment_id,
                    "seller": one.seller_id,
                    "currency": one.currency,
                    "amount_minor": one.amount_minor,
                    "stage": one.stage,
                    "opened_at": rfc3339(one.opened_at),
                    "next_at": None if one.next_at is None else rfc3339(one.next_at),
                    "frozen_because": one.frozen_because,
                }
                for one in found
            ]
        )
    elif not found:
        say("Nothing is in arrears.")
    else:
        from billing.money import format_money

        show_table(
            ("owner", "payment", "amount", "stage", "since", "next"),
            [
                (
                    one.owner_id,
                    one.payment_id,
                    format_money(one.amount_minor, one.currency),
                    one.frozen_because or one.stage,
                    rfc3339(one.opened_at),
                    "" if one.next_at is None or one.frozen_at is not None else rfc3339(one.next_at),
                )
                for one in found
            ],
            right=("amount",),
        )


def _one_of(kinds: type[Code], code: str) -> Code:
    try:
        return kinds(code)
    except ValueError:
        raise Refused(f"--code {code}: it is one of {', '.join(kinds)}", Exit.USAGE) from None


def _tell(as_json: bool, id_: str, state: str, amount_minor: int, currency: str, owner_id: str) -> None:
    if as_json:
        show_json({"id": id_, "owner": owner_id, "state": state, "amount_minor": amount_minor, "currency": currency})
        return
    from billing.money import format_money

    waits = f": another person of finance approves it (`idlefee approve {id_} --owner {owner_id}`)"
    say(f"{id_}: {format_money(amount_minor, currency)} for {owner_id} is {state}{waits if state == 'asked' else ''}.")
