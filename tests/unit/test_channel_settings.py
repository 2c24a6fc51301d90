"""Settings of channels: understood at the start or refused there, without a secret in the answer."""

import pytest
from pydantic import ValidationError

from api.channels.smtp import server_of
from api.settings import Settings


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1", ("smtp", "127.0.0.1", 25, None, None)),
        ("smtp://relay.internal:2525", ("smtp", "relay.internal", 2525, None, None)),
        ("starttls://ann:p%40ss@mail.example", ("starttls", "mail.example", 587, "ann", "p@ss")),
        ("smtps://ann%40example.org:pw@mail.example/", ("smtps", "mail.example", 465, "ann@example.org", "pw")),
        ("smtp://ann:pw@localhost", ("smtp", "localhost", 25, "ann", "pw")),
    ],
)
def test_a_mail_server_is_named_with_its_way_of_encryption(url: str, server: tuple[object, ...]) -> None:
    assert tuple(server_of(url)) == server


@pytest.mark.parametrize(
    ("setting", "value", "cure"),
    [
        ("smtp_url", "mail.example", "smtps://"),
        ("smtp_url", "http://mail.example", "smtps://"),
        ("smtp_url", "smtps://", "smtps://"),
        ("smtp_url", "smtps://mail.example:high", "smtps://"),
        ("smtp_url", "smtps://ann@mail.example", "smtps://"),
        ("smtp_url", "smtps://mail.example/path?timeout=5", "smtps://"),
        ("smtp_url", "smtp://ann:hushhush@mail.example", "in the clear"),
        ("reachable_networks", "10.0.0.0/8, everywhere", "everywhere"),
        ("reachable_networks", "10.0.0.1/8", "host bits"),
        ("trusted_proxies", "10.0.0.0/8, 10.0.0.256", "10.0.0.256"),
        ("trusted_proxies", "*", "IPv4 or IPv6 network"),
        ("chat_services", "twilio://hushhush", "JSON"),
        ("chat_services", '{"sms": "twilio://hushhush/+49"}', "JSON"),
        ("chat_services", '["sms"]', "JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_cure_and_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str, cure: str
) -> None:
    monkeypatch.setenv(f"IDLEFEE_{setting.upper()}", value)
    with pytest.raises(ValidationError, match=cure) as caught:
        Settings()
    assert "hushhush" not in str(caught.value)


def test_without_the_extra_chat_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"idlefee\[chat\]"):
        Settings(chat_services='{"sms": "twilio://a:b@c/{to}"}')


def test_an_empty_setting_is_none() -> None:
    assert Settings(smtp_url="", chat_services="", reachable_networks="").smtp_url is None
