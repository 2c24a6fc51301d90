"""Tariffs as text: TOML for people, JSON for the database and the API, and the presets that are shipped."""

from functools import cache
from importlib.resources import files

from billing import forms
from billing.tariffs.model import Tariff


class TariffFaults(forms.Faults):
    """All that is wrong with a tariff: (where, what) for each fault."""


class UnknownPreset(Exception):
    """No tariff of that name is shipped."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no preset is called {name!r}; there are {', '.join(preset_names())}")
        self.name = name


def load_tariff(text: str) -> Tariff:
    """A tariff from TOML. Raises TariffFaults."""
    return forms.from_toml(Tariff, text, "tariff", TariffFaults)


def tariff_from_json(text: str | bytes) -> Tariff:
    """A tariff from JSON. Raises TariffFaults."""
    return forms.from_json(Tariff, text, "tariff", TariffFaults)


def tariff_to_json(tariff: Tariff) -> str:
    """All fields, those at their default too: what a bill was made with must not change with a default."""
    return tariff.model_dump_json()


def tariff_to_toml(tariff: Tariff) -> str:
    """The tariff as a file that `load_tariff` reads back."""
    return forms.to_toml(tariff)


@cache
def preset_names() -> tuple[str, ...]:
    """The names of the tariffs that are shipped."""
    shipped = (files("billing.tariffs") / "presets").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in shipped if file.name.endswith(".toml")))


@cache
def preset(name: str) -> Tariff:
    """A tariff that is shipped. Raises UnknownPreset."""
    if name not in preset_names():
        raise UnknownPreset(name)
    return load_tariff((files("billing.tariffs") / "presets" / f"{name}.toml").read_text("utf-8"))
