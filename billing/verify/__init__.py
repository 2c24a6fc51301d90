"""Every cent computed again: are events as they were received, sessions as the events tell, charges as the rules
say, and the books as the charges?

Nothing here knows a rule of the bill: facts are folded by `sessions.folding`, priced and let through by
`billing.settle`, and what is stored is compared with what comes out. Nothing is ever repaired: what differs is named,
and a person decides.
"""

from billing.verify.checking import Verified, verify
from billing.verify.differences import Code, Difference

__all__ = ["Code", "Difference", "Verified", "verify"]
