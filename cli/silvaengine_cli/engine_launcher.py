"""Starts MiniStack, changed where it isn't like AWS; the engine's own interpreter runs this file.

What is changed is not public and may change with any version; tests/e2e/test_engine_probes.py would show it.
"""

import os
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from importlib.machinery import SourceFileLoader
from importlib.metadata import packages_distributions
from pathlib import Path
from tempfile import gettempdir
from threading import Semaphore
from types import ModuleType, SimpleNamespace
from typing import Any

from ministack import app  # type: ignore[import-not-found]
from ministack.core import iam_evaluator, lambda_runtime  # type: ignore[import-not-found]
from ministack.services import apigateway, apigateway_v1, lambda_svc  # type: ignore[import-not-found]
from ministack.services.cloudformation import provisioners  # type: ignore[import-not-found]

# What Lambda's python3.13 brings and the engine has, too:
# docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
RUNTIME_MODULES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")
BOTOCORE, DEBUGGER = (Path(__file__).with_name(f"engine_{name}.py") for name in ("botocore", "debugger"))
LAMBDA_SECONDS = 900  # docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
SITE_PACKAGES = Path(app.__file__).parents[1]
SUBPROTOCOL = "Sec-WebSocket-Protocol"
STARTING = os.cpu_count() or 1  # processes of one function that start at a time


def main() -> None:
    """Change the engine and run it."""
    runtime = Path(gettempdir(), "runtime")
    runtime.mkdir()
    link_modules(runtime, RUNTIME_MODULES)
    use_paths_of_lambda(runtime)
    leave_botocore_to_functions(runtime)
    if "SILVAENGINE_DEBUG_PORT" in os.environ:
        link_modules(runtime, ["debugpy"])
        offer_debugger(runtime)
    module_beside("engine_logs").mend(change_worker_script)
    unpack_once()
    start_few_at_a_time()
    lambda_svc._schedule_state_transition = activate
    share_reserved_concurrency()
    answer_handshakes()
    pass_on_preflights()
    if mark := os.environ.pop("SILVAENGINE_STRICT", ""):  # functions don't inherit it
        trust_the_double(mark)
        give_rest_events_each_header()
        give_http_events_the_stage()
        keep_tenancy_of_stacks()
    app.main()


def link_modules(folder: Path, modules: Iterable[str]) -> None:
    """Put links to modules of the engine, and to their metadata, into a folder."""
    distributions = packages_distributions()
    for module in modules:
        stems = [name.replace("-", "_") for name in distributions[module]]
        patterns = [module, f"{module}.py", *(f"{stem}-*.dist-info" for stem in stems)]
        for path in (found for pattern in patterns for found in SITE_PACKAGES.glob(pattern)):
            (folder / path.name).symlink_to(path)


def use_paths_of_lambda(runtime: Path) -> None:
    """Have a function import from its code, then its layers, then Lambda's runtime, and from nothing else.

    The engine takes layers before the code, and offers all that it has installed for itself.
    """
    code = "    sys.path.insert(0, code_dir)\n"
    own = f"    sys.path[:] = [it for it in sys.path if it != {str(SITE_PACKAGES)!r}] + [{str(runtime)!r}]\n"
    complete = "    # After sys.path is complete"
    change_worker_script(code, own)
    change_worker_script(complete, code + complete)


def leave_botocore_to_functions(runtime: Path) -> None:
    """Have no process of a function import botocore by itself: the engine's change of it waits for that."""
    (runtime / BOTOCORE.name).symlink_to(BOTOCORE)
    name = BOTOCORE.stem
    late = f"    import {name}; {name}.install(_ms_install_invoke_depth)\n"
    change_worker_script("    _ms_install_invoke_depth()\n", late)


def offer_debugger(runtime: Path) -> None:
    """Have `breakpoint()` wait for a debugger, and let every function run as long as Lambda lets one."""
    (runtime / DEBUGGER.name).symlink_to(DEBUGGER)
    handler_import = "        mod = importlib.import_module(module_name)\n"
    install = f"        import {DEBUGGER.stem}; {DEBUGGER.stem}.install()\n"
    change_worker_script(handler_import, install + handler_import)
    make_worker = lambda_runtime.Worker.__init__

    def make_patient_worker(self: Any, name: str, config: Mapping[str, Any], code: bytes) -> None:  # noqa: ANN401
        make_worker(self, name, {**config, "Timeout": LAMBDA_SECONDS}, code)

    lambda_runtime.Worker.__init__ = make_patient_worker


