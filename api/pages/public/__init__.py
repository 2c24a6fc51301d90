"""Pages for everybody, without a sign-in: `prices` (before anyone plugs in) and `incidents` (what was excused).

No row of a person's is shown here. `caching` lets whoever is on the way keep them for a minute.
"""

from api.pages.public import incidents, prices

ROOMS = (prices, incidents)
