"""The product served for real, in a thread of the test: an address on loopback, requests over a socket."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.app import create_app
from api.listening import address_of, answering, listen
from api.wiring import Idlefee


@contextmanager
def served(app: Idlefee) -> Iterator[str]:
    """The address of `app`'s doors while the block runs."""
    with listen("127.0.0.1", 0) as bound, answering(create_app(app), bound):
        yield address_of(bound)
