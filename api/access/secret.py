"""What this deployment alone knows: one secret, made by the migration, and what is derived from it.

Each purpose has a key of its own, so that what is made for one is worth nothing for another. No table but `deployment`,
and nothing that expires.
"""

import base64
import hashlib
import hmac
from typing import Any

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Connection, select

from sessions.store.tables import deployment


class Secret:
    """Signs and hides, the same in every process of the deployment."""

    def __init__(self, text: str) -> None:
        self._key = bytes.fromhex(text)

    @classmethod
    def load(cls, connection: Connection) -> "Secret":
        statement = select(deployment.c.value).where(deployment.c.key == "sign_in_secret")
        return cls(connection.execute(statement).scalar_one())

    def digest(self, purpose: str, text: str) -> bytes:
        """32 bytes that nobody else can compute, and that tell nothing of the text."""
        return hmac.digest(self._of(purpose), text.encode(), "sha256")

    def name(self, purpose: str, text: str) -> str:
        """A short name for something whose own must not be kept."""
        return self.digest(purpose, text).hex()[:32]

    def successor(self, text: str) -> str:
        """The key that follows a key: everybody who is to hand it out hands out the same."""
        return "idf_" + base64.urlsafe_b64encode(self.digest("next key", text)).decode().rstrip("=")

    def sign(self, purpose: str, content: Any) -> str:
        """`content`, readable and signed, as it may stand in a link."""
        return str(self._serializer(purpose).dumps(content))

    def read(self, purpose: str, signed: str) -> Any:
        """What was signed for this purpose; none for anything else."""
        try:
            return self._serializer(purpose).loads(signed)
        except BadData:
            return None

    def _serializer(self, purpose: str) -> URLSafeSerializer:
        return URLSafeSerializer(self._of(purpose), salt=purpose, signer_kwargs={"digest_method": hashlib.sha256})

    def _of(self, purpose: str) -> bytes:
        return hmac.digest(self._key, purpose.encode(), "sha256")
