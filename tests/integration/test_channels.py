"""Notices handed to real servers, which deliver, refuse, are slow, or are down for an hour; on both databases."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from py_vapid import Vapid02  # type: ignore[import-untyped]
from sqlalchemy import select
from standardwebhooks import Webhook

from api.channels import reach, smtp
from api.channels.mail import Mail
from api.channels.smtp import SmtpServer
from api.worker import Worker
from billing.jobs import LEASE_S
from billing.notices.contacts import Contact, add_contact, contacts_of, end_contact
from billing.notices.health import PROBE_S, ailing
from billing.store.tables import contacts, deliveries, jobs
from billing.tariffs import Tariff
from tests.integration.telling import HOUR_S, NOON, Town, text_of, town
from tests.receivers import ACCEPTED, Browser, HttpServer, MailServer, http_server, mail_server

LOOPBACK: dict[str, Any] = {"reachable_networks": "127.0.0.1/32"}


def accepted(here: Town) -> list[tuple[str, str | None]]:
    """Who took a notice, by the name of the address, and its own name for it."""
    with here.app.reading() as connection:
        found = connection.execute(select(deliveries.c.channel, deliveries.c.reference)).all()
    return sorted((channel, reference) for channel, reference in found if channel != "inbox")


def tries(here: Town) -> list[int]:
    """How often each waiting hand-over was tried in vain, by its own fault."""
    with here.app.reading() as connection:
        return list(connection.execute(select(jobs.c.attempts).where(jobs.c.kind == "hand_over")).scalars())


def add(here: Town, owner: str, channel: str, **details: Any) -> Contact:
    with here.app.writing() as connection:
        return add_contact(connection, owner, channel, channel, details, here.clock.now())


def ended(here: Town) -> list[str]:
    with here.app.reading() as connection:
        return list(connection.execute(select(contacts.c.ended_because)).scalars())


# -- e-mail -------------------------------------------------------------------------------------------------


@pytest.fixture
def post() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def mailed(database_url: str, tmp_path: Path, post: MailServer) -> Iterator[Town]:
    url = post.url.replace("smtp://", "smtp://ann:right@")
    with town(database_url, tmp_path / "outbox", smtp_url=url) as found:
        yield found


def test_a_mail_server_takes_each_notice_once(mailed: Town, post: MailServer) -> None:
    mailed.a_stay(600)
    mailed.work()
    (notice,), (mail,) = mailed.told(), post.mails
    assert (mail["To"], mail["Subject"]) == ("Ann Müller <ann@example.org>", notice.subject)
    assert mail["Message-ID"] == f"<{notice.id}@localhost>"
    assert mail["List-Unsubscribe"] == "<https://fees.example/me/account>"
    assert text_of(mail) == notice.body
    assert accepted(mailed) == [("email", ACCEPTED.removeprefix("250 "))]
    assert mailed.mails() == []  # the folder is for those without a server


def test_a_mail_that_is_refused_for_good_is_parked_at_once(mailed: Town, post: MailServer) -> None:
    post.to_recipients.append("550 5.1.1 no such mailbox")
    mailed.a_stay(600)
    mailed.work()
    (letter,) = mailed.parked()
    assert letter["last_error"] == "Refused: 550 5.1.1 no such mailbox"
    with mailed.app.reading() as connection:
        assert ailing(connection) == {}  # nobody else has to wait for it


def test_a_mail_that_is_put_off_is_tried_again_and_no_other_waits_for_it(mailed: Town, post: MailServer) -> None:
    post.answers.append("451 4.7.1 greylisted")
    mailed.a_stay(600)
    mailed.a_stay(600, session="b", station="s2")
    mailed.work()
    assert (len(post.mails), tries(mailed)) == (1, [1])
    mailed.work(mailed.clock.now() + 60)
    assert len(post.mails) == 2
    assert mailed.parked() == []


def test_a_server_that_is_down_for_an_hour_loses_nothing_and_spoils_no_step(mailed: Town, post: MailServer) -> None:
    post.stop()
    for n in range(4):
        mailed.a_stay(600, session=f"n{n}", station=f"s{1 + n % 2}")
    begun = mailed.clock.now()
    mailed.work()
    for later in range(0, HOUR_S, 150):
        mailed.work(begun + later)
    with mailed.app.reading() as connection:
        health = ailing(connection)["email"]
    assert (health.failing_since, health.open) == (begun, True)
    assert 20 < health.failures < 60  # it was left alone most of the time
    assert health.last_error is not None
    assert "ConnectError" in health.last_error
    assert tries(mailed) == [0, 0, 0, 0]
    post.start()
    for later in (HOUR_S + 120, HOUR_S + 120 + PROBE_S):
        mailed.work(begun + later)
    assert sorted(mail["Message-ID"] for mail in post.mails) == sorted(
        f"<{notice.id}@localhost>" for notice in mailed.told()
    )
    assert len(post.mails) == 4
    assert mailed.parked() == []
    with mailed.app.reading() as connection:
        assert ailing(connection) == {}


def test_a_server_that_hangs_is_left_alone(mailed: Town, post: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "ANSWER_WITHIN_S", 0.2)
    post.slow_s = 0.4
    mailed.a_stay(600)
    mailed.work()
    with mailed.app.reading() as connection:
        assert "Timeout" in str(ailing(connection)["email"].last_error)
    assert tries(mailed) == [0]


def test_a_wrong_password_is_the_servers_trouble_and_not_the_notices(
    database_url: str, tmp_path: Path, post: MailServer
) -> None:
    with town(database_url, tmp_path, smtp_url=post.url.replace("smtp://", "smtp://ann:wrong@")) as here:
        here.a_stay(600)
        here.work()
        assert (post.mails, tries(here), here.parked()) == ([], [0], [])
        with here.app.reading() as connection:
            assert str(ailing(connection)["email"].last_error).startswith("535")


def test_a_crash_between_acceptance_and_record_repeats_the_mail_under_its_id(mailed: Town, post: MailServer) -> None:
    class Dying(SmtpServer):
        def send(self, id_: str, message: EmailMessage) -> str:
            super().send(id_, message)
            raise KeyboardInterrupt

    mailed.a_stay(600)
    with pytest.raises(KeyboardInterrupt):
        Worker(mailed.app, [Mail(Dying(post.url), "idlefee <noreply@localhost>")]).run_due()
    assert (len(post.mails), accepted(mailed)) == (1, [])
    mailed.work()
    assert len(post.mails) == 1  # the dead worker's lease still runs
    mailed.work(mailed.clock.now() + LEASE_S)
    (notice,) = mailed.told()
    assert [mail["Message-ID"] for mail in post.mails] == [f"<{notice.id}@localhost>"] * 2
    assert len(accepted(mailed)) == 1


# -- what owners added --------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as found:
        yield found


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path / "outbox", **LOOPBACK) as found:
        yield found


def test_a_webhook_gets_signed_json_that_a_car_can_act_upon(here: Town, server: HttpServer) -> None:
    hook = add(here, "bob", "webhook", url=server.url("/hook?car=blue"))
    here.fill(token="BOB")
    here.work()
    (notice,), (sent,) = here.told("bob"), server.requests
    assert (sent.path, sent.headers["webhook-id"]) == ("/hook?car=blue", notice.id)
    at = datetime.fromtimestamp(int(sent.headers["webhook-timestamp"]), UTC)
    assert int(at.timestamp()) == NOON + 1800
    signed = Webhook(hook.details["secret"]).sign(notice.id, at, sent.body.decode())
    assert sent.headers["webhook-signature"] == signed
    assert json.loads(sent.body) == {
        "type": "charge_complete",
        "timestamp": "2027-01-15T12:30:00Z",
        "data": {
            "owner": "bob",
            "site": "harbour",
            "stall": "1",
            "sessions": [{"station": "s1", "session": "a", "fee_minor": None}],
            "currency": "USD",
            "charged_from": "2027-01-15T12:35:00Z",
            "running_since": None,
            "so_far_minor": 0,
            "subject": notice.subject,
            "text": notice.body,
        },
    }
    here.post("unplugged", 2400)
    here.work()
    ended_with = json.loads(server.requests[1].body)
    assert (ended_with["type"], ended_with["data"]["sessions"][0]["fee_minor"]) == ("final", 2_00)
    assert accepted(here) == [(hook.name, "204")] * 2


def test_one_broken_address_repeats_no_other(here: Town, server: HttpServer) -> None:
    server.answers["/broken"] = 500
    for path in ("/one", "/broken", "/two"):
        add(here, "ann", "webhook", url=server.url(path))
    here.a_stay(600)
    here.work()
    for _ in range(4):
        here.work(here.clock.now() + 150)
    assert [len(server.at(path)) for path in ("/one", "/two")] == [1, 1]
    assert len(here.mails()) == 1
    assert len(server.at("/broken")) > 2
    del server.answers["/broken"]
    here.work(here.clock.now() + 300)
    assert len(accepted(here)) == 4
    assert len({sent.headers["webhook-id"] for sent in server.requests}) == 1


@pytest.mark.parametrize(("answer", "why"), [(410, "answered 410"), (None, "not a public address")])
def test_an_address_that_can_never_work_ends(
    database_url: str, tmp_path: Path, server: HttpServer, answer: int | None, why: str
) -> None:
    with town(database_url, tmp_path, **(LOOPBACK if answer else {})) as here:
        server.answers["/hook"] = answer or 204
        add(here, "bob", "webhook", url=server.url("/hook").replace("http:", "https:" if answer is None else "http:"))
        here.a_stay(600, token="BOB")
        here.work()
        (because,) = ended(here)
        assert why in because
        assert here.parked() == []
        assert [key for key in here.waiting() if key.startswith("hand_over")] == []
        assert (server.requests == []) == (answer is None)


def test_an_address_that_answers_nobody_for_five_days_is_given_up(here: Town, server: HttpServer) -> None:
    server.answers["/hook"] = 302
    add(here, "bob", "webhook", url=server.url("/hook"))
    here.a_stay(600, token="BOB")
    for day in (0, 0.001, 0.002, 4.9, 5.1):
        assert ended(here) == [None]
        here.work(NOON + 2400 + int(day * 86400))
    assert ended(here) == ["nobody answered there for five days"]
    assert [key for key in here.waiting() if key.startswith("hand_over")] == []


def test_a_slow_address_is_left_alone(here: Town, server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "DONE_WITHIN_S", 0.2)
    server.slow_s = 0.4
    hook = add(here, "bob", "webhook", url=server.url("/hook"))
    here.a_stay(600, token="BOB")
    here.work()
    with here.app.reading() as connection:
        assert "TimeoutError" in str(ailing(connection)[hook.name].last_error)
    assert tries(here) == [0]


def test_who_removed_an_address_is_not_told_there(here: Town, server: HttpServer) -> None:
    hook = add(here, "bob", "webhook", url=server.url("/hook"))
    server.answers["/hook"] = 503
    here.a_stay(600, token="BOB")
    here.work()
    with here.app.writing() as connection:
        assert end_contact(connection, "bob", hook.id, here.clock.now())
        assert not end_contact(connection, "bob", hook.id, here.clock.now())
    here.work(here.clock.now() + HOUR_S)
    assert len(server.requests) == 1
    assert [key for key in here.waiting() if key.startswith("hand_over")] == []


def test_time_counts_from_a_webhooks_acceptance_where_a_notice_is_required(
    database_url: str, tmp_path: Path, server: HttpServer
) -> None:
    told = Tariff(name="told", currency="USD", rate_minor_per_minute=40, requires_notice=True)
    with town(database_url, tmp_path, told, **LOOPBACK) as here:
        add(here, "bob", "webhook", url=server.url("/hook"))
        server.answers["/hook"] = 503
        here.fill(token="BOB")
        here.work(NOON + 1800)
        assert here.facts() == []
        del server.answers["/hook"]
        here.work(NOON + 1920)
        (fact,) = here.facts()
        assert (fact.author, fact.starts_at) == ("channel webhook", NOON + 1920)
        here.post("unplugged", 2700)
        assert here.charge().fee_minor == 3_20  # the table of the rules


# -- web push -----------------------------------------------------------------------------------------------


def test_a_browser_alone_can_read_what_is_pushed_to_it(here: Town, server: HttpServer) -> None:
    browser = Browser()
    contact = add(here, "bob", "push", **browser.subscription(server.url("/send/abc")))
    here.fill(token="BOB")
    here.work()
    (notice,), (sent,) = here.told("bob"), server.requests
    assert browser.reads(sent.body) == {
        "title": notice.subject,
        "body": notice.body,
        "tag": notice.id,
        "url": "https://fees.example/me",
    }
    assert {name: sent.headers[name] for name in ("content-encoding", "ttl", "urgency", "topic")} == {
        "content-encoding": "aes128gcm",
        "ttl": "14400",
        "urgency": "high",
        "topic": notice.id,
    }
    assert Vapid02.verify(sent.headers["authorization"])
    assert accepted(here) == [(contact.name, "204")]


@pytest.mark.parametrize("answer", [404, 410])
def test_a_browser_that_is_gone_is_told_no_more_and_the_others_are(here: Town, server: HttpServer, answer: int) -> None:
    server.answers["/send/gone"] = answer
    for path in ("/send/gone", "/send/there"):
        add(here, "bob", "push", **Browser().subscription(server.url(path)))
    here.a_stay(600, token="BOB")
    here.work()
    here.a_stay(700, token="BOB", session="b", station="s2")
    here.work()
    assert [len(server.at(path)) for path in ("/send/gone", "/send/there")] == [1, 2]
    with here.app.reading() as connection:
        assert [one.address for one in contacts_of(connection, "bob", "push")] == [server.url("/send/there")]


def test_a_browser_is_one_persons(here: Town, server: HttpServer) -> None:
    subscription = Browser().subscription(server.url("/send/abc"))
    for owner in ("ann", "bob"):
        add(here, owner, "push", **subscription)
    with here.app.reading() as connection:
        assert [len(contacts_of(connection, owner)) for owner in ("ann", "bob")] == [0, 1]


# -- chat ---------------------------------------------------------------------------------------------------


def test_a_chat_service_is_spoken_to_by_apprise(database_url: str, tmp_path: Path, server: HttpServer) -> None:
    services = json.dumps({"sms": f"json://127.0.0.1:{server.port}/{{to}}"})
    with town(database_url, tmp_path, chat_services=services) as here:
        add(here, "bob", "chat", service="sms", to="+4915112345678")
        here.a_stay(600, token="BOB")
        server.answers["/%2B4915112345678"] = server.answers["/+4915112345678"] = 500
        here.work()
        assert tries(here) == [1]
        server.answers.clear()
        here.work(here.clock.now() + 60)
        (notice,) = here.told("bob")
        sent = json.loads(server.requests[-1].body)
        assert (sent["title"], sent["message"]) == (notice.subject, notice.body.rstrip())
        assert len(accepted(here)) == 1
