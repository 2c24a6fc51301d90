"""Mails where no server is configured: a folder of `.eml` files, which any mail program opens and any server takes."""

import os
from email.message import EmailMessage
from pathlib import Path


class OutboxFolder:
    """A file is named after its mail: sent twice it is written twice, and there is one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, id_: str, message: EmailMessage) -> str:
        # Owners' addresses are in there: nobody else on this machine needs to read them.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._folder / f"{id_}.eml"
        _write_durably(file, message.as_bytes())
        return file.name


def _write_durably(file: Path, content: bytes) -> None:
    """After this returns the file is there, whole, whatever happens; before, the old one is or none."""
    partial = file.with_name(f".{file.name}.part")
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
