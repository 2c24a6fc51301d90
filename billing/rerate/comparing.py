"""Shares the sessions out to all cores: each process has its own connection, and on PostgreSQL all see one moment."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine

from billing.rerate.pricing import OfSite, OfSiteBetween, Pricer, Share
from billing.rerate.question import Comparison, Costs, Question, add_up
from sessions.database import connect, one_moment, share_moment
from sessions.sites import all_sites
from sessions.store.parts import parts
from sessions.store.tables import sessions

ROWS_A_PART = 100_000

Progress = Callable[[int, int], None]  # parts priced, parts there are


def unwatched(_done: int, _total: int) -> None:
    """Nobody watches the progress."""


def compare(
    engine: Engine, question: Question, progress: Progress = unwatched, *, processes: int | None = None
) -> Comparison:
    """What the sessions asked about cost, and would cost; reads only. On as many `processes` as there are cores."""
    with one_moment(engine) as connection:
        shares = _shares(connection, question)
        workers = min(len(shares), processes or cores())
        if workers <= 1:
            priced: Iterator[Costs] = map(Pricer(connection, question).price, shares)
        else:
            priced = _on_all_cores(engine, share_moment(connection), question, shares, workers)
        found = []
        for done, costs in enumerate(priced, start=1):
            found.append(costs)
            progress(done, len(shares))
        return Comparison(question, add_up(found))


def compare_within(engine: Engine, question: Question) -> Comparison:
    """The same of a question about some time, in this process: sessions are found by index, site by site."""
    with one_moment(engine) as connection:
        pricer = Pricer(connection, question)
        site_ids = question.site_ids or [site.id for site in all_sites(connection)]
        shares = [OfSiteBetween(site_id, question.starts_at, question.ends_at) for site_id in site_ids]
        return Comparison(question, add_up(map(pricer.price, shares)))


def _shares(connection: Connection, question: Question) -> list[Share]:
    """By place on the disk; where fees depend on how full a site was, a site at a time, so that each is walked once."""
    if not question.tariff.tiers:
        return list(parts(connection, sessions, ROWS_A_PART))
    return [OfSite(site_id) for site_id in question.site_ids or [site.id for site in all_sites(connection)]]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_all_cores(
    engine: Engine, moment: str | None, question: Question, shares: Sequence[Share], workers: int
) -> Iterator[Costs]:
    url = engine.url.render_as_string(hide_password=False)
    # Started afresh everywhere: a forked process would share this one's connections.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawned, _Worker.start, (url, moment, question)) as pool:
        for priced in as_completed([pool.submit(_Worker.price, share) for share in shares]):
            yield priced.result()


class _Worker:
    """What one process keeps between two parts: its transaction, and what the pricer has read."""

    transaction: AbstractContextManager[Connection]
    pricer: Pricer

    @classmethod
    def start(cls, url: str, moment: str | None, question: Question) -> None:
        engine = connect(url, pool_size=1)
        cls.transaction = one_moment(engine, moment)  # left open: it ends with the process
        cls.pricer = Pricer(cls.transaction.__enter__(), question)

    @classmethod
    def price(cls, share: Share) -> Costs:
        return cls.pricer.price(share)
