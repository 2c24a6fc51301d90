"""How Alembic reaches the database: the URL comes from the caller (`sessions.database.migrate`), never from a file."""

from alembic import context
from alembic.operations import Operations

from sessions.database import connect, metadata, writing
from sessions.migrations import guards, one_at_a_time


def run() -> None:
    engine = connect(context.config.attributes["url"])
    try:
        with writing(engine) as connection:
            one_at_a_time(connection)
            context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
            with context.begin_transaction():
                context.run_migrations()
                with Operations.context(context.get_context()):
                    guards.install()
    finally:
        engine.dispose()


run()
