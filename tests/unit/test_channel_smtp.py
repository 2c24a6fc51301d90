"""Mails over TLS, from the first byte and after STARTTLS, to a server whose certificate is checked."""

from pathlib import Path

import pytest

from api.channels.mail import mail
from api.channels.smtp import SmtpServer
from billing.notices import Down, Refused
from tests.receivers import MailServer, certificate, free_port

MAIL = mail("0a1b", sender="fees@seller.example", to="ann@example.org", name=None, subject="s", body="b\n", at=0)


@pytest.mark.parametrize("scheme", ["smtps", "starttls"])
def test_a_server_is_trusted_by_its_certificate_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    context = certificate(tmp_path, "localhost")
    server = MailServer(free_port(), **{"tls" if scheme == "smtps" else "starttls": context})  # type: ignore[arg-type]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server.start()
    try:
        url = f"{scheme}://ann:right@{{}}:{server.port}"
        assert SmtpServer(url.format("localhost")).send("0a1b", MAIL) == "OK, kept as 17"
        with pytest.raises(Down, match=r"certificate|TLS|hostname"):
            SmtpServer(url.format("127.0.0.1")).send("0a1b", MAIL)
        assert [one["Message-ID"] for one in server.mails] == ["<0a1b@seller.example>"]
    finally:
        server.stop()


def test_what_a_server_says_is_kept_without_the_addresses_in_it() -> None:
    server = MailServer(free_port(), answers=["250 kept for <ann@example.org>", "550 5.1.1 ann@example.org: unknown"])
    server.start()
    try:
        assert SmtpServer(server.url).send("0a1b", MAIL) == "kept for <…>"
        with pytest.raises(Refused, match=r"^550 5\.1\.1 … unknown$"):
            SmtpServer(server.url).send("0a1b", MAIL)
    finally:
        server.stop()
