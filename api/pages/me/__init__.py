"""An owner's own pages: `now` (what runs), `inbox`, `vehicles` (and tokens), `account`, `statements`, `preferences`
(what they are told, and where), `leaving` (their data, and the way out).

Each reads and changes the rows of the owner who is signed in and of nobody else (`whose`). History has its own room.
"""

from fastapi import APIRouter

from api.pages.me import account, inbox, leaving, now, preferences, statements, vehicles

__all__ = ["now", "router"]

router = APIRouter(include_in_schema=False)
for _module in (now, inbox, vehicles, account, statements, preferences, leaving):
    router.include_router(_module.router)
