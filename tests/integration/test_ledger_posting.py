"""What settling posts: once however many settle at once, and back and forth as often as the past is re-rated."""

import multiprocessing
from multiprocessing.synchronize import Barrier

from billing import decisions
from billing.engine import Cause, resettle
from billing.ledger import Account, trial_balance
from billing.orders import carry_out, ordered
from billing.verify import verify
from sessions.database import connect, writing
from sessions.store.queries import SessionKey
from tests.integration.small_world import LATER, NOON, a_session, post, small_world, told

PROCESSES = 2
KEYS = [SessionKey("harbour", f"h{1 + number % 2}/s{number}") for number in range(40)]


def settle_each(url: str, together: Barrier) -> None:
    """One of several processes that settle the same sessions, each session at the same moment as the others."""
    engine = connect(url)
    for key in KEYS:
        together.wait(60)
        with writing(engine) as connection:
            resettle(connection, [key], LATER, Cause("re-rated", quiet=True))
    engine.dispose()


def test_two_processes_settle_the_same_sessions_at_once_and_each_is_posted_once(postgres_url: str) -> None:
    with small_world(postgres_url) as app:
        begins = range(NOON, NOON + 10_000 * len(KEYS), 10_000)
        post(app, *(a_session(*key.id.split("/"), at=at) for key, at in zip(KEYS, begins, strict=True)))
        with app.writing() as connection:  # an order that nobody has carried out yet: all have the same to post
            decisions.order_rerate(
                connection, ["harbour"], "waive_completed", 0, LATER, author="test", reason="kind", now=LATER
            )
        spawned = multiprocessing.get_context("spawn")
        together = spawned.Barrier(PROCESSES)
        processes = [spawned.Process(target=settle_each, args=(postgres_url, together)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)

        assert [process.exitcode for process in processes] == [0] * PROCESSES
        posted = told(app, "SELECT n, count(*), count(DISTINCT session_id) FROM transfers GROUP BY n ORDER BY n")
        assert posted == [(1, 40, 40), (2, 40, 40)]
        with app.reading() as connection:
            balances = {row.account: row.balance_minor for row in trial_balance(connection)}
        assert balances == {Account.RECEIVABLE: 4_00 * 40, Account.REVENUE: -4_00 * 40}
        assert verify(app.engine, LATER, print).clean


def test_tariffs_back_and_forth_post_four_corrections_and_leave_the_right_balance(database_url: str) -> None:
    """A→B→A→B: each order says something else than the one before, so each posts."""
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"))
        for tariff in ("waive_completed", "standard", "waive_completed", "standard"):
            with app.writing() as connection:
                orders = ordered(
                    connection, ["harbour"], tariff, 0, LATER, author="test", reason="undecided", now=LATER
                )
            assert carry_out(app.engine, app.clock, orders).changed == 1

        receivable = "SELECT amount_minor FROM entries WHERE account = 'receivable' ORDER BY transfer_id"
        assert sorted(told(app, receivable)) == [(-2_00,), (-2_00,), (2_00,), (2_00,), (2_00,)]
        chain = told(app, "SELECT n, corrects, id FROM transfers ORDER BY n")
        assert [n for n, _, _ in chain] == [1, 2, 3, 4, 5]
        assert [corrects for _, corrects, _ in chain] == [None, *(id_ for _, _, id_ in chain[:-1])]
        assert told(app, "SELECT sum(amount_minor) FROM entries WHERE account = 'receivable'") == [(2_00,)]
        assert verify(app.engine, LATER, print).clean


def test_settling_again_posts_nothing(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"))
        for _ in range(3):
            with app.writing() as connection:
                resettle(connection, [SessionKey("harbour", "h1/a")], LATER, Cause("again"))

        assert told(app, "SELECT count(*) FROM transfers") == [(1,)]


def test_a_plug_in_that_no_longer_counts_takes_back_what_was_posted(database_url: str) -> None:
    with small_world(database_url) as app:
        post(app, a_session("h1", "a"))
        with app.writing() as connection:
            decisions.void_event(connection, "h1", "a-1", author="test", reason="another car", now=LATER)

        assert told(app, "SELECT fee_minor FROM charges") == [(0,)]
        assert told(app, "SELECT account, sum(amount_minor) FROM entries GROUP BY account ORDER BY account") == [
            ("receivable", 0),
            ("revenue", 0),
        ]
        assert verify(app.engine, LATER, print).clean
