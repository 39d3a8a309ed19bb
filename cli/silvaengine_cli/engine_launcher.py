"""Starts MiniStack, changed where it is kinder than AWS; the engine's own interpreter runs this file.

What is changed is not public and may change with any version; tests/e2e/test_engine_probes.py would show it.
"""

import time
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any

from ministack import app  # type: ignore[import-not-found]
from ministack.core import lambda_runtime  # type: ignore[import-not-found]
from ministack.services import lambda_svc  # type: ignore[import-not-found]

# What Lambda's python3.13 brings and the engine has, too:
# docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
RUNTIME_MODULES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
SITE_PACKAGES = Path(app.__file__).parents[1]


def main() -> None:
    """Change the engine and run it."""
    use_paths_of_lambda(make_runtime(Path(gettempdir(), "runtime")))
    keep_logs_of_sockets()
    app.main()


def make_runtime(folder: Path) -> Path:
    """Fill a folder with links to the modules that Lambda's runtime brings; return it."""
    folder.mkdir()
    distributions = packages_distributions()
    for module in RUNTIME_MODULES:
        stems = [name.replace("-", "_") for name in distributions[module]]
        patterns = [module, f"{module}.py", *(f"{stem}-*.dist-info" for stem in stems)]
        for path in (found for pattern in patterns for found in SITE_PACKAGES.glob(pattern)):
            (folder / path.name).symlink_to(path)
    return folder


def use_paths_of_lambda(runtime: Path) -> None:
    """Have a function import from its code, then its layers, then Lambda's runtime, and from nothing else.

    The engine takes layers before the code, and offers all that it has installed for itself.
    """
    code_first = "    sys.path.insert(0, code_dir)\n"
    paths_are_complete = "    # After sys.path is complete"
    own = f"    sys.path[:] = [it for it in sys.path if it != {str(SITE_PACKAGES)!r}] + [{str(runtime)!r}]\n"
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    assert script.count(code_first) == script.count(paths_are_complete) == 1  # noqa: S101 - upgrades only
    script = script.replace(code_first, own)
    script = script.replace(paths_are_complete, code_first + paths_are_complete)
    lambda_runtime._PYTHON_WORKER_SCRIPT = script


def keep_logs_of_sockets() -> None:
    """Write the logs of functions that a WebSocket API invokes, as those of all others are."""
    get_worker = lambda_runtime.get_or_create_worker
    write_logs = lambda_svc._emit_lambda_logs

    def get_logged_worker(name: str, config: Mapping[str, Any], code: bytes, **options: str) -> object:
        worker = get_worker(name, config, code, **options)

        def invoke(event: object, request_id: str) -> Mapping[str, Any]:
            start = time.monotonic()
            result: Mapping[str, Any] = worker.invoke(event, request_id)
            milliseconds = int((time.monotonic() - start) * 1000)
            write_logs(
                {"config": config},
                request_id,
                result.get("log", ""),
                result["status"] == "error",
                milliseconds,
            )
            return result

        return SimpleNamespace(invoke=invoke)

    lambda_runtime.get_or_create_worker = get_logged_worker


if __name__ == "__main__":
    main()
