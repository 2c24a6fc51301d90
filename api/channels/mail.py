"""Notices as mails (RFC 5322), in plain text. Who takes them, a server or a folder, is handed in."""

from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Protocol

from billing.notices import Outgoing, Refused
from billing.notices.contacts import EMAIL, Contact


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
        try:
            message = mail(
                notice.id,
                sender=self._sender,
                to=Address(notice.to.name or "", addr_spec=contact.address),
                subject=notice.subject,
                body=notice.body,
                at=notice.written_at,
            )
        except ValueError as error:
            raise Refused(f"no mail can go to this address: {error}") from None
        if self._preferences is not None:
            message["List-Unsubscribe"] = f"<{self._preferences}>"  # where an owner says what they want to hear
        return self._mailer.send(notice.id, message)


def mail(id_: str, *, sender: str, to: Address, subject: str, body: str, at: int) -> EmailMessage:
    """A mail of ours, written `at` (UTC seconds). Raises `ValueError` for what cannot stand in a header."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.fromtimestamp(at, UTC))
    message["Message-ID"] = f"<{id_}@{host_of(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    return message


def host_of(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"
