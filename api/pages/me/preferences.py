"""`/me/preferences`: what an owner hears, in which language, when not, and where: browsers, webhooks, chat, e-mail.

Which of it may be chosen, `billing.notices.preferences` and `billing.notices.contacts` say.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from api.channels.chat import services_of
from api.contacts import new_contact
from api.guard import Engine
from api.inputs import PathId
from api.pages.errors import PageRoute, nothing_here
from api.pages.me.whose import OwnerId
from api.pages.queries import owners as queries
from api.pages.rendering import page
from api.pages.visitors import Form, OwnForm, SentForm
from api.wiring import Idlefee
from billing.notices.contacts import (
    CHAT,
    EMAIL,
    MOST_CONTACTS,
    PUSH,
    WEBHOOK,
    BadContact,
    Contact,
    TooManyContacts,
    contacts_of,
    end_contact,
)
from billing.notices.kinds import KINDS, WHILE_QUIET
from billing.notices.preferences import BadPreferences, Preferences, preferences_of, save_preferences
from billing.owners import owner, set_language
from billing.texts import languages

router = APIRouter(include_in_schema=False, route_class=PageRoute)


def _page(
    request: Request,
    idlefee: Idlefee,
    connection: Connection,
    owner_id: str,
    wrong: tuple[Form, Mapping[str, str]] | None = None,
    refused: Mapping[str, tuple[Form, str]] = MappingProxyType({}),
    secret_of: Contact | None = None,
) -> Response:
    """The page; `wrong` and `refused` (by channel) are forms that were not accepted, and why; `secret_of` has just been
    added.
    """
    kept, contacts = preferences_of(connection, owner_id), contacts_of(connection, owner_id)
    one = owner(connection, owner_id)
    zones = queries.every_zone(connection)
    sent, faults = wrong or (None, {})
    shown = {
        "language": one.language,
        "quiet_from": _time(kept.quiet_from),
        "quiet_to": _time(kept.quiet_to),
        "zone": kept.zone or (zones[0] if len(zones) == 1 else ""),
    }
    return page(
        request,
        "me/preferences.html",
        422 if faults or refused else 200,
        owner=one,
        contacts=contacts,
        channels=_channels(bool(one.email), {contact.channel for contact in contacts}),
        kinds=KINDS,
        loud=WHILE_QUIET,
        muted=kept.muted,
        languages=languages(),
        zones=zones,
        shown=shown if sent is None else {name: sent[name] for name in shown},
        faults=faults,
        saved="saved" in request.query_params,
        services=services_of(idlefee.settings.chat_services),
        refused=refused,
        secret_of=secret_of,
    )


def _channels(has_email: bool, others: set[str]) -> list[str]:
    """Those that reach the owner at all: of others there is nothing to choose."""
    return [name for name in (EMAIL, PUSH, WEBHOOK, CHAT) if name in others or (name == EMAIL and has_email)]


@router.get("/me/preferences")
def preferences(request: Request, idlefee: Engine, owner_id: OwnerId) -> Response:
    with idlefee.reading() as connection:
        return _page(request, idlefee, connection, owner_id)


@router.post("/me/preferences")
def change_preferences(request: Request, idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    """Keep what the form says; of channels it did not show, what was kept before."""
    with idlefee.writing() as connection:
        before = preferences_of(connection, owner_id)
        faults: dict[str, str] = {}
        if form["language"] not in languages():
            faults["language"] = "Choose one of these."
        times = {name: _minute(form[name], name, faults) for name in ("quiet_from", "quiet_to")}
        wanted = None
        if not faults:
            try:
                wanted = Preferences(**times, zone=form["zone"] or None, muted=_muted(form, before))
            except BadPreferences as error:
                faults = {where: f"{what[0].upper()}{what[1:]}." for where, what in error.faults}
        if wanted is None:
            return _page(request, idlefee, connection, owner_id, (form, faults))
        set_language(connection, owner_id, form["language"])
        save_preferences(connection, owner_id, wanted, idlefee.clock.now())
    return RedirectResponse("/me/preferences?saved", 303)


def _muted(form: Form, before: Preferences) -> frozenset[tuple[str, str]]:
    shown = set(form["channels"].split())
    kept = {(kind, channel) for kind, channel in before.muted if channel not in shown}
    quiet = {(kind, channel) for kind in KINDS for channel in shown if not form[f"hear-{kind}-{channel}"]}
    return frozenset(kept | quiet)


def _minute(text: str, name: str, faults: dict[str, str]) -> int | None:
    hours, _, minutes = text[:5].partition(":")  # some browsers send seconds too
    if not text:
        return None
    if not (hours + minutes).isdecimal() or int(hours) > 23 or int(minutes or 60) > 59:
        faults[name] = "Write a time such as 22:00."
        return None
    return int(hours) * 60 + int(minutes)


def _time(minute: int | None) -> str:
    return "" if minute is None else f"{minute // 60:02}:{minute % 60:02}"


# -- where --------------------------------------------------------------------------------------------------


@router.post("/me/push")
def add_browser(idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    """The browser that sends this is told as well; asked for by `push.js`."""
    details = {"endpoint": form["endpoint"], "keys": {"p256dh": form["p256dh"], "auth": form["auth"]}}
    with idlefee.writing() as connection:
        new_contact(idlefee, connection, owner_id, PUSH, form["label"] or "A browser", details)
    return Response(status_code=204)


@router.post("/me/webhooks")
def add_webhook(request: Request, idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    """A program of the owner's is told as well; its secret is shown on the answer, and never again."""
    details = {"url": form["url"]}
    wanted = "Write an address such as https://example.com/hooks/idlefee: public, without user, password or fragment."
    with idlefee.writing() as connection:
        try:
            made = new_contact(idlefee, connection, owner_id, WEBHOOK, form["label"] or "A program", details)
        except (BadContact, TooManyContacts) as error:
            refused = {WEBHOOK: (form, _said(error, wanted))}
            return _page(request, idlefee, connection, owner_id, refused=refused)
        return _page(request, idlefee, connection, owner_id, secret_of=made)


@router.post("/me/chats")
def add_chat(request: Request, idlefee: Engine, owner_id: OwnerId, form: SentForm) -> Response:
    """A number or a name of the owner's at one of the services is told as well."""
    details = {"service": form["service"], "to": form["to"].replace(" ", "")}
    wanted = "Write a number with its country code, such as +4915112345678, or the name that the service knows."
    with idlefee.writing() as connection:
        try:
            new_contact(idlefee, connection, owner_id, CHAT, form["label"] or details["service"], details)
        except (BadContact, TooManyContacts) as error:
            refused = {CHAT: (form, _said(error, wanted))}
            return _page(request, idlefee, connection, owner_id, refused=refused)
    return RedirectResponse("/me/preferences#where", 303)


def _said(error: BadContact | TooManyContacts, wanted: str) -> str:
    if isinstance(error, BadContact):
        return wanted
    return f"{MOST_CONTACTS} are the most: remove one that nobody reads any more."


@router.post("/me/contacts/{contact_id}/end", dependencies=[OwnForm])
def remove_contact(idlefee: Engine, owner_id: OwnerId, contact_id: PathId) -> Response:
    with idlefee.writing() as connection:
        if not end_contact(connection, owner_id, contact_id, idlefee.clock.now()):
            raise nothing_here()
    return RedirectResponse("/me/preferences#where", 303)
