"""Out of the house: a step for each address a notice goes to, so that a slow one holds no lock and a broken one delays
no other. What is said, and whether it still should be, is the business of `steps`.

A step hands its notice over outside any transaction and records the acceptance afterwards: at least once, and twice
only after a crash between the two, under the same id.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, delete, select

from billing.engine import LOOK_AT_STAY, Cause, resettle
from billing.jobs import Job, Lease, Turn, schedule, session_job
from billing.notices import store
from billing.notices.channels import Channel, Down, Gone, Outgoing
from billing.notices.contacts import EMAIL, Contact, end_contact, reachable
from billing.notices.health import SOON_S, forget, health_of, note_failure, wait_until
from billing.notices.kinds import CHARGE_COMPLETE
from billing.notices.preferences import not_muted, preferences_by_owner, preferences_of
from billing.notices.store import Notice
from billing.owners import Owner
from billing.store.tables import channel_health, jobs, notices
from billing.timers import lock_sessions
from sessions.database import reading, writing
from sessions.facts import Fact, Kind, record_facts
from sessions.store.queries import SessionKey

HAND_OVER = "hand_over"
ACCEPTED = Cause("a channel accepted the notice", quiet=True)
GIVEN_UP_AFTER_S = 5 * 24 * 3600
GIVEN_UP = "nobody answered there for five days"


class Carriers:
    """The channels there are, and the steps that use them."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels: Mapping[str, Channel] = {channel.name: channel for channel in channels}

    def reach(self, connection: Connection, owner: Owner) -> bool:
        """Whether anything leads to this owner but the inbox."""
        return bool(self._contacts(connection, [owner])[owner.id])

    def schedule(self, turn: Turn, told: Sequence[tuple[Owner, Notice]]) -> None:
        """Give each address of the notices' owners that should carry it a step."""
        to = {owner.id: owner for owner, _ in told}
        contacts = self._contacts(turn.connection, list(to.values()))
        wanted = preferences_by_owner(turn.connection, to)
        steps = [
            _step(notice, name)
            for owner, notice in told
            for name in not_muted(wanted[owner.id], notice.kind, [one.name for one in contacts[owner.id]])
        ]
        schedule(turn.connection, steps, turn.now)

    def hand_over(self, lease: Lease, compose: Callable[[Connection, Job, int], Outgoing | None]) -> None:
        """Hand one notice to one address; dropped where there is nothing to say any more, or nobody to say it to.

        A provider that fails costs the step no attempt: it waits until the provider is tried again.
        """
        (job,) = lease.jobs
        with reading(lease.engine) as connection:
            outgoing = compose(connection, job, lease.clock.now())
            contact = None if outgoing is None else self._contact(connection, outgoing.to, job.body["channel"])
            wanted = None if outgoing is None else preferences_of(connection, outgoing.to.id)
        if outgoing is None or contact is None or wanted is None:
            with lease.transaction():
                return  # the step ends, and that is all
        if (morning := wanted.held_until(outgoing.kind, lease.clock.now())) is not None:
            with lease.transaction() as turn:
                for one in turn.jobs:
                    turn.postpone(one, morning)  # and then it is asked again what is still true
            return
        channel = self._channel(contact)
        provider = channel.provider(contact)
        if self._left_alone(lease, job, provider):
            return
        try:
            reference = channel.hand_over(outgoing, contact)
        except Down as down:
            self._down(lease, job, provider, contact, str(down))
        except Gone as gone:
            with lease.transaction() as turn:
                end_contact(turn.connection, contact.owner_id, contact.id, turn.now, str(gone))
                forget(turn.connection, provider)
        else:
            self._accepted(lease, job, outgoing, contact, reference, provider)

    # -- the parts of it ------------------------------------------------------------------------------------

    def _contacts(self, connection: Connection, owners: Sequence[Owner]) -> dict[str, list[Contact]]:
        """Every address that a channel of ours leads to, by owner."""
        found = reachable(connection, owners)
        return {id_: [one for one in those if one.channel in self._channels] for id_, those in found.items()}

    def _contact(self, connection: Connection, owner: Owner, name: str) -> Contact | None:
        return next((one for one in reachable(connection, [owner])[owner.id] if one.name == name), None)

    def _channel(self, contact: Contact) -> Channel:
        if contact.channel not in self._channels:
            raise LookupError(f"no channel {contact.channel} is configured any more")
        return self._channels[contact.channel]

    def _left_alone(self, lease: Lease, job: Job, provider: str) -> bool:
        """Whether the provider is left alone at the moment; the step then waits with it."""
        with reading(lease.engine) as connection:
            health = health_of(connection, provider)
        if health is None or not health.open:
            return False  # as good as always: no write
        with writing(lease.engine) as connection:
            until = wait_until(connection, provider, lease.clock.now())
        if until is None:
            return False
        with lease.transaction() as turn:
            for one in turn.jobs:
                turn.leave(one, until, f"{provider} is left alone: {health.last_error}")
        return True

    def _down(self, lease: Lease, job: Job, provider: str, contact: Contact, error: str) -> None:
        with lease.transaction() as turn:
            health = note_failure(turn.connection, provider, error, turn.now)
            if contact.channel != EMAIL and health.open and turn.now - health.failing_since >= GIVEN_UP_AFTER_S:
                forget(turn.connection, provider)
                end_contact(turn.connection, contact.owner_id, contact.id, turn.now, GIVEN_UP)
                return
            for one in turn.jobs:
                turn.leave(one, max(health.left_alone_until, turn.now + SOON_S), f"{provider}: {error}")

    def _accepted(
        self, lease: Lease, job: Job, outgoing: Outgoing, contact: Contact, reference: str, provider: str
    ) -> None:
        accepted_at, key = lease.clock.now(), job.session
        locked = [key] if outgoing.kind == CHARGE_COMPLETE else []
        with lease.transaction(lambda connection: lock_sessions(connection, locked, sites=True)) as turn:
            forget(turn.connection, provider)
            if not turn.jobs:
                return  # the lease ran out meanwhile; whoever took the step over records its own acceptance
            words = outgoing.subject, outgoing.body, outgoing.language
            store.rewrite(turn.connection, key.site_id, outgoing.id, *words)
            store.delivered(turn.connection, key.site_id, outgoing.id, contact.name, accepted_at, reference)
            if outgoing.kind == CHARGE_COMPLETE:
                _time_counts(turn, key, contact.channel, outgoing.id, accepted_at)


