"""Mails over TLS, from the first byte and after STARTTLS, to a server whose certificate is checked."""

from email.headerregistry import Address
from pathlib import Path

import pytest

from api.channels.mail import mail
from api.channels.smtp import SmtpServer
from billing.notices import Down
from tests.receivers import MailServer, certificate, free_port

MAIL = mail(
    "0a1b", sender="fees@seller.example", to=Address(addr_spec="ann@example.org"), subject="s", body="b\n", at=0
)


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
