"""A file that came with a form, as browsers send one."""

from typing import Annotated, NamedTuple

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import UploadFile

from api.pages.visitors import Form, Visitor, bad_form, check_origin, check_token, finance, form_of

MOST_FIELDS = 50


class Upload(NamedTuple):
    """A form's fields, and the content of its one file; nothing where none was chosen. `author` sent it."""

    author: str
    form: Form
    content: bytes


async def sent_file(request: Request, visitor: Annotated[Visitor, Depends(finance)]) -> Upload:
    """Read a form of finance's with a file; refuse one that no page of theirs sent. The gate bounds its size."""
    check_origin(request)
    fields, content = await _parts(request)
    form = form_of(fields)
    check_token(visitor, form)
    return Upload(visitor.author, form, content)


async def _parts(request: Request) -> tuple[dict[str, str], bytes]:
    """Fields by name, and the file's content. Raises a `Problem` (400) for what is no such form."""
    fields: dict[str, str] = {}
    content = b""
    try:
        async with request.form(max_files=1, max_fields=MOST_FIELDS) as sent:
            for name, part in sent.multi_items():
                if isinstance(part, UploadFile):
                    content = await part.read()
                else:
                    fields.setdefault(name, part)
    except HTTPException:
        raise bad_form("Go back, reload the page and send it again.") from None
    return fields, content


WithFile = Annotated[Upload, Depends(sent_file)]
