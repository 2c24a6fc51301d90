"""Who of the staff is at the door, as `billing.payments` asks it: every key of the same role and label is one person's.

A second person has to be another one: somebody with two keys, or two browsers, is nobody's second.
"""

from sqlalchemy import Connection, select

from api.access.keys import Principal
from api.access.tables import access_keys
from billing.payments.people import Person


def person_of(connection: Connection, principal: Principal) -> Person:
    """The person with all their signatures, those of keys that hold no longer as well."""
    role, label = principal.role.value, principal.label
    theirs = select(access_keys.c.id).where(access_keys.c.role == role, access_keys.c.label == label)
    signatures = (f"{role}:{key_id}" for key_id in connection.execute(theirs).scalars())
    return Person(principal.author, role, frozenset(signatures))
