"""Imports: recorded sessions from files, through the same intake as a station's events. Nobody is notified.

`rows` is what a file holds once it is read; `acn`, `table` and `lines` read one format each, `formats` tells them
apart; `registry` sees to the places and people that rows name, `run` feeds the intake, `summary` counts the outcome.
"""

from api.imports.formats import Format, guess_format
from api.imports.registry import SeveralSellers, TariffAlreadyAssigned, seller_for_new_site
from api.imports.rows import Advance, Problem, UnreadableFile
from api.imports.run import Imported, import_file

__all__ = [
    "Advance",
    "Format",
    "Imported",
    "Problem",
    "SeveralSellers",
    "TariffAlreadyAssigned",
    "UnreadableFile",
    "guess_format",
    "import_file",
    "seller_for_new_site",
]
