"""What carries a notice out of the house. The in-app inbox is none of these: it is our own table (`store`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from billing.jobs import Hopeless
from billing.notices.contacts import Contact
from billing.notices.moments import Outlook
from billing.owners import Owner


@dataclass(frozen=True, slots=True)
class About:
    """What a notice is about, for a program that would act on it. Amounts are minor units of `currency`."""

    site_id: str
    fees_minor: Mapping[str, int | None] = field(default_factory=dict)  # by session: the fee it tells, if it tells one
    stall: str | None = None
    currency: str | None = None
    outlook: Outlook | None = None  # what staying costs, while a car stands full


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A notice on its way. `id` is the same each time it is handed over, so that twice can be seen to be once."""

    id: str
    kind: str
    to: Owner
    subject: str
    body: str
    language: str
    written_at: int  # UTC seconds
    about: About


class Refused(Hopeless):
    """The channel will not take this notice, now or later: its step is parked at once, with the reason."""


class Gone(Exception):
    """Nobody can be reached at this contact any more, by the provider's own word: the contact ends."""


class Down(Exception):
    """The provider answers nobody at the moment: it is left alone for a while, and no notice is to blame."""


class Channel(Protocol):
    """A way to reach owners outside our pages."""

    @property
    def name(self) -> str:
        """Stable: `Contact.channel` of those it reaches."""
        ...

    def provider(self, contact: Contact) -> str:
        """Who would carry it: contacts of one provider fail together, and are left alone together."""
        ...

    def hand_over(self, notice: Outgoing, contact: Contact) -> str:
        """Return when the notice was accepted for good, with the provider's own name for it.

        Raises `Refused`, `Gone` or `Down`; anything else is this notice's trouble, and it is handed over again later,
        under the same id. Takes less than `health.PROBE_S`, whatever happens.
        """
        ...
