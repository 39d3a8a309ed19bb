"""Run the benchmarks: `python -m benchmarks [--quick] [NAME ...]`."""

import argparse
from importlib import import_module

from benchmarks.harness import build
from benchmarks.harness.report import publish
from benchmarks.harness.subject import count_nothing

SECTIONS = {
    "warm": "Warm request",
    "bars": "Bars",
    "typed": "Typed function",
    "clients": "Clients",
    "cold": "Cold start",
    "profile": "Profile",
    "published": "Published functions",
    "end_to_end": "End to end on the local engine",
    "growth": "Growth",
    "memory": "Memory",
    "publish": "Publishing",
    "saved": "From save to served",
    "websocket": "WebSocket",
    "events": "Event batch",
    "cache": "Cache",
    "trace": "Trace",
    "canary": "Canary",
    "console": "Console",
}
"""Each benchmark's module, and its section in RESULTS.md."""

FROM_SOURCE = {"cache", "canary", "console", "events", "memory", "publish", "saved", "trace"}
"""Those that need no artefact, or make it."""

DEPLOYS = {"publish", "saved"}
"""Those that --quick leaves out where none is named: end-to-end tests run what they run."""


def main() -> None:
    """Read the command line and run what it names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(SECTIONS)}; all when none is given"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="show that they run: few calls, nothing is written",
    )
    options = parser.parse_args()
    names = options.names or [name for name in SECTIONS if not (options.quick and name in DEPLOYS)]
    if set(names) - FROM_SOURCE:
        build()
    for name in names:
        text = import_module(f"benchmarks.{name}").run(quick=options.quick)
        print(text)
        if options.quick and not options.names:
            count_nothing()  # the first section has shown that valgrind counts
        if not options.quick:
            publish(SECTIONS[name], text)


if __name__ == "__main__":
    main()
