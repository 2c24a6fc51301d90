"""`idlefee bank` and `idlefee payment`: what the bank booked, and what came by hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, Owner, group
from api.cli.opening import AUTHOR, opened

if TYPE_CHECKING:
    from api.wiring import Idlefee

bank = group("bank", "What the bank booked: import it, and say what it is.")
payment = group("payment", "Payments that were handed over or transferred.")

Seller = Annotated[str, typer.Option("--seller", help="Whose account it is.")]
OneSeller = Annotated[str | None, typer.Option("--seller", help="Of this seller only.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
Line = Annotated[str, typer.Argument(help="The line's id: `idlefee bank list`.", show_default=False)]
MOST_LISTED = 500


@bank.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The bank's CSV file.", show_default=False)],
    seller: Seller,
    form: Annotated[Path | None, typer.Option("--format", help="A TOML file that says which column is what.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Import what the bank booked; a line that is there already is not imported again."""
    import tomllib

    from billing.reconcile.bank.reading import UnreadableStatement, format_of, read_statement

    try:
        said = {} if form is None else tomllib.loads(form.read_text(encoding="utf-8"))
        found = read_statement(file.read_bytes(), format_of(said))
    except (UnreadableStatement, ValueError) as wrong:
        raise Refused(f"{file.name}: {wrong}", Exit.USAGE) from None
    with opened(database) as idlefee:
        from billing.reconcile.bank.lines import import_lines

        done = import_lines(idlefee.engine, idlefee.clock, seller, found, author=AUTHOR)
    if as_json:
        show_json({"new": done.new, "known": done.known, "matched": done.matched, "waiting": done.waiting})
        return
    from api.pages.words import count

    say(f"{count(done.new, 'new line')}, {done.known:,} known. {done.matched:,} matched, {done.waiting:,} waiting.")
    if done.waiting:
        say("`idlefee bank list` shows what they may be.")


