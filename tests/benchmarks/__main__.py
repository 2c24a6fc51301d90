"""Every timing there is: `make bench`. One by name: `python -m tests.benchmarks uploads`."""

import sys
from importlib import import_module

NAMES = ("imports", "uploads", "owners", "rerate", "close", "pages")


def main(wanted: list[str]) -> None:
    for name in wanted or NAMES:
        if name not in NAMES:
            raise SystemExit(f"no benchmark {name}: choose from {', '.join(NAMES)}")
        import_module(f"tests.benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
