"""What notices are handed to, for real, on loopback: a mail server and an HTTP server that a test tells what to answer,
and a browser's side of push messages. No tests here.
"""

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import http_ece  # type: ignore[import-untyped]
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"
ACCEPTED = "250 OK, kept as 17"


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's side of TLS under a name; `folder/ca.pem` is what a client would have to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    began = datetime.now(UTC) - timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@dataclass
class MailServer:
    """Keeps what it took. `answers` come first, one a mail; `to_recipients` before the mail is even sent."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    to_recipients: list[str] = field(default_factory=list)
    slow_s: float = 0
    tls: ssl.SSLContext | None = None  # from the first byte, or else after STARTTLS
    starttls: ssl.SSLContext | None = None
    _up: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://{LOOPBACK}:{self.port}"

    # aiosmtpd's names
    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.to_recipients:
            return self.to_recipients.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        time.sleep(self.slow_s)  # noqa: ASYNC251 - nobody else is served meanwhile, as by a server that hangs
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return ACCEPTED

    def start(self) -> None:
        self._up = Controller(
            self,
            hostname=LOOPBACK,
            port=self.port,
            ssl_context=self.tls,
            tls_context=self.starttls,
            require_starttls=self.starttls is not None,
            auth_require_tls=False,
            authenticator=lambda _s, _n, _e, _m, login: AuthResult(
                success=isinstance(login, LoginPassword) and login.password == b"right", handled=False
            ),
        )
        self._up.start()

    def stop(self) -> None:
        if self._up is not None:
            self._up.stop()
            self._up = None


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer(free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class HttpServer:
    """Keeps what it was sent, by path. `answers` says what a path answers: 204, if nothing else was said."""

    port: int
    requests: list[Request] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    slow_s: float = 0

    def url(self, path: str) -> str:
        return f"http://{LOOPBACK}:{self.port}{path}"

    def at(self, path: str) -> list[Request]:
        return [one for one in self.requests if one.path == path]


@contextmanager
def http_server(tls: ssl.SSLContext | None = None) -> Iterator[HttpServer]:
    """An address on loopback that takes POSTs while the block runs, over TLS if that is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            ended.wait(kept.slow_s)
            try:
                self.send_response(kept.answers.get(self.path, 204))
                for name, value in kept.headers.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:
                pass  # whoever asked has gone

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    ended = threading.Event()
    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        kept = HttpServer(int(server.server_address[1]))
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), name="receiver")
        thread.start()
        try:
            yield kept
        finally:
            ended.set()
            server.shutdown()
            thread.join()


class Browser:
    """A browser's subscription, and its side of the encryption."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = bytes(range(16))

    def subscription(self, endpoint: str) -> dict[str, Any]:
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        coded = (base64.urlsafe_b64encode(raw).rstrip(b"=").decode() for raw in (point, self._auth))
        return {"endpoint": endpoint, "keys": dict(zip(("p256dh", "auth"), coded, strict=True))}

    def reads(self, body: bytes) -> Any:
        return json.loads(http_ece.decrypt(body, private_key=self._key, auth_secret=self._auth, version="aes128gcm"))
