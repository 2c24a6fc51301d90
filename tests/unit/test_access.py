"""What a browser says of itself, whom an address is counted as, and what a signature is worth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.devices import label_of
from api.access.limits import client_of
from api.access.links import key_of, new_address
from api.access.secret import Secret
from billing.notices.account_letters import hinted
from billing.owners import is_email

SECRET = Secret("00" * 32)

_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {_WEBKIT} Version/18.5 Safari/604.1",
            "Safari, iPhone",
        ),
        (f"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) {_WEBKIT} CriOS/140.0 Safari/604.1", "Chrome, iPad"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Chrome/140.0 Safari/537.36", "Chrome, macOS"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Linux; Android 15) {_WEBKIT} SamsungBrowser/28.0 Chrome/130.0", "Samsung Internet, Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Linux"),
        ("curl/8.14.1", "Another browser"),
        ("", "Another browser"),
        ("<script>alert(1)</script>", "Another browser"),
    ],
)
def test_a_browser_is_told_in_words_of_ours(said: str, label: str) -> None:
    assert label_of(said) == label


@pytest.mark.parametrize(
    ("host", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        (None, "unknown"),
        ("a-socket", "a-socket"),
    ],
)
def test_a_client_is_counted_by_what_one_user_holds(host: str | None, counted_as: str) -> None:
    assert client_of(host) == counted_as


@given(st.text(max_size=60))
def test_what_was_not_signed_for_a_purpose_is_worth_nothing(text: str) -> None:
    assert SECRET.read("sign in", text) is None
    assert new_address(SECRET, text, 0) is None
    assert SECRET.read("sign in", SECRET.sign("e-mail address", text)) is None
    assert Secret("11" * 32).read("sign in", SECRET.sign("sign in", text)) is None
    assert SECRET.read("sign in", SECRET.sign("sign in", text)) == text
    assert key_of(SECRET, SECRET.sign("sign in", [text, 10]), 9) == text
    assert key_of(SECRET, SECRET.sign("sign in", [text, 10]), 10) == ""


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("a@b", True),
        ("ann@example.com", True),
        ("a@b\n", False),
        ("a b@c", False),
        ("a@b@c", False),
        ("@b", False),
        ("", False),
        ("a" * 252 + "@b", True),
        ("a" * 253 + "@b", False),
        ("o'neil+cars@mail.example.co", True),
        ("a,b@example.com", False),  # two addresses to a mail server
        ("a(b)@example.com", False),  # a comment: the mail would go to another address
        ("<a@example.com>", False),
        ("a@example.com.", False),
        ("a@[127.0.0.1]", False),
        ("m\u00fcller@example.com", False),
        ("ann@m\u00fcller.example", False),
        ("ann@xn--mller-kva.example", True),
    ],
)
def test_an_address_is_what_mail_could_go_to(text: str, is_one: bool) -> None:
    assert is_email(text) is is_one


def test_a_hint_tells_an_address_to_who_knows_it() -> None:
    assert hinted("robert@example.com") == "r…@example.com"
