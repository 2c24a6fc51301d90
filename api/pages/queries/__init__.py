"""What pages read beside `billing.listing` and `billing.books`. Every statement is a SELECT; every list is bounded.

`stalls` (the front page, stations), `owners` (an owner's rows), `books` (finance), `desk` (operators and support).
Rules of the bill live below; here rows are found, counted and put in order.
"""

ROWS_A_PAGE = 25
