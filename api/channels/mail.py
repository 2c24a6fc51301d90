"""Notices as mails (RFC 5322), in plain text. Who takes them, a server or a folder, is handed in."""

from contextlib import suppress
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Protocol

from billing.notices import Outgoing, Refused
from billing.notices.contacts import EMAIL, Contact
from billing.owners import is_email


class Mailer(Protocol):
    """Takes mails for good: `send` answers with its own name for one, or raises as `Channel.hand_over` does."""

    def send(self, id_: str, message: EmailMessage) -> str: ...


class Mail:
    """E-mail to owners. The same notice has the same Message-ID each time, which is how mail programs tell twice."""

    name = EMAIL

    def __init__(self, mailer: Mailer, sender: str, base_url: str | None = None) -> None:
        self._mailer = mailer
        self._sender = sender
        self._preferences = None if base_url is None else f"{base_url.rstrip('/')}/me/account"

    def provider(self, contact: Contact) -> str:
        return EMAIL

    def hand_over(self, notice: Outgoing, contact: Contact) -> str:
        message = mail(
            notice.id,
            sender=self._sender,
            to=contact.address,
            name=notice.to.name,
            subject=notice.subject,
            body=notice.body,
            at=notice.written_at,
        )
        if self._preferences is not None:
            message["List-Unsubscribe"] = f"<{self._preferences}>"  # where an owner says what they want to hear
        return self._mailer.send(notice.id, message)


def mail(id_: str, *, sender: str, to: str, name: str | None, subject: str, body: str, at: int) -> EmailMessage:
    """A mail of ours to the address `to`, written `at` (UTC seconds). Raises `Refused` for what is no address."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = sender
    message["To"] = _addressed(name, to)
    message["Subject"] = _one_line(subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    message["Message-ID"] = f"<{id_}@{host_of(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    return message


def _addressed(name: str | None, to: str) -> Address:
    """Judged here too: an address may be older than the rule, and a header would quietly make another of it."""
    if is_email(to):
        with suppress(ValueError, MessageError):
            return Address(_one_line(name or ""), addr_spec=to)
    raise Refused("no mail can go to this address")


def _one_line(text: str) -> str:
    """A header is one line, and Unicode knows more ends of one than those that a name may not hold."""
    return " ".join(text.split())


def host_of(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"
