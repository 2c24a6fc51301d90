"""The `idlefee` command. Thin: it reads arguments, calls the product, prints the answer.

`frame` holds the application, `opening` opens the database, `console` prints, `errors` turns whatever goes wrong into
one clear line and an exit code, `asking` reads arguments; then a module for each group of commands. What only one
command needs is imported when that command runs: `idlefee --help` must not wait for a database driver.
"""

import gc
import sys
from collections.abc import Sequence

# Rows and modules live long and make no cycles: by the interpreter's own measure (700, 10, 10) a sixth of an import's
# time went into looking through them.
ALLOCATIONS_BETWEEN_COLLECTIONS = (50_000, 20, 50)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code (see `errors.Exit`)."""
    gc.set_threshold(*ALLOCATIONS_BETWEEN_COLLECTIONS)
    from api.cli import commands, errors  # here, so that a broken environment is told in one line, too

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return commands.run(given)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last line of defence: nobody reads a traceback
        told = errors.told(error)
        sys.stdout.flush()
        print("\n".join(told.lines), file=sys.stderr)  # noqa: T201 - the way errors leave a command
        return told.code
