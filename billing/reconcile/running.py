"""One comparison of a seller's accounts, from asking to keeping what differs.

Ask the processor, keep its words, compare; look up again whatever the table of cases says, compare once more; match the
bank's lines; keep what is left. It may be interrupted anywhere and run again, and two at once do no harm.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, select

from billing.payments.looking import look_up_payment
from billing.payments.processor import BalanceLine, PaymentSeen, PayoutSeen, Processor
from billing.payments.provisions import lock_seller
from billing.reconcile import differences, gathering, mirror
from billing.reconcile.bank.lines import match_open
from billing.reconcile.cases import CASES, Code
from billing.reconcile.comparing import CAME_BACK, compare
from billing.reconcile.differences import Run
from billing.reconcile.words import AtBank, Finding, Ours, Theirs
from billing.store.reconciliation import bank_lines, payouts
from sessions.clock import Clock
from sessions.database import reading, writing

Progress = Callable[[int, int], None]  # steps done, steps there are
STEPS = 6


def unwatched(_done: int, _total: int) -> None:
    """Nobody watches the progress."""


@dataclass(slots=True)
class _Words:
    """What the processor said so far."""

    payments: dict[str, PaymentSeen] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    lines: list[BalanceLine] = field(default_factory=list)
    payouts: dict[str, PayoutSeen] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)


def reconcile(
    engine: Engine,
    clock: Clock,
    processor: Processor | None,
    seller_id: str,
    since: int,
    until: int,
    *,
    open_too: bool = True,
    others: Iterable[Finding] = (),
    progress: Progress = unwatched,
) -> Run:
    """Compare what happened in [since, until), and with `open_too` whatever is open. `others` are findings of others.

    Raises `ProcessorError` where the processor cannot be asked: nothing ends then. Raises `Unknown` for no such seller.
    """
    with reading(engine) as connection:
        payouts_since = min(since, _oldest_on_its_way(connection, seller_id) or since)
    words = _Words() if processor is None else _ask(processor, since, until, payouts_since)
    progress(1, STEPS)
    with writing(engine) as connection:
        mirror.keep(connection, seller_id, words.lines, list(words.payouts.values()), clock.now())
    progress(2, STEPS)
    if processor is not None:
        with reading(engine) as connection:
            in_suspense = mirror.unexplained_payments(connection, seller_id)
        _ask_by_name(processor, words, in_suspense)  # what somebody has to see stays seen, however long ago it was
    with reading(engine) as connection:
        names = gathering.payments_to_judge(
            connection,
            seller_id,
            since,
            until,
            words.payments.values(),
            by_card=processor is not None,
            open_too=open_too,
        )
        here = gathering.ours(connection, names)
    if processor is not None:
        _ask_by_name(processor, words, {one.ref for one in here.payments if one.ref is not None})
    progress(3, STEPS)
    acted = match_open(engine, clock, seller_id)
    found = _compare(engine, seller_id, names, words, since, until, clock.now())
    if processor is not None and (looks := _looks(found)):
        for ref in looks:
            look_up_payment(engine, clock, processor, ref)
        words.payments |= gathering.ask_for(processor, looks)[0]
        left = _compare(engine, seller_id, names, words, since, until, clock.now())
        acted += len({finding.subject for finding in found} - {finding.subject for finding in left})
        found = left
    judged = tuple(Code) if processor is not None else _WITHOUT_PROCESSOR
    found = [finding for finding in found if finding.code in judged]
    progress(4, STEPS)
    found += [*_loose(engine, clock, seller_id, since), *others]
    progress(5, STEPS)
    counted = words.counted | {"ours": len(names), "lines": len(words.lines), "payouts": len(words.payouts)}
    with writing(engine) as connection:
        lock_seller(connection, seller_id)
        now = clock.now()
        differences.keep(connection, seller_id, found, now, judged)
        run = Run(seller_id, 0, since, until, now, counted, acted, len(found))
        run = differences.write_run(connection, run)
    progress(STEPS, STEPS)
    return run


_WITHOUT_PROCESSOR = (Code.PAID_TWICE, Code.BANK_LINE_UNKNOWN, Code.BANK_LINE_DIFFERS, Code.FACTS_DIFFER)


def _looks(found: Iterable[Finding]) -> list[str]:
    """The payments at the processor that the table of cases says are looked up again."""
    return sorted({finding.look for finding in found if finding.look and CASES[finding.code].acts})


def _ask(processor: Processor, since: int, until: int, payouts_since: int) -> _Words:
    """All that is asked for by time."""
    seen, unknown, counted = gathering.touched(processor, since, until)
    lines = list(processor.balance_lines_between(since, until))
    # A refund may come back weeks after it was made: whatever moved the balance now tells of its payment.
    moved = {line.payment_ref for line in lines if line.payment_ref is not None}
    more, gone = gathering.ask_for(processor, sorted(moved - seen.keys() - unknown))
    sent = {one.ref: one for one in processor.payouts_between(payouts_since, until)}
    return _Words(seen | more, unknown | gone, lines, sent, counted)


def _ask_by_name(processor: Processor, words: _Words, refs: set[str]) -> None:
    """Ask for those payments that the lists did not hold."""
    missing = sorted(refs - words.payments.keys() - words.unknown)
    more, unknown = gathering.ask_for(processor, missing)
    words.payments |= more
    words.unknown |= unknown


def _compare(
    engine: Engine, seller_id: str, names: set[tuple[str, str]], words: _Words, since: int, until: int, now: int
) -> list[Finding]:
    with reading(engine) as connection:
        here = gathering.ours(connection, names)
        bank = gathering.at_bank(connection, seller_id)
        refs = {one.ref for one in here.payments if one.ref is not None}
        read_since, read_until = _read(connection, seller_id, since, until)
        sent = {one.ref: one for one in _payouts(connection, seller_id)} | words.payouts
        theirs = Theirs(
            payments=words.payments,
            unknown=words.unknown,
            lines=mirror.lines_of(connection, seller_id, refs) + mirror.payout_lines(connection, seller_id, sent),
            payouts=sent,
            lines_since=read_since,
            lines_until=read_until,
        )
    return compare(here, theirs, bank, now)


def _read(connection: Connection, seller_id: str, since: int, until: int) -> tuple[int, int]:
    """From when until when the balance's lines are here without a gap, with those of this run."""
    before = differences.covered(connection, seller_id)
    if before is None or since > before[1] or until < before[0]:
        return since, until
    return min(since, before[0]), max(until, before[1])


