"""The seconds that everything counts that keeps something for a time, or from happening again for a time.

A monotonic clock may stand still while a Lambda is frozen; the date goes on.
"""

import time
from collections.abc import Callable


def open_clock(date: Callable[[], float] = time.time) -> Callable[[], float]:
    """Return a clock that goes on in a freeze, and never back.

    Where the date is set back it stands still until its next reading.

    Args:
        date: returns epoch seconds.
    """
    last, set_back = date(), 0.0

    def seconds() -> float:
        nonlocal last, set_back
        now = date()
        if now < last:
            set_back += last - now
        last = now
        return now + set_back

    return seconds


process_clock = open_clock()
