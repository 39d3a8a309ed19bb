"""The pytest fixture ``invoke``: a call of a function by the worker's own code."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from silvaengine.cache.process import process_cache
from silvaengine.errors import SilvaEngineError
from silvaengine.protocol.json_codec import Json
from silvaengine.protocol.messages import Callee, ExecutionRef, Invocation, WorkerCall
from silvaengine_worker.loader import Loader
from silvaengine_worker.results import to_json_text
from silvaengine_worker.worker import Worker

REGISTRY = "registry.yaml"
PACKAGE = "package.yaml"


class Invoke:
    """Calls functions with the loader, arguments, deadline and encoding of the worker Lambda.

    Objects of classes and cached values are kept between the calls of one test, as in a warm Lambda, and not
    beyond it. ``folders`` are where to look for registry.yaml and package.yaml; the first function of a name
    is used.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._workers: dict[str, Worker] = {}
        process_cache().isolate()

    def __call__(
        self,
        function: str,
        *,
        settings: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        context: Mapping[str, Any] | None = None,
        endpoint_id: str = "test",
        area: str = "core",
        effect: str | None = None,
        attempt: int = 1,
        typed: bool | None = None,
    ) -> Any:  # noqa: ANN401 - a test knows what its function returns
        """Call a function and return its result as a caller receives it: text, a JSON value, or bytes.

        Args:
            function: ``package.module:Class.function``, ``package.module:function``, or a name in
                package.yaml or registry.yaml (which needs PyYAML): of the package whose test it is, in
                ``services/worker/functions``, ``functions``, the root of the tests or another package. Of
                them only what is called, ``typed`` and ``keep_empty`` are read, not the settings.
            settings: for the constructor and ``current_invocation().settings``.
            params: as from a query string, in JSON values.
            body: text as a client sends it, or a value that is sent as JSON.
            context: members of the request's context besides ``channel``, ``area`` and ``headers``.
            endpoint_id: the tenant.
            area: the area.
            effect: the ``effect`` of the fencing token, for a call that the ledger holds.
            attempt: the number of the attempt, from 1.
            typed: whether the signature decides, as for a registered function with ``typed: true``, which is
                the default for its name; then the result is checked, too.

        Raises:
            FunctionError: the function's own.
            SilvaEngineError: names, settings or parameters don't match, or the result has no JSON form.
            Exception: whatever else the function raised.

        """
        module_name, class_name, name, row = self._find(function)
        call = WorkerCall(
            Callee(
                module_name,
                class_name,
                name,
                json.dumps(dict(settings or {})),
                typed=row.get("typed") is True if typed is None else typed,
                keep_empty=row.get("keep_empty") is True,
            ),
            params={**(params or {}), "endpoint_id": endpoint_id, "area": area},
            body=body if body is None or isinstance(body, str) else json.dumps(body),
            context={"channel": endpoint_id, "area": area, "headers": {}} | dict(context or {}),
            invocation=Invocation(
                request_id="0" * 32,
                endpoint_id=endpoint_id,
                area=area,
                function=name if ":" in function else _public_name(function),
                deadline=None,
                attempt=attempt,
            ),
            job=None if effect is None else _job(effect, attempt),
        )
        return self._run(call)

    def _run(self, call: WorkerCall) -> Json | bytes:
        package = call.callee.module_name.partition(".")[0]
        worker = self._workers.setdefault(package, Worker(Loader([package]), checks_results=True))
        try:
            response = worker.run(WorkerCall.decode(json.loads(call.encode())))
            value: Json = json.loads(to_json_text(response.encode()))["value"]
        except SilvaEngineError as error:
            if error.detail:
                error.add_note(error.detail)
            raise
        return b64decode(response.value) if response.kind == "base64" else value

    def _find(self, function: str) -> tuple[str, str, str, Mapping[str, Any]]:
        if ":" in function:
            return *_callee(function), {}
        files = [path for folder in self._folders for path in _registries(folder)]
        for path in files:
            if row := _functions(path).get(function):
                if call := row.get("call"):
                    return *_callee(call), row
                return row["module"], row.get("class") or "", _public_name(function), row
        where = ", ".join(map(str, files)) or f"no {REGISTRY} was found"
        msg = f"{function!r} isn't registered ({where}); package.module:Class.function works without"
        raise LookupError(msg)


def _callee(text: str) -> tuple[str, str, str]:
    module_name, _, rest = text.partition(":")
    class_name, _, name = rest.rpartition(".")
    return module_name, class_name, name


def _public_name(label: str) -> str:
    return label.partition("@")[0]


def _registries(folder: Path) -> Iterator[Path]:
    return (path for name in (PACKAGE, REGISTRY) if (path := folder / name).is_file())


def _functions(path: Path) -> Mapping[str, Any]:
    import yaml  # lazy: only a name in a file needs it; an extra of the wheel

    class Loader(yaml.SafeLoader):
        """Takes CloudFormation's short functions, such as !Ref, for nothing."""

    Loader.add_multi_constructor("!", lambda *_: None)
    content = Loader(path.read_text("utf-8")).get_single_data() or {}
    default = dict.fromkeys(("typed", "keep_empty"), path.name == PACKAGE and content.get("typed", True))
    return {name: {**default, **row} for name, row in (content.get("functions") or {}).items()}


def _job(effect: str, attempt: int) -> ExecutionRef:
    return ExecutionRef("0" * 32, "", effect, attempt, attempt, attempt, "retry", 86_400, 10)


def function_folders(root: Path, test: Path | None = None) -> list[Path]:
    """Return the folders of a project that may hold functions and their names, best first for a test file."""
    packages = sorted(path.parent for path in root.glob(f"packages/*/{PACKAGE}"))
    own = [folder for folder in packages if test and test.is_relative_to(folder)]
    places = (*own, root / "services/worker/functions", root / "functions", root, *packages)
    return [folder for folder in dict.fromkeys(places) if folder.is_dir()]
