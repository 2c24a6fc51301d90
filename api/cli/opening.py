"""Opens the database for one command, as `api.wiring` composes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.errors import Exit, Refused
from api.cli.frame import PROGRAM, database_before

if TYPE_CHECKING:
    from api.settings import Settings
    from api.wiring import Idlefee

AUTHOR = "operator:cli"  # who has the database's address may do what an operator may


def settings_for(database: str | None, **more: object) -> "Settings":
    """The environment's settings with the options of the command line above them."""
    from api.settings import Settings

    url = database or database_before.get()
    given = {name: value for name, value in more.items() if value is not None}
    return Settings(**given | ({"database_url": url} if url else {}))  # type: ignore[arg-type]


@contextmanager
def opened(database: str | None, *, create: bool = False) -> Iterator["Idlefee"]:
    """The engine while one command runs. Unless it may `create` one, a missing SQLite file is an error."""
    logs_to_stderr()
    from api.wiring import running

    settings = settings_for(database)
    path = _sqlite_file(settings.database_url)
    if path is not None and not create and not path.exists():
        raise Refused(
            f"there is no database at {path}: name one with --database or IDLEFEE_DATABASE_URL, or make one with "
            f"`{PROGRAM} migrate`",
            Exit.UNAVAILABLE,
        )
    with running(settings) as idlefee:
        yield idlefee


def _sqlite_file(url: str) -> Path | None:
    from sessions.database import normalise_url

    try:
        parsed = normalise_url(url)
    except ValueError as error:
        raise Refused(str(error), Exit.USAGE) from None
    named = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return None if named in {None, "", ":memory:"} else Path(str(named))


def logs_to_stderr() -> None:
    """Logs must not mix with what a command prints."""
    from api.logs import configure

    configure()
