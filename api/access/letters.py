"""Mail about signing in: links, new devices, new addresses. It is asked for in the transaction that causes it and goes
out by a step of the worker, through whatever takes the mails of notices.

Preferences and quiet hours do not hold here: an owner who asked for a link waits for it, and one whose account somebody
else uses must hear of it. No sentence in here (`billing.notices.account_letters`), no route.
"""

import json
from collections.abc import Callable, Collection

from sqlalchemy import Connection, delete, select

from api.access import links
from api.access.links import ADDRESS_LASTS_S, SIGN_IN_LASTS_S, Changed
from api.access.secret import Secret
from api.channels.mail import Mailer, mail
from billing.jobs import Job, Lease, schedule
from billing.notices import account_letters, store
from billing.notices.channels import Down
from billing.notices.contacts import EMAIL
from billing.notices.kinds import ACCOUNT, ADDRESS_CHANGED, NEW_DEVICE
from billing.notices.letters import Letter
from billing.notices.store import NO_SITE, Notice, notice_id
from billing.owners import Owner, owner, owners_at
from billing.store.tables import jobs
from billing.texts import texts
from sessions.database import reading, writing

SIGN_IN_LINK, CONFIRM_ADDRESS, ACCOUNT_LETTER = links.LETTERS
MOST_AT_ONE_ADDRESS = 5
TRIED_AGAIN_S = 30


# -- asked for ----------------------------------------------------------------------------------------------


def ask_for_link(connection: Connection, secret: Secret, email: str, now: int) -> None:
    """Whoever has this address is to be sent a link. Asked for again before it went out, one goes out."""
    key = f"{SIGN_IN_LINK}:{secret.name(SIGN_IN_LINK, email.lower())}"
    schedule(connection, [Job(key, SIGN_IN_LINK, now, {"email": email})], now)


def ask_to_confirm(connection: Connection, secret: Secret, owner_id: str, email: str, now: int) -> None:
    """The owner wants this to be their address: it is asked whether it is theirs."""
    key = f"{CONFIRM_ADDRESS}:{secret.name(CONFIRM_ADDRESS, f'{owner_id} {email}')}"
    schedule(connection, [Job(key, CONFIRM_ADDRESS, now, {"owner_id": owner_id, "email": email})], now)


def tell_of_device(connection: Connection, owner_id: str, device_id: str, label: str, home: str, now: int) -> None:
    """An owner signed in on a device that is new to them."""
    to = owner(connection, owner_id)
    letter = account_letters.new_device(texts(to.language), label, now, f"{home}/me/account")
    _tell(connection, to, NEW_DEVICE, letter, now, device_id)


def tell_of_address(connection: Connection, changed: Changed, now: int) -> None:
    """Mail goes elsewhere from now on; the address before hears of it, if there was one."""
    to = changed.owner
    forget_letters(connection, to.id, changed.before, [SIGN_IN_LINK])
    letter = account_letters.address_changed(texts(to.language), to.email or "", now)
    before = Owner(to.id, to.name, changed.before, to.language)
    _tell(connection, before, ADDRESS_CHANGED, letter, now, str(now))


def _tell(connection: Connection, to: Owner, kind: str, letter: Letter, now: int, *about: str) -> None:
    """Put it into the inbox, and let it go out to the address that `to` has now."""
    id_ = notice_id(kind, to.id, *about)
    notice = Notice(NO_SITE, id_, to.id, kind, ACCOUNT[kind], *letter, now, {})
    store.write(connection, [notice])
    body = {"owner_id": to.id, "notice_id": id_, "email": to.email}
    if to.email:
        schedule(connection, [Job(f"{ACCOUNT_LETTER}:{id_}", ACCOUNT_LETTER, now, body)], now)


# -- forgotten ----------------------------------------------------------------------------------------------


def forget_letters(
    connection: Connection, owner_id: str, email: str | None, kinds: Collection[str] = links.LETTERS
) -> None:
    """Letters to an owner that were not sent, or could not be, and links asked for with their address: each of them
    names an address.
    """
    address = (email or "").lower()
    waiting = connection.execute(select(jobs.c.key, jobs.c.body).where(jobs.c.kind.in_(kinds))).all()
    theirs = [
        key
        for key, body in ((key, json.loads(text)) for key, text in waiting)
        if body.get("owner_id") == owner_id or (address and (body.get("email") or "").lower() == address)
    ]
    connection.execute(delete(jobs).where(jobs.c.key.in_(theirs)))


