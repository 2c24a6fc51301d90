"""Where the product goes for an owner, and where it does not: addresses, names and what they lead to."""

import asyncio
import socket
import threading
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest

from api.channels import reach
from api.channels.reach import Reach, judged, networks_of, refused_at_once
from billing.notices import Down, Gone
from tests.receivers import certificate, free_port, http_server


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.10", "loopback"),
        ("0.0.0.0", "this machine, to many a system"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "a provider's own"),
        ("169.254.169.254", "a cloud's metadata, link-local"),
        ("192.0.0.192", "a cloud's metadata"),
        ("198.18.0.1", "benchmarking"),
        ("203.0.113.7", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback, mapped"),
        ("::ffff:10.0.0.1", "private, mapped"),
        ("::ffff:8.8.8.8", "mapped: no resolver says so of a public one"),
        ("64:ff9b::a9fe:a9fe", "metadata by NAT64"),
        ("64:ff9b:1::a00:1", "private by NAT64"),
        ("2002:7f00:1::", "loopback by 6to4"),
        ("2002:a00:1::1", "private by 6to4"),
        ("2001:0:7f00:1::", "loopback by Teredo"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "a cloud's metadata"),
        ("fe80::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
    ],
)
def test_it_does_not_go_where_strangers_have_no_business(address: str, whose: str) -> None:
    assert not judged(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_it_goes_to_public_addresses(address: str) -> None:
    assert judged(ip_address(address))


def test_a_network_that_is_named_is_gone_to_and_its_neighbours_are_not() -> None:
    networks = networks_of("10.1.0.0/16, fd12::/32")
    assert [judged(ip_address(one), networks) for one in ("10.1.255.255", "fd12::9")] == [True, True]
    assert [judged(ip_address(one), networks) for one in ("10.2.0.0", "fd13::9", "127.0.0.1")] == [False] * 3


@pytest.mark.parametrize(
    ("url", "networks", "fault"),
    [
        ("https://car.example/hook", None, None),
        ("https://8.8.8.8/hook", None, None),
        ("http://car.example/hook", None, "https"),
        ("https://127.0.0.1/hook", None, "public"),
        ("https://[::1]:8443/hook", None, "public"),
        ("http://10.1.2.3/hook", "10.1.0.0/16", None),
        ("https://10.2.2.3/hook", "10.1.0.0/16", "public"),
    ],
)
def test_what_can_be_said_at_once_is_said_at_once(url: str, networks: str | None, fault: str | None) -> None:
    said = refused_at_once(url, networks)
    assert (said is None) if fault is None else (said is not None and fault in said)


class Names:
    """A resolver that answers what it is told, and counts how often it is asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(0)
        return self.answers.pop(0)


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["169.254.169.254"], ["::1"]])
def test_a_name_is_refused_for_any_of_its_addresses(addresses: list[str]) -> None:
    with pytest.raises(Gone, match="not a public address"):
        Reach(resolve=Names(addresses)).post("https://car.example/", {}, b"{}")


def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """It is resolved once: a second answer would go unasked."""
    with http_server() as server:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        one = Reach("127.0.0.1/32", names)
        assert one.post(f"http://rebinding.example:{server.port}/hook", {}, b"{}") == 204
        assert names.answers == [["10.0.0.1"]]
        assert server.requests[0].headers["host"] == f"rebinding.example:{server.port}"
        with pytest.raises(Gone, match=r"10\.0\.0\.1"):
            one.post(f"http://rebinding.example:{server.port}/hook", {}, b"{}")


def test_in_the_clear_it_goes_to_named_networks_alone() -> None:
    with pytest.raises(Gone, match="http://"):
        Reach("127.0.0.1/32", Names(["8.8.8.8"])).post("http://car.example/", {}, b"{}")


def test_the_judged_address_still_has_to_be_who_the_name_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with http_server(certificate(tmp_path, "car.example")) as server:
        names = Names(["127.0.0.1"], ["127.0.0.1"])
        one = Reach("127.0.0.1/32", names)
        assert one.post(f"https://car.example:{server.port}/hook", {}, b"{}") == 204
        with pytest.raises(Down, match="certificate"):
            one.post(f"https://other.example:{server.port}/hook", {}, b"{}")
        assert [request.path for request in server.requests] == ["/hook"]


def test_no_redirect_is_followed() -> None:
    with http_server() as server:
        server.answers["/hook"] = 302
        server.headers["Location"] = server.url("/elsewhere")
        assert Reach("127.0.0.1/32").post(server.url("/hook"), {}, b"{}") == 302
        assert [one.path for one in server.requests] == ["/hook"]


def test_time_is_limited_as_a_whole_however_little_comes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "DONE_WITHIN_S", 0.3)
    silent = socket.create_server(("127.0.0.1", 0))  # takes the connection, and says nothing
    with silent, pytest.raises(Down, match="does not answer: TimeoutError"):
        Reach("127.0.0.1/32").post(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, b"{}")


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nX: " + b"x" * 40_000, b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 O", b""],
    ids=["an endless head", "no HTTP", "half a head", "nothing"],
)
def test_an_answer_that_is_none_is_no_acceptance(answer: bytes) -> None:
    async def ask() -> None:
        async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1024)
            writer.write(answer)
            writer.close()

        async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Down):
                await asyncio.to_thread(Reach("127.0.0.1/32").post, f"http://127.0.0.1:{port}/", {}, b"{}")

    asyncio.run(ask())


def test_a_name_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: let_go.wait(30) and [])
    monkeypatch.setattr(reach, "DONE_WITHIN_S", 0.2)
    began_s = time.monotonic()
    try:
        with pytest.raises(Down, match=r"car\.example does not answer: TimeoutError"):
            Reach().post("https://car.example/", {}, b"{}")
        assert time.monotonic() - began_s < 10
    finally:
        let_go.set()


def test_where_nobody_listens_the_provider_is_down() -> None:
    with pytest.raises(Down, match="does not answer"):
        Reach("127.0.0.1/32").post(f"http://127.0.0.1:{free_port()}/", {}, b"{}")