def _payouts(connection: Connection, seller_id: str) -> list[PayoutSeen]:
    """Payouts of which the bank said nothing yet."""
    there = select(bank_lines.c.matched_id).where(
        bank_lines.c.seller_id == seller_id, bank_lines.c.matched_kind == "payout"
    )
    statement = select(payouts).where(
        payouts.c.seller_id == seller_id,
        payouts.c.id.not_in(there),
        payouts.c.status.not_in(sorted(CAME_BACK)),
    )
    return [mirror.payout_of(row) for row in connection.execute(statement).mappings()]


def _oldest_on_its_way(connection: Connection, seller_id: str) -> int | None:
    """When the oldest payout was made of which the processor did not say yet how it ended."""
    statement = select(func.min(payouts.c.created_at)).where(
        payouts.c.seller_id == seller_id, payouts.c.status.in_(("pending", "in_transit"))
    )
    oldest: int | None = connection.execute(statement).scalar_one()
    return oldest


def _loose(engine: Engine, clock: Clock, seller_id: str, since: int) -> list[Finding]:
    """What moved the balance and is explained by nothing: its money stands in suspense."""
    with writing(engine) as connection:
        loose = mirror.post_unexplained(connection, seller_id, since, clock.now())
    # A line of a payment is told by its payment: as unknown, a duplicate, or missing here.
    return compare(Ours(), Theirs(lines=[line for line in loose if line.payment_ref is None]), AtBank(), clock.now())
