"""Finance's pages: today, charges and the story of each, queues, what-if, reconciliation, bank, closing, exports.

Each number is a link to what it is made of, and a list is the same under its address as on the screen and as CSV. What
they read, `billing` answers; what is decided here has its rules there.
"""

from api.pages.finance import bank, charges, closing, queues, reconciliation, story, today, what_if

ROOMS = (today, charges, story, queues, reconciliation, bank, closing, what_if)
