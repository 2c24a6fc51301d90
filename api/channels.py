"""The ways out of the house that need nothing but this machine: an outbox folder of `.eml` files (RFC 5322)."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path

from api.settings import Settings
from billing.notices import Channel, Outgoing
from billing.owners import Owner


def channels_of(settings: Settings) -> Sequence[Channel]:
    """The channels that are configured."""
    return [OutboxFolder(settings.outbox, settings.sender)]


class OutboxFolder:
    """Leaves each notice as a file that any mail program opens and any mail server takes.

    The file is named after the notice: handed over twice it is written twice, and there is one.
    """

    name = "outbox"

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender
        self._host = parseaddr(sender)[1].rpartition("@")[2] or "localhost"

    def reaches(self, owner: Owner) -> bool:
        return bool(owner.email)

    def hand_over(self, notice: Outgoing) -> str:
        # Owners' addresses are in there: nobody else on this machine needs to read them.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"{notice.id}.eml"
        _write_durably(file, self._message(notice).as_bytes())
        return file.name

    def _message(self, notice: Outgoing) -> EmailMessage:
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = self._sender
        message["To"] = Address(notice.to.name or "", addr_spec=notice.to.email or "")
        message["Subject"] = notice.subject
        message["Date"] = format_datetime(datetime.fromtimestamp(notice.written_at, UTC))
        message["Message-ID"] = f"<{notice.id}@{self._host}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.body)
        return message


def _write_durably(file: Path, content: bytes) -> None:
    """After this returns the file is there, whole, whatever happens; before, the old one is or none."""
    partial = file.with_name(f".{file.name}.part")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
