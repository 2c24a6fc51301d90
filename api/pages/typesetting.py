"""Papers as PDF/A by `typst`, an optional extra that is imported when the first one is asked for.

The words go in as data, never as markup: a site named `#panic` is printed as that.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from api.problems import Problem

TEMPLATES = Path(__file__).parent / "templates"
STANDARD: Final = "a-2b"  # for keeping: everything it needs is inside


@cache
def can_typeset() -> bool:
    """Whether the extra is installed."""
    return find_spec("typst") is not None


def typeset(paper: str, words: Mapping[str, Any], made_at: int) -> bytes:
    """The PDF of `PAPER.typ`; the same words at the same moment are the same file. Raises a `Problem` without the
    extra.
    """
    if not can_typeset():
        detail = "The typesetter is the extra `pdf`: pip install 'idlefee[pdf]'. The page itself prints, too."
        raise Problem(501, "no_typesetter", "There is no PDF here", detail)
    import typst

    inputs = {paper: json.dumps(words)}
    template, made = (TEMPLATES / f"{paper}.typ").read_bytes(), datetime.fromtimestamp(made_at, UTC)
    try:
        return typst.compile(template, sys_inputs=inputs, pdf_standards=STANDARD, timestamp=made)
    except typst.TypstError:
        # PDF/A refuses a letter that no font here can draw, which some name may hold; a plain PDF shows a box for it.
        return typst.compile(template, sys_inputs=inputs, timestamp=made)
