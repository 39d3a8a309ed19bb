"""Simulate calls: ``python -m tests.simulation.run --calls 1000000``; a seed replays a world."""

import argparse
import json
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice

from .callers import populate
from .world import Parts, Weather, World

CALLS = 100
SECONDS = 600.0


def simulate(seed: int, weather: Weather | None = None, parts: Parts | None = None) -> World:
    """Run a world of a hundred calls; its account has the violations."""
    world = World(seed, weather or Weather(), parts)
    populate(world, CALLS, SECONDS)
    world.run_to_the_end()
    world.account.check(world.rows())
    return world


def figures(world: World) -> Counter[str]:
    """Return a world's numbers."""
    account = world.account
    found: Counter[str] = Counter(row.state for row in world.rows())
    found |= Counter({f"boundary {name}": number for name, number in Counter(world.faults.seen).items()})
    found |= Counter(world.notes)
    found |= Counter(
        {
            "calls": len(account.requests),
            "accepted": len(world.rows()),
            "effects": account.effects.total(),
            "dead letters": len(account.dead_letters),
            "violations": len(account.violations),
        }
    )
    return found


def _simulate(seed: int) -> tuple[int, Counter[str], list[str]]:
    world = simulate(seed)
    return seed, figures(world), world.account.violations


def main() -> int:
    """Run worlds until there were enough calls; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    logging.disable()  # it is full of the faults
    seeds = islice(count(options.seed), -(-options.calls // CALLS))
    started, total, broken = time.monotonic(), Counter[str](), 0
    with ProcessPoolExecutor(options.processes) as pool:
        for seed, found, violations in pool.map(_simulate, seeds, chunksize=4):
            total.update(found)
            broken += bool(violations)
            for violation in violations:
                sys.stdout.write(f"seed {seed}: {violation}\n")
    settled = total["succeeded"] + total["failed"] + total["dead"]
    if total["accepted"] != settled:
        sys.stdout.write(f"accepted {total['accepted']}, settled {settled}\n")
        broken += 1
    figures_text = json.dumps(dict(sorted(total.items())), indent=2)
    sys.stdout.write(f"{figures_text}\n{time.monotonic() - started:.0f} s, {broken} worlds with violations\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
