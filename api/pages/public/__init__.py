"""Pages for everybody, without a sign-in: `prices` (before anyone plugs in) and `incidents` (what was excused).

No row of a person's is shown here. `caching` lets whoever is on the way keep them for a minute.
"""

from fastapi import APIRouter

from api.pages.public import incidents, prices

router = APIRouter(include_in_schema=False)
for _module in (prices, incidents):
    router.include_router(_module.router)

__all__ = ["router"]
