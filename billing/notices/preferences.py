"""Who hears what where: the one place that decides which channels a notice takes beside the inbox."""

from collections.abc import Sequence

from billing.notices.channels import Channel
from billing.owners import Owner


def channels_for(owner: Owner, channels: Sequence[Channel]) -> list[Channel]:
    """Every channel that reaches the owner, whatever the notice."""
    return [channel for channel in channels if channel.reaches(owner)]
