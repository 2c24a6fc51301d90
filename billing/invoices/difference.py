"""What must still be invoiced of a session, or credited, so that the invoices say what the books say. Pure.

A session's fee stands under one tax code at a time; whatever was invoiced of it under another is credited. Lines of
invoices are never below zero and lines of credit notes never above: a change that would be both at once (the fee rose
and the tax in it fell) is credited in full and invoiced anew.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """What one invoice says of a session under one tax code, less the credit notes that correct it. Minor units; of the
    amount, `tax_minor` is tax.
    """

    invoice_id: str
    amount_minor: int
    tax_minor: int


class Missing(NamedTuple):
    """What to do: a line of the next invoice (nothing: zero), and parts to credit, each above zero and no more than its
    invoice has.
    """

    amount_minor: int
    tax_minor: int
    credits: tuple[Part, ...]


def missing(amount_minor: int, tax_minor: int, parts: Sequence[Part]) -> Missing:
    """What leads from `parts`, oldest invoice first, to the amount and tax that stand in the books now.

    A fee that fell is taken off the newest invoice first.

    >>> missing(200, 0, [Part("a", 400, 0), Part("b", 100, 0)])
    Missing(amount_minor=0, tax_minor=0, credits=(Part(invoice_id='b', amount_minor=100, tax_minor=0), \
Part(invoice_id='a', amount_minor=200, tax_minor=0)))
    """
    rise = amount_minor - sum(part.amount_minor for part in parts)
    tax_rise = tax_minor - sum(part.tax_minor for part in parts)
    if rise == tax_rise == 0:
        return Missing(0, 0, ())
    if rise > 0 and 0 <= tax_rise <= rise:
        return Missing(rise, tax_rise, ())
    if rise < 0 and tax_rise <= 0 and (taken := _taken(-rise, -tax_rise, parts)) is not None:
        return Missing(0, 0, taken)
    return Missing(amount_minor, tax_minor, tuple(part for part in reversed(parts) if part.amount_minor))


def _taken(amount_minor: int, tax_minor: int, parts: Sequence[Part]) -> tuple[Part, ...] | None:
    """The newest parts up to this amount and tax; none if no whole parts and a piece of the next come to both."""
    found: list[Part] = []
    for part in reversed(parts):
        if part.amount_minor >= amount_minor:
            fits = 0 <= tax_minor <= min(part.tax_minor, amount_minor)
            rest_fits = part.tax_minor - tax_minor <= part.amount_minor - amount_minor
            if not fits or not rest_fits:
                return None
            return (*found, Part(part.invoice_id, amount_minor, tax_minor)) if amount_minor else tuple(found)
        if part.amount_minor:
            found.append(part)
        amount_minor, tax_minor = amount_minor - part.amount_minor, tax_minor - part.tax_minor
    return None
