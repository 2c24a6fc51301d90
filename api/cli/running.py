"""Commands that keep running or prepare for it: `serve`, `demo`, `worker`, `migrate`."""

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import note, say, show_json
from api.cli.errors import Exit, Refused
from api.cli.frame import PROGRAM, AsJson, Database, app
from api.cli.opening import logs_to_stderr, opened, settings_for

if TYPE_CHECKING:
    from api.wiring import Idlefee

Host = Annotated[str | None, typer.Option("--host", help="The address to listen on; else IDLEFEE_HOST.")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="The port; else IDLEFEE_PORT, else 8000.")]


@app.command()
def serve(
    database: Database = None,
    host: Host = None,
    port: Port = None,
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Run due jobs in this process, too.")] = True,
) -> None:
    """Serve the doors and the pages, with a worker, until Ctrl-C."""
    logs_to_stderr()
    from api.listening import PortBusy
    from api.server import serve as run

    try:
        run(settings_for(database, host=host, port=port), worker=worker, on_ready=_greet)
    except PortBusy as busy:
        raise Refused(str(busy), Exit.USAGE) from None


def _greet(idlefee: "Idlefee", address: str) -> None:
    """Where it listens; to the first person ever, a way in and what to do next."""
    from api.access.keys import LINK_LASTS_S, KeyKind, Role, any_key, issue

    say(f"idlefee listens on {address}")
    with idlefee.writing() as connection:
        if any_key(connection):
            return
        now = idlefee.clock.now()
        link = issue(
            connection,
            Role.OPERATOR,
            label="first operator",
            now=now,
            kind=KeyKind.LINK,
            once=True,
            expires_at=now + LINK_LASTS_S,
        )
    say(f"Sign in as operator, once, within a day: {address}/sign-in?key={link.text}")
    say("Then, in another terminal:")
    say(f"  {PROGRAM} site add my-site --zone Europe/Berlin")
    say(f"  {PROGRAM} station add st-1 --site my-site")
    say(f"  {PROGRAM} import docs/examples/site-day.csv")


@app.command()
def demo(
    host: Host = None,
    port: Port = None,
    speed: Annotated[float, typer.Option("--speed", help="How many times as fast as real time.")] = 1,
    database: Annotated[str | None, typer.Option("--database", metavar="URL", help="Else a temporary one.")] = None,
) -> None:
    """Watch stalls charge, wait and pay: a town with a day behind it, live."""
    logs_to_stderr()
    from api.fleet.demo import NotEmpty, SpeedUnusable, run
    from api.listening import PortBusy

    settings = settings_for(None, host=host, port=port)
    try:
        run(host=settings.host, port=settings.port, speed=speed, database_url=database)
    except (PortBusy, NotEmpty, SpeedUnusable) as refused:
        raise Refused(str(refused), Exit.USAGE) from None


@app.command()
def worker(database: Database = None) -> None:
    """Run due jobs and send due notices until Ctrl-C; any number of workers share the work."""
    with opened(database) as idlefee:
        from api.worker import Worker

        helper = Worker(idlefee)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: helper.stop())
        note("working; Ctrl-C ends it")
        helper.run()


@app.command()
def migrate(
    grant_to: Annotated[
        str | None, typer.Option("--grant-to", metavar="ROLE", help="The PostgreSQL role that the product runs as.")
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database to the newest schema; safe at any time. IDLEFEE_MIGRATION_URL may name a stronger role."""
    if grant_to is not None:
        from api.wiring import bring_up_to_date

        bring_up_to_date(settings_for(database), grant_to)
    with opened(database, create=True) as idlefee:
        from sqlalchemy import text

        with idlefee.reading() as connection:
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        if as_json:
            show_json({"database": _shown(idlefee), "revision": revision})
        else:
            say(f"{_shown(idlefee)} is at revision {revision}")


def _shown(idlefee: "Idlefee") -> str:
    return str(idlefee.engine.url.render_as_string(hide_password=True)).replace("+psycopg", "")
