"""Owners on the command line: the accounts that pay."""

from typing import Annotated

import typer

from api.cli.console import say, show_json, show_table
from api.cli.errors import Exit, Refused
from api.cli.frame import AsJson, Database, group
from api.cli.opening import AUTHOR, opened

owner = group("owner", "Owners: the accounts that pay.")

Id = Annotated[str, typer.Argument(help="The owner's id.", show_default=False)]
Owner = Annotated[str, typer.Option("--owner", help="Whose it is.")]
MOST_LISTED = 1000


@owner.command("add")
def add_owner(
    id_: Id,
    name: Annotated[str | None, typer.Option("--name", help="Erasable.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="Where notices go; erasable.")] = None,
    language: Annotated[str, typer.Option("--language", help="Of notices, as en.")] = "en",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add an owner."""
    with opened(database, create=True) as idlefee:
        from billing.keeping import add_owner as add
        from billing.owners import Owner, OwnerUnknown, is_email
        from billing.owners import owner as known

        if email is not None and not is_email(email):
            raise Refused(f"{email!r} is no e-mail address: one looks like name@example.com", Exit.USAGE)
        if name is not None and not (0 < len(name) <= 128 and name.isprintable()):
            raise Refused("--name: 1 to 128 characters, none of them a line end or the like", Exit.USAGE)
        with idlefee.writing() as connection:
            try:
                known(connection, id_)
            except OwnerUnknown:
                one = Owner(_named(id_), name, email, language)
                add(connection, one, author=AUTHOR, now=idlefee.clock.now())
            else:
                raise Refused(f"owner {id_} exists already: choose another id")
    if as_json:
        show_json({"owner": id_})
    else:
        say(f"Owner {id_} added. Next: `idlefee token add UID --owner {id_}`.")


def _named(id_: str) -> str:
    from sessions.sites import NAME, BadName

    if not NAME.fullmatch(id_):
        raise BadName(f"{id_!r}: use letters, digits and . _ : - (1 to 64 of them)")
    return id_


@owner.command("list")
def list_owners(database: Database = None, as_json: AsJson = False) -> None:
    """Owners, and what each owes; the newest thousand."""
    with opened(database) as idlefee:
        from sqlalchemy import select

        from billing.ledger import balances_of_owners
        from billing.store.tables import owners

        statement = select(owners.c.id, owners.c.name, owners.c.email).order_by(owners.c.created_at.desc(), owners.c.id)
        with idlefee.reading() as connection:
            rows = connection.execute(statement.limit(MOST_LISTED)).all()
            balances = balances_of_owners(connection, [row.id for row in rows])
    owed: dict[str, dict[str, int]] = {}
    for owner_id, by_side in balances.items():
        for (_, currency), amount in sorted(by_side.items(), key=lambda one: one[0][1]):
            owed.setdefault(owner_id, {})[currency] = owed.get(owner_id, {}).get(currency, 0) + amount
    if as_json:
        show_json(
            [
                {"owner": row.id, "name": row.name, "email": row.email, "owes_minor": owed.get(row.id, {})}
                for row in rows
            ]
        )
    elif not rows:
        say("There is no owner yet: `idlefee owner add OWNER` adds one.")
    else:
        from api.pages.words import money

        def sums(owner_id: str) -> str:
            return ", ".join(money(amount, currency) for currency, amount in owed.get(owner_id, {}).items())

        cells = [(row.id, row.name, row.email, sums(row.id)) for row in rows]
        show_table(("owner", "name", "email", "owes"), cells, right=("owes",))


@owner.command("erase")
def erase_owner(
    id_: Id,
    sure: Annotated[bool, typer.Option("--yes", help="Nobody can undo this: say that you mean it.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person: the books stay, under an id that says nothing; name, address, plates and numbers go."""
    if not sure:
        raise Refused(f"nobody can undo this: idlefee owner erase {id_} --yes")
    with opened(database) as idlefee:
        from api.access.leaving import StillPluggedIn
        from api.access.leaving import erase_owner as erase

        try:
            with idlefee.writing() as connection:
                erase(connection, id_, idlefee.clock.now(), AUTHOR)
        except StillPluggedIn as error:
            raise Refused(str(error)) from None
    if as_json:
        show_json({"owner": id_, "erased": True})
    else:
        say(f"Owner {id_} is nobody we know any more. Their letters in the outbox, and backups, are yours to delete.")
