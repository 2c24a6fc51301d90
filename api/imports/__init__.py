"""Imports: recorded sessions from files, through the same intake as a station's events. Nobody is notified.

`rows` is what a file holds once it is read; `acn`, `table` and `lines` read one format each, `formats` tells them
apart; `registry` sees to the places and people that rows name, `run` feeds the intake, `summary` counts the outcome.
"""

from api.imports.formats import Format, guess_format
from api.imports.rows import Problem, UnreadableFile
from api.imports.run import Imported, TariffAlreadyAssigned, import_file

__all__ = [
    "Format",
    "Imported",
    "Problem",
    "TariffAlreadyAssigned",
    "UnreadableFile",
    "guess_format",
    "import_file",
]
