"""Whether a webhook comes from the processor: its signature, as Stripe makes it. Pure; the moment is handed in.

<https://docs.stripe.com/webhooks/signature>: `Stripe-Signature: t=TIME,v1=HMAC,…`, HMAC-SHA256 with the endpoint's
secret over `TIME.BODY`. While a secret is rolled there is a signature for each of two; other schemes are ignored.
"""

import hashlib
import hmac
from collections.abc import Sequence

TOLERANCE_S = 300  # a message that was overheard is worth nothing later; the library's own figure


class Forged(Exception):
    """The processor did not sign this, or not lately; the message says which."""


def check(body: bytes, header: str, secrets: Sequence[str], now: int) -> None:
    """Raises `Forged` unless one of the secrets signed exactly these bytes within `TOLERANCE_S` of now."""
    fields = [part.partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in fields if name.strip() == "t"]
    signed = [value.strip() for name, _, value in fields if name.strip() == "v1"]
    if len(stamps) != 1 or not stamps[0].isascii() or not stamps[0].isdigit() or not signed:
        raise Forged("the signature cannot be read")
    made = [sign(body, int(stamps[0]), secret) for secret in secrets]
    if not any(hmac.compare_digest(one.encode(), theirs.encode()) for one in made for theirs in signed):
        raise Forged("the signature is not the processor's")
    if abs(now - int(stamps[0])) > TOLERANCE_S:
        raise Forged(f"the signature is of {stamps[0]}, more than {TOLERANCE_S} seconds from now")


def sign(body: bytes, at: int, secret: str) -> str:
    """The signature of a body at a moment."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
