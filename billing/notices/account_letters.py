"""What an owner is told of their account rather than of a session: links to sign in, new devices, a new address.

Pure: the facts are handed in, the sentences are in `texts`.
"""

from zoneinfo import ZoneInfo

from billing.notices.letters import Letter
from billing.texts import Texts

_UTC = ZoneInfo("UTC")


def sign_in_link(texts: Texts, name: str, lasts_s: int, link: str) -> Letter:
    """The link that somebody who typed this address asked for."""
    return _letter(
        texts,
        texts.say("sign_in_link.subject"),
        texts.say("sign_in_link.asked", who=name),
        texts.say("sign_in_link.open", length=texts.length(lasts_s)),
        link,
        texts.say("sign_in_link.not_you"),
    )


def confirm_address(texts: Texts, name: str, lasts_s: int, link: str) -> Letter:
    """To the new address: is it theirs?"""
    return _letter(
        texts,
        texts.say("confirm_address.subject"),
        texts.say("confirm_address.asked", who=name),
        texts.say("confirm_address.open", length=texts.length(lasts_s)),
        link,
        texts.say("confirm_address.not_you"),
    )


def address_changed(texts: Texts, address: str, at: int) -> Letter:
    """To the address before: where mail goes now, as much of it as its owner needs to recognise it."""
    return _letter(
        texts,
        texts.say("address_changed.subject"),
        texts.say("address_changed.said", address=hinted(address), **_when(texts, at)),
        texts.say("address_changed.not_you"),
    )


def new_device(texts: Texts, device: str, at: int, link: str) -> Letter:
    """Somebody signed in where this owner never did before."""
    return _letter(
        texts,
        texts.say("new_device.subject"),
        texts.say("new_device.said", device=device, **_when(texts, at)),
        texts.say("new_device.not_you", link=link),
    )


def hinted(address: str) -> str:
    """`b…@example.com`: who knows the address recognises it, nobody else learns it."""
    local, _, host = address.rpartition("@")
    return f"{local[:1]}…@{host}"


def _when(texts: Texts, at: int) -> dict[str, str]:
    """An account is in no site's time zone: told in UTC, and it says so."""
    return {"day": texts.day(at, _UTC), "time": texts.clock(at, _UTC, at)}


def _letter(texts: Texts, subject: str, *lines: str) -> Letter:
    return Letter(subject, "\n\n".join(lines) + "\n", texts.language)
