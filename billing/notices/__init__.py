"""What owners are told: `moments` (from when on it costs), `letters` and `texts` (in which words), `preferences` (who
hears what where), `store` (the inbox and the record of what was told), `channels` (what carries it), `steps` (when).

Timers decide only when somebody is told. No fee depends on anything in here, but for one recorded fact: that a channel
accepted a session's first charge-complete notice.
"""

from billing.notices.channels import Channel, Outgoing
from billing.notices.steps import Notices
from billing.notices.store import Notice, inbox, mark_read, notices_of_session, unread

__all__ = ["Channel", "Notice", "Notices", "Outgoing", "inbox", "mark_read", "notices_of_session", "unread"]
