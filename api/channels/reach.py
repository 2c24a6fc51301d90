"""HTTP to addresses that strangers gave us: only to public ones, and only to the one that was looked at.

A name is resolved once, every address it has is judged, and the connection is opened to the judged address itself: a
name that points elsewhere a moment later (DNS rebinding) gains nothing. No redirect is followed, no answer is read
beyond its head, and time is limited as a whole. No meaning is given to an answer here, but for its number.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import h11

from billing.notices import Down, Gone

DONE_WITHIN_S = 10
LARGEST_HEAD_BYTES = 16 * 1024

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# Not a machine on the internet, or another address in disguise, whatever this Python's own tables say of it.
_SPECIAL = tuple(
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata among them
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # protocol assignments; Teredo, which holds an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address
        "3fff::/20",  # documentation
    )
)
_UNICAST = IPv6Network("2000::/3")  # what IANA gives out; NAT64's and mapped addresses are not of it


def judged(address: Address, permitted: Sequence[Network] = ()) -> bool:
    """Whether we connect to this address: a public one, of one machine; or one of the networks that are permitted."""
    if _within(address, permitted):
        return True
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or _within(address, _SPECIAL))


# Threads of our own: the event loop's would be waited for, and a name server that never answers holds one for long.
_NAMES = ThreadPoolExecutor(8, thread_name_prefix="names")


async def _resolve(host: str, port: int) -> Sequence[str]:
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_NAMES, look_up)
    return [str(address[0]).partition("%")[0] for *_, address in found]


class Reach:
    """Posts to public addresses over https, and to the networks of `IDLEFEE_REACHABLE_NETWORKS`, over http too."""

    def __init__(self, networks: str | None = None, resolve: Resolve = _resolve) -> None:
        self._networks = networks_of(networks)
        self._resolve = resolve

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made for the first address of https: it reads every certificate authority there is."""
        return ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The number of the answer. Raises `Gone` for an address we do not go to, `Down` where nobody answers."""
        try:
            return asyncio.run(self._post(url, headers, body))
        except (OSError, TimeoutError, EOFError, h11.RemoteProtocolError) as error:
            raise Down(f"{urlsplit(url).hostname} does not answer: {type(error).__name__} {error}".rstrip()) from None

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        async with asyncio.timeout(DONE_WITHIN_S):
            parts = urlsplit(url)
            secure = parts.scheme == "https"
            host, port = parts.hostname or "", parts.port or (443 if secure else 80)
            addresses = await self._judged(host, port, secure)
            reader, writer = await self._connect(addresses, port, host if secure else None)
            try:
                target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
                exchange = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD_BYTES)
                writer.writelines(_request(exchange, parts.netloc, target, headers, body))
                await writer.drain()
                return await _status(exchange, reader)
            finally:
                writer.transport.abort()  # whatever else comes is of no interest

    async def _judged(self, host: str, port: int, secure: bool) -> Sequence[str]:
        """The addresses of a name, if we go to every one of them."""
        addresses = list(dict.fromkeys(await self._resolve(host, port)))
        for text in addresses:
            address = ip_address(text)
            if not judged(address, self._networks):
                raise Gone(f"{host} leads to {address}, which is not a public address")
            if not secure and not _within(address, self._networks):
                raise Gone(f"{host} is only reached over http://, which anybody on the way could read")
        return addresses

    async def _connect(
        self, addresses: Sequence[str], port: int, tls_name: str | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address that takes one."""
        failed: OSError = OSError("the name has no address")
        tls = None if tls_name is None else self._tls
        for address in addresses:
            try:
                return await asyncio.open_connection(address, port, ssl=tls, server_hostname=tls_name)
            except OSError as error:
                failed = error
        raise failed


def refused_at_once(url: str, networks: str | None) -> str | None:
    """What can be said against an address without asking anybody; it is judged again whenever it is used."""
    known = networks_of(networks)
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and not known:
            return "must begin with https://"
        address = ip_address(parts.hostname or "")
    except ValueError:
        return None  # a name, or nothing that could be one
    return None if judged(address, known) else "must lead to a public address"


def networks_of(setting: str | None) -> tuple[Network, ...]:
    """Reads the setting. Raises `ValueError`."""
    return tuple(ip_network(one.strip()) for one in (setting or "").split(",") if one.strip())


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _request(
    exchange: h11.Connection, authority: str, target: str, headers: Mapping[str, str], body: bytes
) -> Iterator[bytes]:
    fields = {"Host": authority, "Content-Length": str(len(body)), "Connection": "close", **headers}
    request = h11.Request(method="POST", target=target, headers=list(fields.items()))
    for event in (request, h11.Data(data=body), h11.EndOfMessage()):
        yield exchange.send(event) or b""


async def _status(exchange: h11.Connection, reader: asyncio.StreamReader) -> int:
    """The number of the final answer, as soon as its head is there."""
    while True:
        event = exchange.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            exchange.receive_data(await reader.read(4096))
        elif isinstance(event, h11.ConnectionClosed):
            raise EOFError
