"""Tariffs: `model` (what one is), `files` (TOML, JSON, presets), `hours` (no-fee hours in local time)."""

from billing.tariffs.files import (
    TariffFaults,
    UnknownPreset,
    load_tariff,
    preset,
    preset_names,
    tariff_from_json,
    tariff_to_json,
    tariff_to_toml,
)
from billing.tariffs.hours import NO_FEE_HOURS, hours_spans, no_fee_spans
from billing.tariffs.model import DAYS, FeeSteps, NoFeeHours, Tariff, Tax, Tier

__all__ = [
    "DAYS",
    "NO_FEE_HOURS",
    "FeeSteps",
    "NoFeeHours",
    "Tariff",
    "TariffFaults",
    "Tax",
    "Tier",
    "UnknownPreset",
    "hours_spans",
    "load_tariff",
    "no_fee_spans",
    "preset",
    "preset_names",
    "tariff_from_json",
    "tariff_to_json",
    "tariff_to_toml",
]
