"""Run one subject in the process that is measured, as often as the harness asks.

This script knows nothing of the harness, and imports nothing that a subject may not have: the harness starts
it by its path, in an isolated interpreter, with the subject's own folders on the path.

    child.py FOLDERS MODULE:FUNCTION WARM_UPS

FOLDERS are joined by ``:``. The subject is a function without parameters that does the work once. The
process says ``ready``, then answers each line ``N`` of its input with the nanoseconds that N calls took.
"""

import os
import sys
import time
from importlib import import_module

TYPE_CHECKING = False  # typing's import would be counted at a cold start
if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Serve the commands of the input until it ends."""
    folders, subject, warm_ups = sys.argv[1:4]
    sys.path[:0] = folders.split(":")
    module, _, name = subject.partition(":")
    call = getattr(import_module(module), name)
    repeat(call, int(warm_ups))
    response("ready")
    for line in sys.stdin:
        response(str(repeat(call, int(line))))
    os._exit(0)  # taking everything down again is nobody's cold start


def repeat(call: "Callable[[], object]", times: int) -> int:
    """Call so many times and return the nanoseconds that all of it took."""
    started = time.perf_counter_ns()
    for _ in range(times):
        call()
    return time.perf_counter_ns() - started


def response(line: str) -> None:
    """Write a line at once; the subject itself may have taken stdout for its log."""
    os.write(2, f"@{line}\n".encode())


if __name__ == "__main__":
    main()
