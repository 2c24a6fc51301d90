"""An owner's own pages: `now` (what runs), `inbox`, `vehicles` (and tokens), `account`, `statements`, `payment`
(cards, and what waits to be paid), `preferences` (what they are told, and where), `leaving` (their data, the way out).

Each reads and changes the rows of the owner who is signed in and of nobody else (`whose`). History has its own room.
"""

from api.pages.me import account, inbox, leaving, now, payment, preferences, statements, vehicles

ROOMS = (now, inbox, vehicles, account, statements, payment, preferences, leaving)