def _time_counts(turn: Turn, key: SessionKey, channel: str, id_: str, accepted_at: int) -> None:
    """Where a tariff requires a notice, time counts from here (RULES, "Grace")."""
    fact = Fact(
        site_id=key.site_id,
        kind=Kind.NOTICE_ACCEPTED,
        author=f"channel {channel}",
        reason="it accepted a charge-complete notice, the first of this session",
        key=f"notice_accepted:{key.id}",
        session_id=key.id,
        event_id=id_,
        starts_at=accepted_at,
    )
    if record_facts(turn.connection, [fact], turn.now):
        resettle(turn.connection, [key], turn.now, ACCEPTED)
        schedule(turn.connection, [session_job(LOOK_AT_STAY, key, turn.now)], turn.now)


def _step(notice: Notice, to: str) -> Job:
    body = {
        "site_id": notice.site_id,
        "session_id": min(notice.fees_minor, default=""),
        "notice_id": notice.id,
        "channel": to,
    }
    key = f"{HAND_OVER}:{to}:{notice.id}"
    return Job(key=key, kind=HAND_OVER, due_at=notice.created_at, body=body, site_id=notice.site_id)


def stop_telling(connection: Connection, owner_id: str) -> None:
    """Nothing that waits for this owner is handed over any more. What a provider said of it may name them: it goes too,
    and is soon learned again where it still holds.
    """
    theirs = set(connection.execute(select(notices.c.id).where(notices.c.owner_id == owner_id)).scalars())
    waiting = connection.execute(select(jobs.c.key, jobs.c.body).where(jobs.c.kind == HAND_OVER)).all()
    keys = [key for key, body in waiting if json.loads(body)["notice_id"] in theirs]
    connection.execute(delete(jobs).where(jobs.c.key.in_(keys)))
    connection.execute(delete(channel_health))
