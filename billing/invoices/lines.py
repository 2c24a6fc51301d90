"""What a line of an invoice says of its session: times, minutes, rate, grace, tax, as they were at its issue. Pure.

Kept with the line as JSON, so that a paper printed in ten years says what the first one said.
"""

import json
from collections.abc import Mapping
from typing import Any

from billing.invoices.uninvoiced import Due
from billing.tariffs import Tariff
from sessions.sites import Site

Words = dict[str, Any]


def words_of(due: Due, tariff: Tariff, site: Site, stall: str | None) -> Words:
    """A line of an invoice. Times are UTC seconds on our clock, amounts minor units."""
    charge = due.charge
    report = json.loads(charge.report)
    ours_s = report["offset_s"]

    def ours(moment: int | None) -> int | None:
        return None if moment is None else moment + ours_s

    stays = report["stays"]
    return {
        "site": site.name,
        "zone": site.zone,
        "stall": stall,
        "plugged_in_at": ours(report["plugged_in_at"]),
        "full_at": ours(stays[0]["start"]) if stays else None,
        "ended_at": ours(report["until"]),
        "unplugged": report["ended_at"] is not None,
        "grace_s": report["grace"]["grace_s"],
        "free_s": report["chargeable_s"] - report["billed_s"],
        "billed_s": report["billed_s"],
        "items": [
            {"minutes": line["pieces"], "rate_minor": line["rate_minor"], "amount_minor": line["amount_minor"]}
            for line in report["lines"]
        ],
        "capped_minor": report["capped_minor"],
        "held_back_minor": charge.computed_minor - charge.allowed_minor,
        "waived_minor": charge.allowed_minor - charge.fee_minor,
        "fee_minor": charge.fee_minor,
        "tax_rate_ppm": tariff.tax.rate_ppm if tariff.tax else 0,
        "tax_included": tariff.tax is None or tariff.tax.included,
        "billed_before_minor": due.billed_minor,
        "reason": due.reason,
    }


def credit_words(due: Due, line: Mapping[str, Any], fee_minor: int) -> Words:
    """A line of a credit note: what the invoice's line says, what the fee was and what it is now, and why."""
    return {**line, "fee_minor": fee_minor, "billed_before_minor": due.billed_minor, "reason": due.reason}
