"""A published function beside one that ships with the worker: what the HTTP gateway does for each."""

import json
from dataclasses import replace

from benchmarks.harness.loopback import Rows, loopback
from benchmarks.harness.report import table
from benchmarks.harness.subject import cold_instructions, warm_instructions
from benchmarks.subjects import RESULT, WORKER_ARN, gateway, registry
from silvaengine.registry.packages import POINTER_ITEM, PROTOCOL, release_digest, release_item
from silvaengine.tables import CONNECTIONS, FUNCTIONS, PACKAGES

PACKAGE, RELEASE = "demo", 12


def run(*, quick: bool) -> str:
    """Return the section."""
    counts = [instructions(rows, 5 if quick else 200) for rows in (registry(), published())]
    rows = [
        (what, shipped, own, own / shipped)
        for what, shipped, own in zip(("warm", "cold"), *counts, strict=True)
    ]
    return table(("instructions", "ships", "is published", "ratio"), rows)


def instructions(rows: Rows, calls: int) -> tuple[int, int]:
    """Return those of a warm request, and of a cold start up to the first response."""
    with loopback(rows, RESULT) as server:
        subject = gateway(server)
        subject = replace(subject, environment={**subject.environment, "WORKER_ARN": WORKER_ARN})
        return warm_instructions(subject, calls), cold_instructions(replace(subject, warm_ups=1))


def published() -> Rows:
    """Return the rows of the same registry, in which ``hello`` is a package's."""
    rows = dict(registry())
    (connection,), (function,) = rows[CONNECTIONS], rows[FUNCTIONS]
    others = [entry for entry in connection["functions"] if entry["function"] != "hello"]
    rows[CONNECTIONS] = [{**connection, "functions": others, "packages": [{"package": PACKAGE}]}]
    arn = WORKER_ARN.removesuffix("-Worker") + f"-pkg-{PACKAGE}"
    text = json.dumps({"hello": {"area": function["area"], "config": function["config"]}})
    digest = release_digest(PACKAGE, "code", text, is_isolated=False)
    about = {"function_arn": arn, "package": PACKAGE, "release": RELEASE}
    release = {"protocol": PROTOCOL, "code": "code", "functions": text, "isolated": False, "digest": digest}
    rows[PACKAGES] = [
        {**about, "item": POINTER_ITEM, "pins": {}},
        {**about, "item": release_item(RELEASE), **release},
    ]
    return rows
