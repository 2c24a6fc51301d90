"""When owners are told: the steps of the worker that write notices, and what is still to be said when one goes out.
`standing` (a full car), `charging` (one that soon will be), `outcomes` (how sessions came out), `money` (payments and
disputes), `desk` (what they share).

A notice is written, and is in the inbox, in one transaction with the end of its step; each address it goes to then has
a step of its own (`handing`). Imports and sessions of nobody tell nobody.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from billing.jobs import Job, Lease
from billing.notices import store
from billing.notices.channels import Channel, Outgoing
from billing.notices.handing import Carriers
from billing.notices.kinds import ALMOST_FULL, CORRECTION, FINAL
from billing.notices.plan import STANDING
from billing.notices.steps.charging import Charging
from billing.notices.steps.desk import Desk
from billing.notices.steps.money import Money
from billing.notices.steps.outcomes import Outcomes
from billing.notices.steps.standing import Standing

__all__ = ["Notices"]


class Notices:
    """The steps, over the channels there are. `link` leads to the owner's pages."""

    def __init__(self, channels: Sequence[Channel], link: str | None = None) -> None:
        self._carriers = Carriers(channels)
        desk = Desk(self._carriers, link)
        self.charging, self.standing, self.outcomes, self.money = (
            Charging(desk),
            Standing(desk),
            Outcomes(desk),
            Money(desk),
        )

    def hand_over(self, lease: Lease) -> None:
        """Hand one notice to one address, in the words that are true now."""
        self._carriers.hand_over(lease, self._outgoing)

    def _outgoing(self, connection: Connection, job: Job, now: int) -> Outgoing | None:
        """The notice as it should go out now, or none where nobody should be told of it any more."""
        notice = store.notice(connection, job.body["site_id"], job.body["notice_id"])
        if notice.kind in STANDING:
            return self.standing.outgoing(connection, job.session, notice, now)
        if notice.kind == ALMOST_FULL:
            return self.charging.outgoing(connection, job.session, notice, now)
        if notice.kind in (FINAL, CORRECTION):
            return self.outcomes.outgoing(connection, job.session, notice)
        return self.money.outgoing(connection, notice)