@bank.command("list")
def list_lines(
    seller: OneSeller = None,
    state: Annotated[str, typer.Option("--state", help="open, matched or not_ours.")] = "open",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Lines that wait, the oldest first, and what each may be."""
    with opened(database) as idlefee:
        from billing.reconcile.bank.listing import lines_after, proposals_of

        with idlefee.reading() as connection:
            found = lines_after(connection, seller_id=seller, state=state, most=MOST_LISTED)
        shown = [(row, proposals_of(row)) for row in found]
    if as_json:
        from dataclasses import asdict

        show_json([row | {"proposal": [asdict(one) for one in proposals]} for row, proposals in shown])
    elif not shown:
        say("No line waits." if state == "open" else f"No line is {state}.")
    else:
        from api.pages.words import money

        cells = [
            (
                row["id"],
                datetime.fromtimestamp(row["booked_at"], UTC).strftime("%Y-%m-%d"),
                money(row["amount_minor"], row["currency"]),
                row["text"],
                "; ".join(one.because for one in proposals) or row["reason"],
            )
            for row, proposals in shown
        ]
        show_table(("line", "booked", "amount", "text", "may be"), cells, right=("amount",))


@bank.command("accept")
def accept(
    line: Line,
    seller: Seller,
    reason: Why,
    owner: Annotated[str | None, typer.Option("--owner", help="It is a payment of this owner…")] = None,
    invoice: Annotated[str | None, typer.Option("--invoice", help="…or of this invoice, by its name.")] = None,
    payout: Annotated[str | None, typer.Option("--payout", help="It is this payout of the processor.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Say what a line is; with no option, what was proposed first."""
    with opened(database) as idlefee:
        from billing.reconcile.bank import lines

        what = _wanted(idlefee, seller, line, owner, invoice, payout)
        lines.accept(idlefee.engine, idlefee.clock, seller, line, what, author=AUTHOR, reason=reason)
    if as_json:
        show_json({"line": line, "is": what.kind, "owner": what.owner_id, "id": what.id})
    else:
        say(f"Line {line} is a {what.kind}{f' of {what.owner_id}' if what.owner_id else ''}.")


def _wanted(
    idlefee: "Idlefee", seller: str, line: str, owner: str | None, invoice: str | None, payout: str | None
) -> Any:
    from billing.reconcile.bank.lines import line_row
    from billing.reconcile.bank.listing import invoice_called, proposals_of, to_record
    from billing.reconcile.bank.matching import Proposal

    with idlefee.reading() as connection:
        if payout is not None:
            return Proposal("payout", "", id=payout)
        if invoice is not None:
            return to_record(*invoice_called(connection, seller, invoice))
        if owner is not None:
            return to_record(owner)
        proposed = proposals_of(line_row(connection, seller, line))
    if not proposed:
        raise Refused("nothing is proposed for that line: name --owner, --invoice or --payout", Exit.USAGE)
    return proposed[0]


@bank.command("set-aside")
def set_aside(line: Line, seller: Seller, reason: Why, database: Database = None, as_json: AsJson = False) -> None:
    """Say that a line is none of ours: it leaves the books."""
    with opened(database) as idlefee:
        from billing.reconcile.bank import lines

        with idlefee.writing() as connection:
            lines.set_aside(connection, seller, line, author=AUTHOR, reason=reason, now=idlefee.clock.now())
    if as_json:
        show_json({"line": line, "is": "not_ours"})
    else:
        say(f"Line {line} is none of ours.")


@bank.command("release")
def release(line: Line, seller: Seller, reason: Why, database: Database = None, as_json: AsJson = False) -> None:
    """Take a decision about a line back: a payment recorded for it is reversed."""
    with opened(database) as idlefee:
        from billing.reconcile.bank import lines

        lines.release(idlefee.engine, idlefee.clock, seller, line, author=AUTHOR, reason=reason)
    if as_json:
        show_json({"line": line, "is": "open"})
    else:
        say(f"Line {line} waits again.")


# -- by hand ------------------------------------------------------------------------------------------------


@payment.command("add")
def add_payment(
    owner: Owner,
    seller: Seller,
    amount: Annotated[str, typer.Option("--amount", help="As 12.50.")],
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217, as USD.")],
    reference: Annotated[str, typer.Option("--reference", help="Tells it from others: a receipt's number.")],
    invoice: Annotated[str | None, typer.Option("--invoice", help="What it is for, by its name.")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="MOMENT", help="When it came, if not now.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Write down a payment by hand. The same one twice is there once."""
    received_at, code = asking.moment(at, "--at"), currency.upper()
    with opened(database) as idlefee:
        from billing.money import is_currency
        from billing.payments.by_hand import Received, record
        from billing.reconcile.bank.listing import invoice_called

        if not is_currency(code):
            raise Refused(f"--currency {currency}: name one of ISO 4217, as USD", Exit.USAGE)
        with idlefee.writing() as connection:
            now = idlefee.clock.now()
            received = Received(
                owner_id=owner,
                seller_id=seller,
                currency=code,
                amount_minor=asking.amount_minor(amount, code) or 0,
                reference=reference,
                received_at=now if received_at is None else received_at,
                invoice_id=None if invoice is None else invoice_called(connection, seller, invoice)[1],
            )
            new = record(connection, received, author=AUTHOR, now=now)
    if as_json:
        show_json({"payment": received.id, "recorded": new})
    else:
        say(f"Payment {received.id} {'recorded' if new else 'was recorded before'}.")


@payment.command("reverse")
def reverse_payment(
    id_: Annotated[str, typer.Argument(help="The payment's id.", show_default=False)],
    owner: Owner,
    reason: Why,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Take a mistaken record back, by a new transfer."""
    with opened(database) as idlefee:
        from billing.payments.by_hand import reverse

        with idlefee.writing() as connection:
            now = idlefee.clock.now()
            done = reverse(connection, owner, id_, reason=reason, author=AUTHOR, now=now)
    if as_json:
        show_json({"payment": id_, "reversed": done})
    else:
        say(f"Payment {id_} {'is reversed' if done else 'was reversed before'}.")
