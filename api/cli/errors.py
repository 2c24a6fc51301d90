"""Whatever goes wrong, as one clear line that says what to do, and an exit code that means something.

The one table from errors to words. No traceback ever reaches a person who did not ask for one (IDLEFEE_TRACEBACK=1).
"""

import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import typer

from api.cli.frame import PROGRAM


class Exit(IntEnum):
    """What a command's exit code says."""

    OK = 0
    DIFFERENCES = 1  # nothing found, something differs, or the facts do not allow it
    USAGE = 2  # the command line, a setting or a file is wrong
    UNAVAILABLE = 3  # the database cannot be reached or cannot commit
    DEFECT = 70  # this should not happen; nothing half-done is stored
    INTERRUPTED = 130


class Refused(Exception):
    """A command cannot do what it was asked: the sentence to print and the code to leave with."""

    def __init__(self, sentence: str, code: Exit = Exit.DIFFERENCES) -> None:
        super().__init__(sentence)
        self.code = code


class Told(NamedTuple):
    """What a person reads, and the exit code."""

    lines: Sequence[str]
    code: int


def told(error: BaseException) -> Told:
    """The words for `error`."""
    lines, code = _lines(error)
    if os.environ.get("IDLEFEE_TRACEBACK"):
        lines = [*traceback.format_exception(error), *lines]
    return Told(lines, code)


def _lines(error: BaseException) -> tuple[Sequence[str], int]:
    if isinstance(error, Refused):
        return [str(error)], error.code
    if isinstance(error, typer.TyperException):
        return [_usage(error)], Exit.USAGE
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return ["interrupted"], Exit.INTERRUPTED
    if _is_outage(error):
        return [_unavailable(getattr(error, "orig", None) or error)], Exit.UNAVAILABLE
    for kind, (words, code) in _meanings().items():
        if isinstance(error, kind):
            said = words(error)
            return [said] if isinstance(said, str) else said, code
    if isinstance(error, OSError):
        return [f"{error.filename or PROGRAM}: {error.strerror or error}"], Exit.USAGE
    detail = f"{type(error).__name__}: {error}".replace("\n", " ")
    return [f"this should not have happened ({detail}); IDLEFEE_TRACEBACK=1 shows where"], Exit.DEFECT


