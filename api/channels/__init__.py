"""The ways out of the house, a file each: `mail` (what a notice looks like as one) by `outbox` or `smtp`, `push`,
`webhooks` and `chat`. `reach` is how the product itself speaks HTTP to addresses that owners gave it.

A channel knows how to hand over one notice to one contact, and which errors mean what. When, how often, and what to do
about those errors is not decided here (`billing.notices.handing`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.channels.chat import Chat
from api.channels.mail import Mail, Mailer
from api.channels.outbox import OutboxFolder
from api.channels.push import Push, vapid_key
from api.channels.reach import Reach
from api.channels.smtp import SmtpServer
from api.channels.webhooks import Webhooks
from billing.notices import Channel

if TYPE_CHECKING:  # the wiring knows letters, and letters the channels
    from api.wiring import Idlefee


def channels_of(app: "Idlefee") -> Sequence[Channel]:
    """The channels that are configured. Raises `SettingUnusable`."""
    settings = app.settings
    with app.reading() as connection:
        key = vapid_key(connection)
    reach = Reach(settings.reachable_networks)
    channels: list[Channel] = [
        Mail(mailer_of(app), settings.sender, settings.base_url),
        Push(reach, key, app.clock, settings.sender, settings.base_url),
        Webhooks(reach, app.clock),
    ]
    if settings.chat_services:
        channels.append(Chat(settings.chat_services))
    return channels


def mailer_of(app: "Idlefee") -> Mailer:
    """What takes mails: the server that is configured, or else the folder."""
    url = app.settings.smtp_url
    return OutboxFolder(app.settings.outbox) if url is None else SmtpServer(url)
