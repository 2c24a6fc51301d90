"""Group commit: one thread a process that writes, and the uploads that arrive meanwhile share its next transaction.

A commit costs a disk flush however much it holds; sharing it is where throughput comes from (DESIGN, idea 4). Nobody is
answered before the commit. If a shared transaction fails, each upload runs again alone, so that one cannot spoil
another.
"""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from sessions.clock import Clock
from sessions.database import is_outage, writing
from sessions.intake import EventResult, Listener, TokenNames, Upload, record

log = structlog.get_logger()

MOST_EVENTS_A_COMMIT = 2_000
MOST_WAITING_UPLOADS = 4_096


class Unavailable(Exception):
    """The database cannot commit now; nothing of the request was acknowledged and it may be sent again."""


class Intake:
    """The only writer of station events in this process."""

    def __init__(self, engine: Engine, clock: Clock, listeners: Sequence[Listener] = ()) -> None:
        self._engine = engine
        self._clock = clock
        self._listeners = listeners
        self._waiting: queue.Queue[tuple[Upload, Future[list[EventResult]]] | None] = queue.Queue(MOST_WAITING_UPLOADS)
        self._names: TokenNames | None = None
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self._door = threading.Lock()  # nobody is let in behind who closes
        self._closed = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Finish what was handed in, then stop; what comes later is refused."""
        with self._door:
            self._closed, first = True, not self._closed
        if first and self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def submit(self, upload: Upload) -> Future[list[EventResult]]:
        """Hand in an upload; the future has its results after the commit, or `Unavailable`."""
        answer: Future[list[EventResult]] = Future()
        answer.set_running_or_notify_cancel()  # a client that hangs up does not take its upload back
        with self._door:
            if self._closed:
                answer.set_exception(Unavailable("the server is stopping"))
                return answer
            try:
                self._waiting.put_nowait((upload, answer))
            except queue.Full:
                answer.set_exception(Unavailable("too many uploads are waiting"))
        return answer

    def check(self, upload: Upload) -> list[EventResult]:
        """What `submit` would answer, with nothing stored (`?dry_run=true`)."""
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin() as transaction:
                results = record(connection, [upload], self._clock.now(), self._token_names(connection), ())
                transaction.rollback()
                return results[0]
        except DBAPIError as error:
            if is_outage(error):
                raise Unavailable(_reason(error)) from error
            raise

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, last = self._gather(first)
            self._commit_group(group)
            if last:
                break

    def _gather(
        self, first: tuple[Upload, Future[list[EventResult]]]
    ) -> tuple[list[tuple[Upload, Future[list[EventResult]]]], bool]:
        """What waits by now, up to a commit's size, and whether closing was asked for among it."""
        group, size = [first], len(first[0].events)
        while size < MOST_EVENTS_A_COMMIT:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, True
            group.append(item)
            size += len(item[0].events)
        return group, False

    def _commit_group(self, group: list[tuple[Upload, Future[list[EventResult]]]]) -> None:
        try:
            results = self._commit([upload for upload, _ in group])
        except Exception as error:  # whatever it was, it must reach who waits: the thread lives on
            if len(group) > 1:
                log.warning(
                    "shared transaction failed, each upload runs alone", error=_reason(error), uploads=len(group)
                )
                self._commit_each(group)
                return
            outage = is_outage(error)
            log.error("upload not stored", error=_reason(error), exc_info=not outage)
            group[0][1].set_exception(Unavailable(_reason(error)) if outage else error)
            return
        for (_, answer), result in zip(group, results, strict=True):
            answer.set_result(result)

    def _commit_each(self, group: list[tuple[Upload, Future[list[EventResult]]]]) -> None:
        """One by one, until the database itself fails: then it fails all, and they need not wait for it in turn."""
        for number, one in enumerate(group):
            self._commit_group([one])
            outage = one[1].exception()
            if isinstance(outage, Unavailable):
                for _, answer in group[number + 1 :]:
                    answer.set_exception(Unavailable(str(outage)))
                return

    def _commit(self, uploads: Sequence[Upload]) -> list[list[EventResult]]:
        with writing(self._engine) as connection:
            return record(connection, uploads, self._clock.now(), self._token_names(connection), self._listeners)

    def _token_names(self, connection: Connection) -> TokenNames:
        if self._names is None:
            self._names = TokenNames.load(connection)
        return self._names


def _reason(error: Exception) -> str:
    return str(error.orig) if isinstance(error, DBAPIError) and error.orig is not None else str(error)
