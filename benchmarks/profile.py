"""Where the instructions go: the parts of a warm call, and the stages of a cold start, of each Lambda."""

import json
from collections.abc import Mapping
from dataclasses import replace

from benchmarks.cold import Lambda, services
from benchmarks.harness.loopback import loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import Subject, cold_instructions, count_all, running, warm_instructions
from benchmarks.subjects import RESULT, registry

MODULES = ("http", "websocket", "tasks", "worker")
CALLS = 200
WHOLE, OF_IT = "whole", "of it "
NAMES = """
import json
from importlib import import_module
print(json.dumps(list(import_module(sys.argv[1]).PARTS)))
"""
STAGES = ("Python itself", "what Lambda's runtime client loads", "the import", "the first response")


def run(*, quick: bool) -> str:
    """Return the section."""
    with loopback(registry(), RESULT) as server:
        lambdas = services(server)
        columns = [stages(each) for each in lambdas[: 1 if quick else None]]
        rows = zip(STAGES, *columns, strict=True)
        text = "### Cold start, millions of instructions\n"
        text += table(("", *(each.name for each, _, _ in lambdas[: len(columns)])), rows)
        for name, (subject, _, _) in zip(MODULES, lambdas, strict=True):
            counts = parts(subject, name, quick=quick)
            text += f"### {subject.name}, warm\n" + table(("", "instructions"), counts.items())
    return text


def stages(measured: Lambda) -> list[float]:
    """Return the millions of instructions that each stage adds."""
    subject, handler, first = measured
    environment = {name: text for name, text in subject.environment.items() if name != "BENCHMARK_HANDLER"}
    bare = replace(subject, call="os:getpid", warm_ups=1, environment=environment)
    serving = {"BENCHMARK_MODULE": handler.rpartition(".")[0], "BENCHMARK_FIRST": json.dumps(first)}
    own = environment | serving
    lives = (
        bare,
        replace(bare, call="benchmarks.parts.start:nothing"),
        replace(bare, call="benchmarks.parts.start:nothing", environment=own),
        replace(bare, call="benchmarks.parts.start:first", environment=own),
    )
    counts = [count / 1e6 for count in count_all(cold_instructions, lives)]
    return [after - before for before, after in zip([0.0, *counts], counts, strict=False)]


def parts(subject: Subject, name: str, *, quick: bool) -> Mapping[str, int]:
    """Return the instructions of each part, and of the whole, above those of a call of nothing.

    When it has to be quick, they are microseconds: only whether the parts still work is of interest then.
    """
    module = f"benchmarks.parts.{name}"

    def count(chosen: Subject) -> int:
        if not quick:
            return warm_instructions(chosen, CALLS)
        with running(chosen) as child:
            return int(child.call(1))

    names = json.loads(subject.evaluate(NAMES, module).splitlines()[-1])  # a log line may stand before it
    counted = replace(subject, call=f"{module}:part", warm_ups=20)
    chosen = [
        replace(counted, environment={**subject.environment, "BENCHMARK_PART": part}) for part in ("", *names)
    ]
    nothing, *each = count_all(count, chosen)
    counts = {part: number - nothing for part, number in zip(names, each, strict=True)}
    known = sum(number for part, number in counts.items() if part != WHOLE and not part.startswith(OF_IT))
    return {**counts, "the rest": counts[WHOLE] - known}
