"""A process that has imported the server once and forks one on demand: twenty kills take seconds. No tests here.

Its standard input asks for a server (one line each), its standard output names the server's process. The server is
`api.server.serve`, as `idlefee serve` runs it, worker and all.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from api.server import serve
from api.settings import Settings


class Nursery:
    """Starts servers on one database and port and kills them without warning."""

    def __init__(self, url: str, port: int, outbox: Path) -> None:
        self._command = [sys.executable, "-m", "tests.crash.nursery", url, str(port), str(outbox)]
        self._server = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        cast(IO[str], self._process.stdin).close()
        self._process.wait(10)
        cast(IO[str], self._process.stdout).close()

    def start(self) -> None:
        """Start a server; it takes requests a moment later."""
        asked = cast(IO[str], self._process.stdin)
        asked.write("start\n")
        asked.flush()
        self._server = int(cast(IO[str], self._process.stdout).readline())

    def kill(self) -> None:
        """`kill -9` the server, if one runs."""
        if self._server:
            os.kill(self._server, signal.SIGKILL)
            self._server = 0


def main(url: str, port: int, outbox: str) -> None:
    settings = Settings(database_url=url, port=port, outbox=Path(outbox))
    child = 0
    for _ in sys.stdin:
        if child:
            os.waitpid(child, 0)  # it was killed: nobody asks for two at once
        child = os.fork()
        if child == 0:
            os.close(0)
            os.dup2(2, 1)  # what it logs is no answer of ours
            serve(settings)
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
    if child:  # whoever asked is gone, however it ended, and its server goes with it
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
