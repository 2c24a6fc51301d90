"""SMS and chat services by Apprise, which is an optional extra. The operator says which services there are, with their
keys, as Apprise URLs with `{to}` in them; an owner adds a number or a name, never a URL.
"""

import importlib.util
import json
from collections.abc import Mapping
from urllib.parse import quote

from billing.notices import Down, Outgoing, Refused
from billing.notices.contacts import CHAT, Contact

DONE_WITHIN_S = 20
EXTRA = "the extra is not installed: pip install 'idlefee[chat]' (Apprise)"
FORM = 'must be JSON: a name and an Apprise URL each, such as {"sms": "twilio://SID:TOKEN@FROM/{to}"}'


def services_of(setting: str | None) -> Mapping[str, str]:
    """Reads the setting; without one there is no service. Raises `ValueError`, whose text repeats no key."""
    try:
        services = json.loads(setting or "{}")
    except ValueError:
        raise ValueError(FORM) from None
    if not isinstance(services, dict) or not all(isinstance(url, str) and "{to}" in url for url in services.values()):
        raise ValueError(FORM)
    if services and importlib.util.find_spec("apprise") is None:
        raise ValueError(EXTRA)
    return services


class Chat:
    """Notices by the services that are configured."""

    name = CHAT

    def __init__(self, services: str) -> None:
        self._services = services_of(services)

    def provider(self, contact: Contact) -> str:
        return f"{CHAT}:{contact.details['service']}"

    def hand_over(self, notice: Outgoing, contact: Contact) -> str:
        from apprise import Apprise, AppriseResultStatus

        url = self._services.get(contact.details["service"])
        if url is None:
            raise Refused(f"no chat service {contact.details['service']} is configured any more")
        service, said = Apprise(), list[str]()
        if not service.add(url.replace("{to}", quote(contact.details["to"], safe=""))):
            raise Refused("Apprise cannot use the service's URL with this number or name")
        taken = service.notify(
            body=notice.body,
            title=notice.subject,
            timeout=DONE_WITHIN_S,
            log_callback=lambda entry, _service: said.append(entry.message),
        )
        why = (
            said[-1].replace(contact.details["to"].lstrip("+@#"), "…")[:300] if said else "the service did not take it"
        )
        if taken.status is AppriseResultStatus.TIMEOUT:
            raise Down(why)
        if not taken:
            raise RuntimeError(why)  # the service's trouble or this message's: Apprise does not say
        return str(contact.details["service"])
