"""What typed functions can't be described by, as the worker's own describer says of the sources here.

The sources are imported, in a process of its own, where the packages of this environment are, as in tests. So
a function whose module can't be imported here is only warned of: it may be in its Lambda.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from silvaengine.registry.packages import call_of
from silvaengine.registry.routes import Route
from silvaengine_cli.closest import closest
from silvaengine_cli.descriptions import Descriptions
from silvaengine_cli.packages.definitions import modules_in
from silvaengine_cli.registry.checks import Finding
from silvaengine_cli.registry.model import FunctionSpec, function_name
from silvaengine_cli.registry.rows import function_config

SECONDS = 60.0

_DESCRIBE = """\
import json, sys
answer, sys.stdout = sys.stdout, sys.stderr  # modules may print
packages, functions = json.load(sys.stdin)
from silvaengine_worker.describe import Describer
from silvaengine_worker.loader import Loader
json.dump(Describer(Loader(packages), {}).describe(functions)["functions"], answer)
"""
_HINT = "take one of the types in docs/functions.md, or say `typed: false`"


def undescribable(
    functions: Mapping[str, FunctionSpec], folder: FilePath, *, typed: bool = False
) -> Iterator[Finding]:
    """Yield what is wrong with typed functions, of which a folder has the sources.

    Args:
        functions: by label; those of another Lambda are left out.
        folder: where their packages are.
        typed: whether functions are that don't say it.
    """
    callees = [
        [*function.callee(function_name(label)), True] for label, function in _typed(functions, typed=typed)
    ]
    if callees:
        yield from unfit(functions, _describe(folder, callees), typed=typed)


def unfit(
    functions: Mapping[str, FunctionSpec], described: Descriptions, *, typed: bool = False
) -> Iterator[Finding]:
    """Yield what is wrong with typed functions by what they say of themselves."""
    for label, function in _typed(functions, typed=typed):
        path = ("functions", label, *(["call"] if function.call else []))
        config = function_config(function_name(label), function)
        said = described.get(call_of(label, config))
        if said is None:
            yield Finding(path, "its module can't be looked at here", warning=True)
        elif "error" not in said:
            for complaint in _missing_parameters(function.route or "", said["parameters"]):
                yield Finding(("functions", label, "route"), complaint)
        elif "\n" in said["error"]:  # the end of a traceback
            reason = said["error"].rpartition("\n")[2]
            yield Finding(path, f"its module can't be looked at here: {reason}", warning=True)
        else:
            file = config["module_name"].replace(".", "/")
            yield Finding(path, f"{file}.py: {said['error']}: {_HINT}")


def _typed(functions: Mapping[str, FunctionSpec], *, typed: bool) -> Iterator[tuple[str, FunctionSpec]]:
    for label, function in functions.items():
        if function.lambda_arn is None and (typed if function.typed is None else function.typed):
            yield label, function


def _missing_parameters(route: str, taken: Mapping[str, Any]) -> Iterator[str]:
    names = Route.parse(route).parameters if route and taken["additionalProperties"] is False else ()
    for name in names:
        if name not in taken["properties"]:
            hint = closest(name, taken["properties"])
            yield f"{{{name}}} is no parameter of the function, so that it would refuse every call{hint}"


def _describe(folder: FilePath, functions: list[list[object]]) -> Descriptions:
    """Return what the describer says; nothing where it doesn't come back."""
    path = os.pathsep.join(filter(None, [str(folder.resolve()), *sys.path]))
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-c", _DESCRIBE],
            input=json.dumps([sorted(modules_in(folder)), functions]),
            env={"AWS_DEFAULT_REGION": "us-east-1", **os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        said: Descriptions = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        return {}
    return said