def _usage(error: typer.TyperException) -> str:
    """What the parser says, and where the right way is written."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = " ".join(_message(error).split()).rstrip(".")
    return f"{message}: see `{path} --help`"


def _message(error: typer.TyperException) -> str:
    format_message: Callable[[], str] = getattr(error, "format_message", lambda: str(error))
    return format_message()


Words = Callable[[Any], str | Sequence[str]]


def _meanings() -> Mapping[type[BaseException], tuple[Words, Exit]]:
    """The product's own errors; built only when something went wrong, because it imports most of the product."""
    from pydantic import ValidationError
    from sqlalchemy.exc import ArgumentError

    from api.imports import SeveralSellers, TariffAlreadyAssigned, UnreadableFile
    from billing import assignments, decisions, owners, tariffs
    from billing.payments import by_hand, people, refunds, rooms
    from billing.payments import credits as credits_
    from billing.periods import months
    from billing.reconcile.bank.lines import NotOpen
    from sessions import sites, writer
    from sessions.migrations.grants import RoleUnusable

    listed: Words = lambda error: f"there is no {error.kind} {error.id}: see `{PROGRAM} {_lister(error.kind)}`"  # noqa: E731
    plain: Words = str
    return {
        sites.Unknown: (listed, Exit.DIFFERENCES),
        months.NotYet: (plain, Exit.DIFFERENCES),
        sites.NameTaken: (lambda error: f"{error} already", Exit.DIFFERENCES),
        sites.BadName: (plain, Exit.USAGE),
        owners.OwnerUnknown: (
            lambda error: f"there is no owner {error}: add one with `{PROGRAM} owner add {error}`",
            Exit.DIFFERENCES,
        ),
        owners.TokenTaken: (
            lambda error: f"token {error} stands for somebody in that time already: see `{PROGRAM} token list`",
            Exit.DIFFERENCES,
        ),
        assignments.TariffUnknown: (
            lambda error: f"there is no tariff {error}: see `{PROGRAM} tariff list`",
            Exit.DIFFERENCES,
        ),
        assignments.AlreadyAssigned: (
            lambda error: f"site {error.site_id} has {error.tariff} from that moment on: choose another moment",
            Exit.DIFFERENCES,
        ),
        assignments.BackDated: (
            lambda error: f"site {error} is billed already for that time: `{PROGRAM} rerate` changes the past",
            Exit.DIFFERENCES,
        ),
        TariffAlreadyAssigned: (
            lambda error: (
                f"site {error.site_id} bills by {error.assigned}; nothing was imported. Leave out --tariff, then "
                f"`{PROGRAM} rerate --tariff {error.wanted}` shows what the same past would cost"
            ),
            Exit.DIFFERENCES,
        ),
        by_hand.BadRecord: (plain, Exit.USAGE),
        people.NotAllowed: (plain, Exit.DIFFERENCES),
        credits_.AlreadyDecided: (plain, Exit.DIFFERENCES),
        credits_.NothingOwed: (plain, Exit.DIFFERENCES),
        refunds.NotRefundable: (plain, Exit.DIFFERENCES),
        rooms.TooMuch: (plain, Exit.DIFFERENCES),
        NotOpen: (lambda error: f"{error}: see `{PROGRAM} bank list --state matched`", Exit.DIFFERENCES),
        SeveralSellers: (
            lambda error: f"a new site needs one of the sellers {error}: name it with --seller",
            Exit.USAGE,
        ),
        UnreadableFile: (plain, Exit.USAGE),
        RoleUnusable: (plain, Exit.USAGE),
        decisions.ReasonMissing: (plain, Exit.USAGE),
        decisions.EmptyInterval: (lambda _: "--to must be later than --from", Exit.USAGE),
        decisions.InService: (plain, Exit.DIFFERENCES),
        decisions.AmountTooSmall: (lambda _: "an amount waived is above zero", Exit.USAGE),
        decisions.NothingToDecide: (
            lambda error: f"nothing of session {error} waits in review: see `{PROGRAM} review list`",
            Exit.DIFFERENCES,
        ),
        tariffs.TariffFaults: (lambda error: [f"{where}: {what}" for where, what in error.faults], Exit.USAGE),
        writer.Unavailable: (_unavailable, Exit.UNAVAILABLE),
        ArgumentError: (_not_a_database, Exit.USAGE),
        ValidationError: (_settings, Exit.USAGE),
    }


def _lister(kind: str) -> str:
    by_bank = dict.fromkeys(("bank line", "payment", "payout"), "bank list")
    by_owner = dict.fromkeys(("refund", "credit", "dispute", "block"), "arrears")
    return ({"session": "find", "event": "explain"} | by_bank | by_owner).get(kind, f"{kind} list")


def _is_outage(error: BaseException) -> bool:
    from sqlalchemy.exc import DatabaseError

    from sessions.database import is_outage

    # Nothing narrower than DatabaseError itself is how SQLite says that a file is damaged or no database at all.
    return isinstance(error, Exception) and (is_outage(error) or type(error) is DatabaseError)


def _unavailable(error: BaseException) -> str:
    reason = " ".join(str(error).split())
    return f"the database cannot be used now: {reason}. Check --database, IDLEFEE_DATABASE_URL, and that it runs"


def _not_a_database(_: BaseException) -> str:
    return "that names no database: use sqlite:///FILE or postgresql://USER@HOST/NAME"


def _settings(error: Any) -> Sequence[str]:
    """Each faulty setting with the name it has in the environment."""
    return [
        f"IDLEFEE_{'_'.join(map(str, one['loc'])).upper()}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False)
    ]
