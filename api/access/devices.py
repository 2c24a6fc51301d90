"""Devices: the browsers an owner has signed in with. A new one is announced, so that nobody signs in unnoticed.

A device is known by a long-lived cookie of its own, which lets nobody in. Here it is only a hash; what a browser says
of itself is kept as a few words.
"""

import re

from sqlalchemy import Connection, insert, select, update

from api.access.keys import hash_of
from api.access.tables import devices

COOKIE_LASTS_S = 400 * 24 * 3600  # no browser keeps one for longer

_BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"(Firefox|FxiOS)/"),
    ("Chrome", r"(Chrome|CriOS|Chromium)/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("ChromeOS", r"CrOS"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("Linux", r"Linux|X11"),
)


def label_of(user_agent: str) -> str:
    """`Firefox, Android`: what a browser says it is, in words of ours alone."""
    said = user_agent[:500]
    browser = next((name for name, sign in _BROWSERS if re.search(sign, said)), "Another browser")
    system = next((name for name, sign in _SYSTEMS if re.search(sign, said)), None)
    return browser if system is None else f"{browser}, {system}"


def device_id(cookie: str) -> str:
    """What is kept of a device's cookie."""
    return hash_of(cookie)


def seen(connection: Connection, owner_id: str, id_: str, label: str, now: int) -> bool:
    """The owner signed in on this device. True where that is to be announced: new to them, and not their first."""
    here = (devices.c.owner_id == owner_id, devices.c.id == id_)
    if connection.execute(update(devices).where(*here).values(last_seen_at=now, label=label)).rowcount:
        return False
    first = connection.execute(select(devices.c.id).where(devices.c.owner_id == owner_id).limit(1)).first() is None
    connection.execute(
        insert(devices).values(id=id_, owner_id=owner_id, label=label, first_seen_at=now, last_seen_at=now)
    )
    return not first
