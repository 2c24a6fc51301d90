"""What carries a notice out of the house. The in-app inbox is none of these: it is our own table (`store`)."""

from dataclasses import dataclass
from typing import Protocol

from billing.owners import Owner


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A notice on its way. `id` is the same each time it is handed over, so that twice can be seen to be once."""

    id: str
    kind: str
    to: Owner
    subject: str
    body: str
    written_at: int  # UTC seconds


class Channel(Protocol):
    """A way to reach owners outside our pages."""

    @property
    def name(self) -> str:
        """Stable: deliveries and waiting steps are kept under it."""
        ...

    def reaches(self, owner: Owner) -> bool:
        """Whether this owner left an address for this channel."""
        ...

    def hand_over(self, notice: Outgoing) -> str:
        """Return when the channel has accepted the notice for good, with its own name for it. Raises whatever went
        wrong: the notice is then handed over again later, under the same id.
        """
        ...
