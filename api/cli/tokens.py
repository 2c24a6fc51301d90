"""Tokens on the command line: whose a card is, since when, and no longer."""

from typing import Annotated

import typer

from api.cli import asking
from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, From, Owner, To, group
from api.cli.opening import AUTHOR, opened
from api.cli.telling import tell_settlements

token = group("token", "Tokens: the cards and apps that stand for an owner, and when.")

MOST_LISTED = 1000


@token.command("add")
def add_token(
    uid: Annotated[str, typer.Argument(help="What the station reads, as AB12CD34.", show_default=False)],
    owner_id: Owner,
    from_: From = None,
    to: To = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a token stand for an owner, since ever or from a moment on. Sessions that waited unclaimed become theirs."""
    valid_from, valid_to = asking.moment(from_, "--from") or 0, asking.moment(to, "--to")
    if valid_to is not None and valid_to <= valid_from:
        raise Refused("--to must be later than --from", Exit.USAGE)
    if not uid or len(uid) > 128 or not uid.isprintable():
        raise Refused("a token has 1 to 128 printable characters", Exit.USAGE)
    with opened(database, create=True) as idlefee:
        from billing.decisions import token_given
        from billing.owners import give_token

        now = idlefee.clock.now()
        with idlefee.writing() as connection:
            token_id = give_token(
                connection,
                idlefee.names,
                uid=uid,
                owner_id=owner_id,
                author=AUTHOR,
                now=now,
                valid_from=valid_from,
                valid_to=valid_to,
            )
            done = token_given(connection, token_id, valid_from, valid_to, now)
    tell_settlements(done, as_json)


@token.command("list")
def list_tokens(
    owner_id: Annotated[str | None, typer.Option("--owner", help="Of this owner only.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tokens and whom they stand for; at most a thousand."""
    with opened(database) as idlefee:
        from sqlalchemy import select

        from billing.store.tables import token_holders
        from sessions.events import rfc3339
        from sessions.store.tables import tokens

        statement = select(
            tokens.c.uid, token_holders.c.owner_id, token_holders.c.valid_from, token_holders.c.valid_to
        ).outerjoin(token_holders, token_holders.c.token_id == tokens.c.id)
        if owner_id is not None:
            statement = statement.where(token_holders.c.owner_id == owner_id)
        ordered = statement.order_by(tokens.c.uid, token_holders.c.valid_from).limit(MOST_LISTED)
        with idlefee.reading() as connection:
            rows = connection.execute(ordered).all()
    listed = [
        {
            "token": row.uid,
            "owner": row.owner_id,
            "from": rfc3339(row.valid_from) if row.valid_from else None,
            "to": None if row.valid_to is None else rfc3339(row.valid_to),
        }
        for row in rows
    ]
    if as_json:
        show_json(listed)
    elif not listed:
        say("There is no token here: `idlefee token add UID --owner OWNER` adds one.")
    else:
        show_table(
            ("token", "owner", "from", "to"),
            [(one["token"] or "erased", one["owner"] or "nobody", one["from"], one["to"]) for one in listed],
        )


@token.command("end")
def end_token(
    uid: Annotated[str, typer.Argument(help="What the station reads, as AB12CD34.", show_default=False)],
    owner_id: Owner,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """A token stands for its owner no longer, from now on."""
    with opened(database) as idlefee:
        from billing.keeping import end_token as end

        with idlefee.writing() as connection:
            token_id = idlefee.names.surrogate(uid)
            ended = end(connection, owner_id, token_id, author=AUTHOR, now=idlefee.clock.now())
    if not ended:
        raise Refused(f"token {uid} does not stand for owner {owner_id} now: see `idlefee token list`")
    if as_json:
        show_json({"owner": owner_id, "token": uid, "ended": True})
    else:
        say(f"Token {uid} stands for {owner_id} no longer.")