# -- sent ---------------------------------------------------------------------------------------------------


class Letters:
    """The steps of the worker. `home` is the address people reach the pages at."""

    def __init__(self, mailer: Mailer, sender: str, secret: Secret, home: str) -> None:
        self._mailer, self._sender = mailer, sender
        self._secret, self._home = secret, home

    def sign_in_link(self, lease: Lease) -> None:
        """Send a link to everybody with this address; where nobody has it, nothing goes out."""
        (job,) = lease.jobs
        waits = lease.clock.now() - job.due_at < SIGN_IN_LASTS_S  # later nobody waits for it any more
        with reading(lease.engine) as connection:
            found = owners_at(connection, job.body["email"], MOST_AT_ONE_ADDRESS) if waits else []
        self._once_sent(lease, job, lambda: [self._send(lease, to, job, self._sign_in_letter) for to in found])

    def _sign_in_letter(self, connection: Connection, to: Owner, now: int) -> Letter:
        link = f"{self._home}/sign-in?key={links.sign_in_text(connection, self._secret, to, now)}"
        return account_letters.sign_in_link(texts(to.language), to.name or to.id, SIGN_IN_LASTS_S, link)

    def confirm_address(self, lease: Lease) -> None:
        """Ask at the new address whether it is its owner's."""
        (job,) = lease.jobs
        to = _addressed(lease, job)
        self._once_sent(lease, job, lambda: [self._send(lease, to, job, self._confirming_letter)])

    def _confirming_letter(self, connection: Connection, to: Owner, now: int) -> Letter:
        text = links.address_text(connection, self._secret, to, to.email or "", now)
        link = f"{self._home}/confirm-address?key={text}"
        return account_letters.confirm_address(texts(to.language), to.name or to.id, ADDRESS_LASTS_S, link)

    def account_letter(self, lease: Lease) -> None:
        """Send what stands in the inbox."""
        (job,) = lease.jobs
        to, id_ = _addressed(lease, job), job.body["notice_id"]
        with reading(lease.engine) as connection:
            notice = store.notice(connection, NO_SITE, id_)
        letter = Letter(notice.subject, notice.body, notice.language)
        for reference in self._once_sent(lease, job, lambda: [self._hand_over(id_, to, letter, notice.created_at)]):
            with writing(lease.engine) as connection:
                store.delivered(connection, NO_SITE, id_, EMAIL, lease.clock.now(), reference)

    def _send(self, lease: Lease, to: Owner, job: Job, write: Callable[[Connection, Owner, int], Letter]) -> str:
        """Write the letter, whose link must be good before anybody opens it, and hand it over. After a crash between
        the two, or after them, another link goes out, under the same id.
        """
        now = lease.clock.now()
        with writing(lease.engine) as connection:
            letter = write(connection, to, now)
        return self._hand_over(notice_id(job.kind, to.id, job.key, str(job.due_at)), to, letter, now)

    def _hand_over(self, id_: str, to: Owner, letter: Letter, at: int) -> str:
        address, subject, body = to.email or "", letter.subject, letter.body
        message = mail(id_, sender=self._sender, to=address, name=to.name, subject=subject, body=body, at=at)
        return self._mailer.send(id_, message)

    def _once_sent(self, lease: Lease, job: Job, send: Callable[[], list[str]]) -> list[str]:
        """End the step when everything went out. Where no mail server answers it waits, and costs no attempt."""
        try:
            references = send()
        except Down as down:
            with lease.transaction() as turn:
                for one in turn.jobs:
                    turn.leave(one, turn.now + TRIED_AGAIN_S, str(down))
            return []
        with lease.transaction():
            return references


def _addressed(lease: Lease, job: Job) -> Owner:
    """The owner, at the address that the step is for."""
    with reading(lease.engine) as connection:
        known = owner(connection, job.body["owner_id"])
    return Owner(known.id, known.name, job.body["email"], known.language)
