"""The outbox folder: mails that any program reads, written whole or not at all."""

from email import message_from_bytes, policy
from pathlib import Path

import pytest

from api.channels.mail import Mail
from api.channels.outbox import OutboxFolder
from billing.notices import About, Outgoing, Refused
from billing.notices.contacts import Contact
from billing.owners import Owner

ANN = Owner("ann", "Ann Müller", "ann@example.org")
NOTICE = Outgoing(
    "0a1b",
    "charge_complete",
    ANN,
    "Your car is full: move it by 14:07",
    "Zürich, stall 1\n" + "x" * 2000 + "\n",
    "en",
    1_800_000_000,
    About("depot"),
)


def at(owner: Owner) -> Contact:
    return Contact(owner.id, "email", "email", "email", {"address": owner.email}, 0)


@pytest.fixture
def outbox(tmp_path: Path) -> Mail:
    folder = OutboxFolder(tmp_path / "deep" / "outbox")
    return Mail(folder, "Idle fees <fees@seller.example>", "https://fees.example/")


def test_a_notice_is_a_mail(outbox: Mail, tmp_path: Path) -> None:
    assert outbox.hand_over(NOTICE, at(ANN)) == "0a1b.eml"
    content = (tmp_path / "deep" / "outbox" / "0a1b.eml").read_bytes()
    mail = message_from_bytes(content, policy=policy.default)
    assert mail["From"] == "Idle fees <fees@seller.example>"
    assert mail["To"] == "Ann Müller <ann@example.org>"
    assert mail["Message-ID"] == "<0a1b@seller.example>"
    assert mail["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert mail["Subject"] == NOTICE.subject
    assert mail["List-Unsubscribe"] == "<https://fees.example/me/account>"
    assert str(mail.get_content()).replace("\r\n", "\n") == NOTICE.body
    lines = content.split(b"\r\n")
    assert max(map(len, lines)) <= 998  # RFC 5322, 2.1.1
    assert b"\n" not in b"".join(lines)


def test_handed_over_twice_it_is_one_file(outbox: Mail, tmp_path: Path) -> None:
    outbox.hand_over(NOTICE, at(ANN))
    outbox.hand_over(NOTICE, at(ANN))
    assert [file.name for file in (tmp_path / "deep" / "outbox").iterdir()] == ["0a1b.eml"]


def test_only_the_product_may_look_in(outbox: Mail, tmp_path: Path) -> None:
    outbox.hand_over(NOTICE, at(ANN))
    assert (tmp_path / "deep" / "outbox").stat().st_mode & 0o077 == 0


def test_what_was_left_of_a_crash_is_no_mail_and_in_nobodys_way(outbox: Mail, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "outbox"
    folder.mkdir(parents=True)
    (folder / ".0a1b.eml.part").write_bytes(b"From: half")
    assert list(folder.glob("*.eml")) == []
    outbox.hand_over(NOTICE, at(ANN))
    assert [file.name for file in folder.iterdir()] == ["0a1b.eml"]


@pytest.mark.parametrize(
    "address",
    [
        "eve@example.org\r\nBcc: all@example.org",
        "eve@example.org, all@example.org",
        "eve(x)@example.org",
        "<eve@x>",
        "é@x",
    ],
)
def test_what_is_no_address_gets_no_mail_and_no_other_gets_it(outbox: Mail, tmp_path: Path, address: str) -> None:
    eve = Owner("eve", "Eve", address)
    with pytest.raises(Refused, match=r"^no mail can go to this address$"):
        outbox.hand_over(Outgoing("0a1b", "final", eve, "s", "b", "en", 0, About("depot")), at(eve))
    assert list(tmp_path.glob("**/*.eml")) == []


@pytest.mark.parametrize("end", ["\r\n", "\x85", "\u2028", "\x1d"])
def test_a_name_cannot_smuggle_in_a_header_and_keeps_no_mail_back(outbox: Mail, tmp_path: Path, end: str) -> None:
    name = f'"Eve" <e@x>{end}Bcc: all@example.org'
    eve = Owner("eve", name, "eve@example.org")
    outbox.hand_over(Outgoing("0a1b", "final", eve, f"At {name}", "b", "en", 0, About("depot")), at(eve))
    mail = message_from_bytes((tmp_path / "deep" / "outbox" / "0a1b.eml").read_bytes(), policy=policy.default)
    assert mail["Bcc"] is None
    assert [(one.display_name, one.addr_spec) for one in mail["To"].addresses] == [
        ('"Eve" <e@x> Bcc: all@example.org', "eve@example.org")
    ]
    assert mail["Subject"] == 'At "Eve" <e@x> Bcc: all@example.org'
