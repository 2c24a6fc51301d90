"""Mails through a mail server: `IDLEFEE_SMTP_URL`. Which of its answers are for good, and which are its own trouble."""

import asyncio
import re
from email.message import EmailMessage
from email.utils import parseaddr
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from billing.notices import Down, Refused

ANSWER_WITHIN_S = 10
DONE_WITHIN_S = 25
_PORTS = {"smtp": 25, "starttls": 587, "smtps": 465}
FORM = "must be smtps://USER:PASSWORD@HOST (TLS), starttls://… (TLS after a greeting) or smtp://HOST (in the clear)"


class Server(NamedTuple):
    """A mail server and how to speak to it."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None


def server_of(url: str) -> Server:
    """Reads the setting. Raises `ValueError`, whose text repeats no password."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise ValueError(FORM) from None
    if not parts.hostname or parts.path.strip("/") or parts.query or (parts.username and not parts.password):
        raise ValueError(FORM)
    if parts.scheme == "smtp" and parts.username and not _here(parts.hostname):
        raise ValueError("a password does not travel in the clear: use starttls:// or smtps://")
    user, password = (None if one is None else unquote(one) for one in (parts.username, parts.password))
    return Server(parts.scheme, parts.hostname, port, user, password)


def _here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class SmtpServer:
    """One connection a mail: a worker sends few at a time, and a connection that was kept may be dead."""

    def __init__(self, url: str) -> None:
        self._server = server_of(url)

    def send(self, id_: str, message: EmailMessage) -> str:
        try:
            return asyncio.run(self._send(message))
        except SMTPRecipientsRefused as refused:
            raise self._refusal(refused.recipients[0]) from None
        except SMTPDataError as refused:
            raise self._refusal(refused) from None
        except SMTPNotSupported as refused:  # letters in an address that this server knows nothing of
            raise Refused(_said(refused)) from None
        except (SMTPException, OSError, TimeoutError) as error:  # no connection, no sign-in, no answer
            raise Down(_said(error)) from None

    def _refusal(self, refused: SMTPResponseException) -> Exception:
        """What the server would not do with this mail: for good (5xx), at the moment (4xx), or with anybody's (421)."""
        if refused.code == 421:
            return Down(_said(refused))
        return Refused(_said(refused)) if refused.code >= 500 else SMTPException(_said(refused))

    async def _send(self, message: EmailMessage) -> str:
        server = self._server
        async with asyncio.timeout(DONE_WITHIN_S):
            client = SMTP(
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.scheme == "smtps",
                start_tls=server.scheme == "starttls",
                local_hostname=parseaddr(str(message["From"]))[1].rpartition("@")[2] or "localhost",
                timeout=ANSWER_WITHIN_S,
            )
            try:
                await client.connect()
                _refused, answer = await client.send_message(message)
                return _nameless(answer)[:200]
            finally:
                if isinstance(client.transport, asyncio.WriteTransport):
                    client.transport.abort()  # TLS would wait for a goodbye, and the loop ends before it comes
                client.close()


def _said(error: BaseException) -> str:
    """The server's own words, or what kept it from having any."""
    if isinstance(error, SMTPResponseException):
        return _nameless(f"{error.code} {error.message}")
    return _nameless(f"{type(error).__name__}: {error}")


def _nameless(said: str) -> str:
    """Without addresses: servers like to repeat them, and what they say is kept and logged."""
    return re.sub(r"[^\s<>@]+@[^\s<>@]+", "…", said)
