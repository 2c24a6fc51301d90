"""Links in mails: what they carry, how long they are good, and what opening one does. Their words are elsewhere.

A mailed link carries a key of its own, signed: without a database one is told from a link somebody made up, with one it
is good once. Printed links (`idlefee access add --link`) carry their key bare.
"""

from typing import NamedTuple

from sqlalchemy import Connection

from api.access.keys import KeyKind, Principal, Role, issue, spend
from api.access.secret import Secret
from billing.owners import Owner, owner, set_email

SIGN_IN, ADDRESS = "sign in", "e-mail address"
LETTERS = ("sign_in_link", "confirm_address", "account_letter")  # the steps by which mail of this room goes out
SIGN_IN_LASTS_S = 15 * 60
ADDRESS_LASTS_S = 24 * 3600


def sign_in_text(connection: Connection, secret: Secret, to: Owner, now: int) -> str:
    """What signs this owner in, once, within a quarter of an hour."""
    until = now + SIGN_IN_LASTS_S
    issued = issue(
        connection,
        Role.OWNER,
        label=to.name or to.id,
        now=now,
        owner_id=to.id,
        kind=KeyKind.LINK,
        once=True,
        expires_at=until,
    )
    return secret.sign(SIGN_IN, [issued.text, until])


def key_of(secret: Secret, text: str, now: int) -> str:
    """The key that a link for signing in carries, be it mailed or printed; empty for one that we did not sign."""
    if text.startswith("idf_"):
        return text
    match secret.read(SIGN_IN, text):
        case [str(key), int(until)] if now < until:
            return key
    return ""


def address_text(connection: Connection, secret: Secret, to: Owner, email: str, now: int) -> str:
    """What makes `email` this owner's address, once, within a day. The address stands in the link and nowhere else."""
    until = now + ADDRESS_LASTS_S
    issued = issue(
        connection,
        Role.OWNER,
        label="a new e-mail address",
        now=now,
        owner_id=to.id,
        kind=KeyKind.ADDRESS,
        once=True,
        expires_at=until,
    )
    return secret.sign(ADDRESS, [issued.text, email, until])


class NewAddress(NamedTuple):
    """An address that waits to be confirmed: the link's key, and the address it was sent to."""

    key: str
    email: str


def new_address(secret: Secret, text: str, now: int) -> NewAddress | None:
    """What a link to confirm an address carries; none for one that we did not sign or that is too old."""
    match secret.read(ADDRESS, text):
        case [str(key), str(email), int(until)] if now < until:
            return NewAddress(key, email)
    return None


class Changed(NamedTuple):
    """An owner's address was changed."""

    owner: Owner
    before: str | None


def confirm(connection: Connection, given: NewAddress, now: int) -> Changed | None:
    """Make the address its owner's; none where the link was used, or taken back by signing out everywhere."""
    principal: Principal | None = spend(connection, given.key, now, KeyKind.ADDRESS)
    if principal is None or principal.owner_id is None:
        return None
    before = owner(connection, principal.owner_id).email
    set_email(connection, principal.owner_id, given.email)
    return Changed(owner(connection, principal.owner_id), before)
