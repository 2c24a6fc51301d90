"""What a session has posted is found by its keys, however many others the site has: SQLite's planner needs leading."""

from typing import Any

from sqlalchemy import event

from billing.ledger import posted
from sessions.database import connect
from sessions.store.queries import SessionKey


def test_sqlite_looks_up_entries_by_their_transfer(sqlite_url: str) -> None:
    engine, asked = connect(sqlite_url), []

    @event.listens_for(engine, "before_cursor_execute")
    def _keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with engine.connect() as connection:
        assert posted(connection, [SessionKey("depot", "alpha/s-1")]) == {}
        statement, parameters = asked[-1]
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    engine.dispose()
    searches = [step for step in plan if step.startswith("SEARCH")]
    assert len(searches) == 2, plan
    assert "(site_id=? AND session_id=?)" in searches[0], "transfers by session"
    assert "(site_id=? AND transfer_id=?)" in searches[1], "entries by transfer"
