"""What the same past would have cost under another tariff: asked of every session, and nothing changed by asking.

`question` is what is asked and answered, `pricing` prices a part of the sessions, `comparing` shares the parts out to
all cores. Making the answer true is an order (`billing.decisions.order_rerate`) and settling by it (`billing.orders`).
"""

from billing.rerate.comparing import compare, compare_within
from billing.rerate.question import Comparison, Question, SiteCost

__all__ = ["Comparison", "Question", "SiteCost", "compare", "compare_within"]
