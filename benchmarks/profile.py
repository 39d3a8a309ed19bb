"""Where the instructions go: the parts of a warm call, and the stages of a cold start, of each Lambda."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace

from benchmarks.cold import Started, services
from benchmarks.harness.loopback import loopback
from benchmarks.harness.report import table, write_section
from benchmarks.harness.subject import Subject, cold_instructions, running, warm_instructions
from benchmarks.subjects import RESULT, registry

MODULES = ("http", "websocket", "tasks", "worker")
CALLS = 200
WHOLE, OF_IT = "whole", "of it "
STAGES = ("Python itself", "what Lambda's runtime client loads", "the import", "the first answer")


def run(*, quick: bool) -> None:
    """Measure, and write the section."""
    with loopback(registry(), RESULT) as server:
        started = services(server)
        columns = [stages(each) for each in started[: 1 if quick else None]]
        rows = zip(STAGES, *columns, strict=True)
        text = "### Cold start, millions of instructions\n"
        text += table(("", *(each.name for each, _, _ in started[: len(columns)])), rows)
        for name, (subject, _, _) in zip(MODULES, started, strict=True):
            counts = parts(subject, name, quick=quick)
            text += f"### {subject.name}, warm\n" + table(("", "instructions"), counts.items())
    if not quick:
        write_section("Profile", text)
    print(text)


def stages(started: Started) -> list[float]:
    """Return the millions of instructions that each stage adds."""
    subject, handler, first = started
    given = {name: value for name, value in subject.environment.items() if name != "BENCHMARK_HANDLER"}
    bare = replace(subject, call="os:getpid", warm_ups=1, environment=given)
    own = {
        **given,
        "BENCHMARK_MODULE": handler.rpartition(".")[0],
        "BENCHMARK_FIRST": json.dumps(first),
    }
    lives = (
        bare,
        replace(bare, call="benchmarks.parts.start:nothing"),
        replace(bare, call="benchmarks.parts.start:nothing", environment=own),
        replace(bare, call="benchmarks.parts.start:first", environment=own),
    )
    counts = [cold_instructions(each) / 1e6 for each in lives]
    return [after - before for before, after in zip([0.0, *counts], counts, strict=False)]


def parts(subject: Subject, name: str, *, quick: bool) -> Mapping[str, int]:
    """Return the instructions of each part, and of the whole, above those of a call of nothing.

    When it has to be quick, they are microseconds: only whether the parts still work is of interest then.
    """
    module = f"benchmarks.parts.{name}"
    counted = replace(subject, call=f"{module}:part", warm_ups=20)

    def count(part: str) -> int:
        chosen = replace(counted, environment={**subject.environment, "BENCHMARK_PART": part})
        if not quick:
            return warm_instructions(chosen, CALLS)
        with running(chosen) as child:
            return int(child.call(1))

    nothing = count("")
    counts = {part: count(part) - nothing for part in _names(subject, module)}
    known = sum(number for part, number in counts.items() if part != WHOLE and not part.startswith(OF_IT))
    return {**counts, "the rest": counts[WHOLE] - known}


def _names(subject: Subject, module: str) -> list[str]:
    code = (
        "import json, sys; sys.path[:0] = sys.argv[1].split(':')\n"
        "from importlib import import_module; print(json.dumps(list(import_module(sys.argv[2]).PARTS)))"
    )
    folders = ":".join(map(str, subject.folders))
    done = subprocess.run(
        [str(subject.python), "-I", "-S", "-c", code, folders, module],
        env={**subject.environment, "BENCHMARK_PART": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])  # a log line may stand before it
    return names
