"""`idlefee import` of a year of real sessions on SQLite: the whole command's time and peak memory, median of three."""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

CALTECH = Path(__file__).parents[3] / "shared/data/acn_caltech_2020/acndata_sessions.json"
LIMIT_S, LIMIT_MIB = 3, 300


def main() -> None:
    if not CALTECH.exists():
        print(f"import of Caltech 2020: not measured, {CALTECH.name} is not here")
        return
    runs = [_run() for _ in range(3)]
    wall = statistics.median(seconds for seconds, _ in runs)
    peak = statistics.median(mib for _, mib in runs)
    verdict = "ok" if wall <= LIMIT_S and peak <= LIMIT_MIB else "BEYOND"
    each = ", ".join(f"{seconds:.2f}" for seconds, _ in runs)
    figures = f"{wall:>9.2f} s (at most {LIMIT_S}), {peak:.0f} MiB (at most {LIMIT_MIB})"
    print(f"{'import of Caltech 2020, SQLite':32} {figures} {verdict}  runs {each}", flush=True)


def _run() -> tuple[float, float]:
    """Seconds and MiB of one whole command."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "idlefee"), "import", str(CALTECH), "--json"]
        command += ["--database", f"sqlite:///{folder}/import.db"]
        begun = time.perf_counter()
        with (Path(folder) / "answer.json").open("wb") as answer:
            actions = [(os.POSIX_SPAWN_DUP2, answer.fileno(), 1)]
            process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
            _, status, usage = os.wait4(process, 0)
        if status != 0:
            raise RuntimeError(f"the import ended with {status}")
        return time.perf_counter() - begun, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
