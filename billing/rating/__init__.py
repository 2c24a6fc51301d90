"""Rating: `price` (the one implementation of the money rule), `report` (its answer), `words` (in sentences)."""

from billing.rating.price import PIECE_S, RULES_VERSION, Context, Occupancy, fee_of, rate
from billing.rating.report import FeeReport, NoticeProof, PriceLine, report_from_json, report_to_json
from billing.rating.words import duration, explain

__all__ = [
    "PIECE_S",
    "RULES_VERSION",
    "Context",
    "FeeReport",
    "NoticeProof",
    "Occupancy",
    "PriceLine",
    "duration",
    "explain",
    "fee_of",
    "rate",
    "report_from_json",
    "report_to_json",
]