def change_worker_script(old: str, new: str) -> None:
    """Replace a part of the program that runs a function."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(old) != 1:
        raise SystemExit(f"this version of MiniStack has no {old.strip()!r} to change")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(old, new)


def unpack_once() -> None:
    """Have the processes of a function share their unpacked artefact: see engine_unpacking.py."""
    unpacking = module_beside("engine_unpacking")
    lambda_runtime.zipfile = SimpleNamespace(**vars(zipfile) | {"ZipFile": unpacking.SharedZip})


def module_beside(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a module beside this file; nothing else of the package can be imported here."""
    loader = SourceFileLoader(name, str(Path(__file__).with_name(f"{name}.py")))
    module = ModuleType(name)
    loader.exec_module(module)
    return module


def activate(name: str, _seconds: float) -> None:
    """Let a function be Active as soon as its code is there; by itself the engine waits for half a second.

    What it is on AWS meanwhile is shown by the double.
    """
    function = lambda_svc._functions[name]
    ready = {"State": "Active", "LastUpdateStatus": "Successful"}
    reasons = [f"{state}{reason}" for state in ready for reason in ("Reason", "ReasonCode")]
    for record in (function, *function["versions"].values()):
        record["config"] |= ready | dict.fromkeys(reasons, "")


def start_few_at_a_time() -> None:
    """Let calls without a free process wait for their turn to start one, and take one that is free by then.

    The engine starts one for each call at once, so that those of a burst starve one another and the engine,
    which serves what they read. A start ends whatever other calls do, so that none waits for its own caller.
    """
    acquire = lambda_runtime.acquire_worker
    turns: dict[str, Semaphore] = {}

    def acquire_in_turn(name: str, *arguments: Any, **options: Any) -> tuple[Any, str]:  # noqa: ANN401
        worker, how = acquire(name, *arguments, **options, max_concurrency=1)
        if worker is not None:  # free, or the function's first
            return worker, how
        with turns.setdefault(name, Semaphore(STARTING)):
            worker, how = acquire(name, *arguments, **options)
            if how == "spawn":
                with suppress(Exception):  # the call starts it again and reports the failure
                    lambda_runtime.ensure_spawned(worker)
            return worker, how

    lambda_svc.acquire_worker = acquire_in_turn


def share_reserved_concurrency() -> None:
    """Have versions refuse what exceeds their function's reserved concurrency; the engine asks themselves.

    docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html.
    """
    reserved = lambda_svc._reserved_concurrency

    def reserved_of_function(record: object, configuration: Mapping[str, Any]) -> int | None:
        function = lambda_svc._functions.get(configuration["FunctionName"], record)
        limit: int | None = reserved(function, configuration)
        return limit

    lambda_svc._reserved_concurrency = reserved_of_function


def answer_handshakes() -> None:
    """Send a client the subprotocol of ``$connect``'s response, without which a browser doesn't connect.

    A refusal is a 403 still, with the status of that response in a header, from which the double takes it.
    """
    invoke, handle = apigateway._invoke_ws_lambda, apigateway.handle_websocket
    returned: ContextVar[Mapping[str, Any] | None] = ContextVar("returned", default=None)

    async def invoke_route(*args: object, **options: object) -> Mapping[str, Any] | None:
        response: Mapping[str, Any] | None = await invoke(*args, **options)
        if args[6] == "CONNECT":  # the event's type
            returned.set(response)
        return response

    async def handle_socket(
        scope: object,
        receive: object,
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
        *args: object,
        **options: object,
    ) -> None:
        async def send_answer(message: Mapping[str, Any]) -> None:
            response = returned.get() or {}
            if message["type"] == "websocket.accept":
                message = {**message, "subprotocol": (response.get("headers") or {}).get(SUBPROTOCOL)}
                returned.set(None)  # what closes the connection from now on is no refusal
            elif message["type"] == "websocket.close" and response:
                fields = [(b"x-connect-status", str(response.get("statusCode")).encode())]
                await send({"type": "websocket.http.response.start", "status": 403, "headers": fields})
                message = {"type": "websocket.http.response.body", "body": b""}
            await send(message)

        await handle(scope, receive, send_answer, *args, **options)

    apigateway._invoke_ws_lambda, apigateway.handle_websocket = invoke_route, handle_socket


