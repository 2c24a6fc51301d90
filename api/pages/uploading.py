"""A file that came with a form (`multipart/form-data`, RFC 7578), as browsers send one."""

import re
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from api.pages.visitors import Form, Visitor, anybodys_form, bad_form, check_origin, check_token, finance, form_of

MOST_PARTS = 50
_BOUNDARY = re.compile(r'multipart/form-data;\s*boundary="?([\w\'()+,./:=? -]{1,70}?)"?\s*', re.ASCII | re.IGNORECASE)
_NAME = re.compile(rb'(?:^|[;\s])name="([^"\r\n]{1,64})"')
_FILE = re.compile(rb"[;\s]filename\*?=")


class Upload(NamedTuple):
    """A form's fields, and the content of its one file; nothing where none was chosen."""

    form: Form
    content: bytes


async def sent_file(request: Request, visitor: Annotated[Visitor, Depends(finance)]) -> Upload:
    """Read a form of finance's with a file; refuse one that no page of theirs sent. The gate bounds its size."""
    found = _BOUNDARY.fullmatch(request.headers.get("content-type", ""))
    if found is None:
        form, content = await anybodys_form(request), b""
    else:
        check_origin(request)
        fields, content = read_parts(await request.body(), found[1].encode())
        form = form_of(fields)
    check_token(visitor, form)
    return Upload(form, content)


def read_parts(body: bytes, boundary: bytes) -> tuple[dict[str, str], bytes]:
    """Fields by name, and the first file's content. Raises a `Problem` (400) for what is no such form."""
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if first or not parts or not parts[-1].startswith(b"--") or len(parts) > MOST_PARTS:
        raise bad_form("Go back, reload the page and send it again.")
    fields: dict[str, str] = {}
    content: bytes | None = None
    for part in parts[:-1]:
        head, _, said = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None:
            raise bad_form("Go back, reload the page and send it again.")
        if _FILE.search(head):
            content = said if content is None else content
            continue
        try:
            fields.setdefault(name[1].decode(), said.decode())
        except UnicodeDecodeError:
            raise bad_form("A text is not UTF-8: write it again.") from None
    return fields, content or b""


WithFile = Annotated[Upload, Depends(sent_file)]
