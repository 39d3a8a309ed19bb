"""Fails when too much stays untested: a floor for each figure that was measured."""

import json
import sys
from pathlib import Path

FLOORS = {"statements": 95.0, "branches": 90.0}


def main() -> int:
    """Compare coverage.json with the floors; 1 when one is not reached."""
    totals = json.loads(Path("coverage.json").read_text())["totals"]
    measured = {kind: totals.get(f"percent_{kind}_covered") for kind in FLOORS}
    reached = {kind: float(percent) for kind, percent in measured.items() if percent is not None}
    for kind, percent in reached.items():
        sys.stdout.write(f"{percent:.1f} % of {kind} covered, {FLOORS[kind]:.0f} % demanded\n")
    return int(any(percent < FLOORS[kind] for kind, percent in reached.items()))


if __name__ == "__main__":
    sys.exit(main())
