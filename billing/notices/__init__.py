"""What owners are told: `moments` (from when on it costs), `letters` and `texts` (in which words), `preferences` (who
hears what where), `store` (the inbox and the record of what was told), `steps` (when); `contacts`, `channels`, `health`
and `handing` (out of the house: to where, by what, past which trouble).

Timers decide only when somebody is told. No fee depends on anything in here, but for one recorded fact: that a channel
accepted a session's first charge-complete notice.
"""

from billing.notices.channels import About, Channel, Down, Gone, Outgoing, Refused
from billing.notices.steps import Notices
from billing.notices.store import Notice, inbox, mark_read, notices_of_session, unread

__all__ = [
    "About",
    "Channel",
    "Down",
    "Gone",
    "Notice",
    "Notices",
    "Outgoing",
    "Refused",
    "inbox",
    "mark_read",
    "notices_of_session",
    "unread",
]
