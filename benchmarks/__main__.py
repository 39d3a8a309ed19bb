"""Runs the benchmarks: `python -m benchmarks [--quick] [NAME ...]`."""

import argparse
from importlib import import_module

from benchmarks.harness.paths import build

NAMES = ("warm", "clients", "cold", "profile", "end_to_end", "growth", "websocket", "events", "cache")


def main() -> None:
    """Read the command line and run what it names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all when none is given"
    )
    parser.add_argument(
        "--quick", action="store_true", help="show that they run: few calls, nothing is written"
    )
    given = parser.parse_args()
    names = given.names or NAMES
    if set(names) - {"cache", "events"}:  # which measure the sources
        build()
    for name in names:
        import_module(f"benchmarks.{name}").run(quick=given.quick)


if __name__ == "__main__":
    main()
