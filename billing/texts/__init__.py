"""The words that owners read: a file a language, for translators, and how a language writes money, times and lengths.

What is said when is decided where it is said (`notices.letters`, `rating.words`); here is only how.
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from babel.units import format_unit

from billing.money import format_money

DEFAULT_LANGUAGE = "en"


class Texts:
    """One language. `say` fills in a sentence; a sentence or a word that is missing is an error, never a gap."""

    def __init__(self, language: str, read: Mapping[str, Any]) -> None:
        self.language = language
        self.locale: str = read["locale"]
        self._clock: str = read["clock"]
        self._day: str = read["day"]
        self._sentences: dict[str, str] = {
            f"{part}.{name}": sentence
            for part, sentences in read.items()
            if isinstance(sentences, dict)
            for name, sentence in sentences.items()
        }

    @property
    def sentences(self) -> Mapping[str, str]:
        return self._sentences

    def say(self, name: str, **words: str) -> str:
        return self._sentences[name].format_map(words)

    def reason(self, reason: str) -> str:
        """Why a fee changed, in this language; what a person wrote after our `waived: ` is left in their words."""
        ours, _, words = reason.partition(": ")
        name = "re-rated" if ours.startswith("re-rated to ") else ours.replace(" ", "_")
        sentence = self._sentences.get(f"reason.{name}")
        return reason if sentence is None else sentence.format_map({"words": words})

    def money(self, amount_minor: int, currency: str) -> str:
        return format_money(amount_minor, currency, self.locale)

    def clock(self, at: int, zone: ZoneInfo, told_at: int) -> str:
        """`14:07`: the minute that has begun, so that no deadline is told too late; another day is named, and in the
        hour that a night has twice, which of the two it is.
        """
        local = self.local(at, zone)
        time = str(format_time(local, self._clock, locale=self.locale))
        if comes_twice(local):
            time = f"{time} ({local:%Z})"
        return time if local.date() == self.local(told_at, zone).date() else f"{time}, {self.day(at, zone)}"

    @staticmethod
    def local(at: int, zone: ZoneInfo) -> datetime:
        return datetime.fromtimestamp(at, UTC).astimezone(zone)

    def day(self, at: int, zone: ZoneInfo) -> str:
        return str(format_date(self.local(at, zone).date(), self._day, self.locale))

    def length(self, seconds: int) -> str:
        """`5 minutes`, `1 hour 30 seconds`: every part that is not zero."""
        parts = ((seconds // 3600, "hour"), (seconds // 60 % 60, "minute"), (seconds % 60, "second"))
        return " ".join(self.count(number, unit) for number, unit in parts if number) or self.count(0, "second")

    def count(self, number: int, unit: str) -> str:
        """`1 minute`, `5 minutes`."""
        return format_unit(number, f"duration-{unit}", "long", locale=self.locale)


def comes_twice(local: datetime) -> bool:
    """Whether wall clocks show this time twice, as in the night in which summer time ends."""
    return local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()


@cache
def languages() -> tuple[str, ...]:
    """The languages there are, by their files."""
    return tuple(
        sorted(one.name.removesuffix(".toml") for one in files(__name__).iterdir() if one.name.endswith(".toml"))
    )


@cache
def texts(language: str) -> Texts:
    """The texts of a language (`de-AT` is German), or English where nobody translated them."""
    spoken = language.partition("-")[0]
    known = spoken if spoken in languages() else DEFAULT_LANGUAGE
    return Texts(known, tomllib.loads((files(__name__) / f"{known}.toml").read_text(encoding="utf-8")))
