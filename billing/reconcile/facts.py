"""What `verify` finds, told as differences: facts, charges and both books are the first links of the chain that ends at
the bank. Pure.
"""

from billing.reconcile.cases import Code
from billing.reconcile.words import Finding
from billing.verify import Code as Wrong
from billing.verify import Difference

OF_THE_ROWS = frozenset({Wrong.ACCOUNT_DIFFERS})


def as_finding(wrong: Difference, now: int) -> Finding:
    """A difference of `verify` as one of reconciling."""
    code = Code.BOOKS_DIFFER if wrong.code in OF_THE_ROWS else Code.FACTS_DIFFER
    subject = wrong.subject if code is Code.BOOKS_DIFFER else f"{wrong.code.value} {wrong.subject}"
    return Finding(code=code, subject=subject, detail=wrong.meaning, at=now)
