"""Everything that is held of a person, as one JSON document: the rows they stand in, table by table.

Whatever table names an owner is in it for that alone, also one that does not exist yet; beside those the tables that
hang on them. What would help nobody but a thief of the file is left out: the hash of a key, the secret of a webhook.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, select, tuple_

from api.access.tables import access_keys
from api.spool import spooled
from api.wiring import Idlefee
from billing.listing import Wanted, sessions_after
from billing.store.accounts import account_entries, account_transfers
from billing.store.invoices import invoice_lines, invoices
from billing.store.tables import (
    charges,
    contacts,
    deliveries,
    entries,
    notice_sessions,
    notices,
    owners,
    token_holders,
    transfers,
)
from sessions.database import UtcSeconds, metadata, one_moment
from sessions.events import rfc3339
from sessions.store.queries import SessionKey
from sessions.store.tables import events, facts, sessions, tokens

ABOUT = (
    "Everything we hold of you, as it is stored, by table. Moments are UTC; amounts are minor units of their currency; "
    "a debit is above zero. docs/your-data.md explains every table."
)
LEFT_OUT = frozenset({access_keys.c.hash, access_keys.c.previous_hash})
AS_JSON = frozenset(
    {
        charges.c.report,
        contacts.c.details,
        events.c.data,
        sessions.c.timeline,
        invoices.c.body,
        invoice_lines.c.body,
    }
)
SECRETS = frozenset({"secret", "auth"})  # names within `AS_JSON` whose values are not told
SESSIONS_AT_ONCE = 200


def personal_data(idlefee: Idlefee, owner_id: str) -> Iterator[bytes]:
    """The document, in pieces."""
    return spooled(_document(idlefee, owner_id))


def _document(idlefee: Idlefee, owner_id: str) -> Iterator[str]:
    with one_moment(idlefee.engine) as connection:
        keys = _sessions(connection, owner_id)
        head = {"about": ABOUT, "owner": owner_id, "made_at": rfc3339(idlefee.clock.now())}
        yield json.dumps(head, ensure_ascii=False)[:-1] + ', "tables": {'
        for number, (table, statements) in enumerate(_asked(owner_id, keys)):
            yield f'{"," if number else ""}\n"{table.name}": ['
            separator = "\n"
            for statement in statements:
                for row in connection.execution_options(yield_per=500).execute(statement).mappings():
                    yield separator + json.dumps(_shown(table, row), ensure_ascii=False)
                    separator = ",\n"
            yield "]"
        yield "\n}}\n"


def _sessions(connection: Connection, owner_id: str) -> list[SessionKey]:
    """The sessions that are this owner's, as everybody else counts them."""
    found: list[SessionKey] = []
    place = None
    while page := sessions_after(connection, Wanted(owner_id=owner_id), place, SESSIONS_AT_ONCE):
        found += [row.key for row in page]
        place = page[-1].place
    return found


def _asked(owner_id: str, keys: Sequence[SessionKey]) -> Iterator[tuple[Table, Sequence[Select[Any]]]]:
    """What to read of each table."""
    yield owners, [select(owners).where(owners.c.id == owner_id)]
    theirs = select(token_holders.c.token_id).where(token_holders.c.owner_id == owner_id)
    yield tokens, [select(tokens).where(tokens.c.id.in_(theirs))]
    for table in metadata.sorted_tables:
        if "owner_id" in table.c:
            named = [select(table).where(table.c.owner_id == owner_id)]
            # A claim for somebody else names them; what was recorded of the session beside that is this owner's too.
            others = _of_sessions(facts, facts.c.session_id, keys, facts.c.owner_id.is_(None))
            yield table, [*named, *others] if table is facts else named
    yield sessions, _of_sessions(sessions, sessions.c.id, keys)
    yield events, _of_sessions(events, events.c.session_id, keys)
    moved = and_(entries.c.site_id == transfers.c.site_id, entries.c.transfer_id == transfers.c.id)
    yield transfers, [select(transfers).where(exists().where(moved, entries.c.owner_id == owner_id))]
    moved = and_(
        account_entries.c.party_id == account_transfers.c.party_id,
        account_entries.c.transfer_id == account_transfers.c.id,
    )
    paid = exists().where(moved, account_entries.c.owner_id == owner_id)
    yield account_transfers, [select(account_transfers).where(paid)]
    for about in (notice_sessions, deliveries):
        told = and_(notices.c.site_id == about.c.site_id, notices.c.id == about.c.notice_id)
        yield about, [select(about).where(exists().where(told, notices.c.owner_id == owner_id))]


def _of_sessions(
    table: Table, session_id: ColumnElement[str], keys: Sequence[SessionKey], *also: ColumnElement[bool]
) -> list[Select[Any]]:
    chunks = [keys[at : at + SESSIONS_AT_ONCE] for at in range(0, len(keys), SESSIONS_AT_ONCE)]
    named = tuple_(table.c.site_id, session_id)
    return [select(table).where(named.in_([tuple(key) for key in chunk]), *also) for chunk in chunks]


def _shown(table: Table, row: Any) -> dict[str, Any]:
    return {column.name: _value(column, row[column.name]) for column in table.c if column not in LEFT_OUT}


def _value(column: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, UtcSeconds):
        return rfc3339(value)
    if column in AS_JSON:
        return _without_secrets(json.loads(value))
    return value


def _without_secrets(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: "not told" if name in SECRETS else _without_secrets(part) for name, part in value.items()}