def pass_on_preflights() -> None:
    """Have an HTTP API without a CORS configuration pass OPTIONS on as any request; the engine responds.

    docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html.
    """
    execute, invoke = apigateway._handle_execute_in_scope, apigateway._invoke_lambda_proxy

    async def execute_any(api: str, stage: str, path: str, method: str, *rest: object) -> object:
        if method == "OPTIONS" and not apigateway._apis.get(api, {}).get("corsConfiguration"):
            method = "options"  # which the engine doesn't look for
        return await execute(api, stage, path, method, *rest)

    def invoke_any(*arguments: Any, **options: Any) -> object:  # noqa: ANN401
        own, api, stage, path, method, *rest = arguments
        return invoke(own, api, stage, path, method.upper(), *rest, **options)

    apigateway._handle_execute_in_scope, apigateway._invoke_lambda_proxy = execute_any, invoke_any


def trust_the_double(mark: str) -> None:
    """Ask for no signature of a call that the double has changed, which broke it; policies hold."""
    note = app.pin_signed_request

    def note_unless_marked(method: str, path: str, query: object, headers: Any, **more: Any) -> None:  # noqa: ANN401
        note(method, path, query, headers, **more)
        if (b"x-silvaengine-double", mark.encode()) in map(tuple, headers):
            iam_evaluator._signed_request.set(None)

    app.pin_signed_request = note_unless_marked


def give_rest_events_each_header() -> None:
    """Have a REST event hold a repeated header's last value, and all of them, and a query's last values.

    docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html.
    """
    serve, build = app.app, apigateway_v1._build_lambda_event_v1
    sent: ContextVar[Iterable[tuple[bytes, bytes]]] = ContextVar("sent")

    async def serve_noting_headers(scope: Mapping[str, Any], receive: object, send: object) -> None:
        sent.set(scope.get("headers", ()))
        await serve(scope, receive, send)

    def build_event(*args: object, **options: object) -> Mapping[str, Any]:
        event: dict[str, Any] = build(*args, **options)
        every: dict[str, list[str]] = {}
        for name, value in sent.get():
            every.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        repeated = {name: values for name, values in every.items() if len(values) > 1}
        event["multiValueHeaders"] |= repeated
        event["headers"] |= {name: values[-1] for name, values in repeated.items()}
        if query := event["multiValueQueryStringParameters"]:
            event["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
        return event

    app.app, apigateway_v1._build_lambda_event_v1 = serve_noting_headers, build_event


def give_http_events_the_stage() -> None:
    """Have `rawPath` begin with the stage, unless that is `$default`.

    docs.aws.amazon.com doesn't say so; github.com/aws-powertools/powertools-lambda-python/issues/621 saw it.
    """
    invoke = apigateway._invoke_lambda_proxy

    def invoke_with_stage(own: object, api: str, stage: str, path: str, *rest: Any, **more: Any) -> object:  # noqa: ANN401
        staged = path if stage == "$default" else f"/{stage}{path}"
        return invoke(own, api, stage, staged, *rest, **more)

    apigateway._invoke_lambda_proxy = invoke_with_stage


def keep_tenancy_of_stacks() -> None:
    """Have a function of a stack keep its `TenancyConfig`, by which the double demands a tenant's id."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create = handlers["create"]

    def create_with_tenancy(logical_id: str, properties: Mapping[str, Any], stack: str) -> tuple[str, object]:
        name, attributes = create(logical_id, properties, stack)
        if tenancy := properties.get("TenancyConfig"):
            lambda_svc._functions[name]["config"]["TenancyConfig"] = tenancy
        return name, attributes

    handlers["create"] = create_with_tenancy


if __name__ == "__main__":
    main()
