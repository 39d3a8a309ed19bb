"""What a worker says of itself: what its functions take and, of a release, the rights that it has.

It imports every function as a call would, in the place where calls will run, and tries each right by a
request that changes nothing: one whose condition can't hold, or for what doesn't exist. A new role's rights
take some seconds to hold, so that the publisher asks until they do.
"""

import inspect
import platform
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from os import urandom
from typing import TYPE_CHECKING

from silvaengine.aws.apigateway import open_connections_api
from silvaengine.aws.client import error_of, open_client, percent_encode
from silvaengine.aws.errors import misconfigured
from silvaengine.aws.http import NoResponseError
from silvaengine.aws.secrets import open_lookups, resolve_references
from silvaengine.aws.table_client import open_table_reader, open_table_writer
from silvaengine.errors import ConditionFailedError, NotFoundError, SilvaEngineError
from silvaengine.ledger.payload_store import open_payload_store, result_key
from silvaengine.observability.redaction import redact
from silvaengine.protocol.messages import RESPONSE_MARK, RESPONSE_VERSION
from silvaengine.settings import Settings
from silvaengine.tables import CACHE_SETTING_ID, CONFIG_DATA, EXECUTIONS, WSS_CONNECTIONS
from silvaengine_worker.loader import LoadedFunction, Loader, NoFunctionError
from silvaengine_worker.release import PROTOCOL, Release
from silvaengine_worker.typed.schemas import describe_signature

if TYPE_CHECKING:
    from silvaengine.protocol.json_codec import Json

INVOKE_SECONDS = 2.0
TRACEBACK_LINES = 8

type Rights = Mapping[str, Callable[[], object]]
"""The rights by name, each with a request that needs it."""

type Described = Sequence[tuple[str, str, str, bool]]
"""Functions: module, class (empty for a plain function), function, and whether it is typed."""


class Describer:
    """Describes the functions that ``loader`` may load, and tries ``rights``."""

    def __init__(self, loader: Loader, rights: Rights) -> None:
        self._loader = loader
        self._rights = rights

    def describe(self, functions: Described) -> "Json":
        """Return what a worker is found to be.

        Returns:
            ``functions``, by ``module:Class.function``: of a typed one what ``describe_signature`` returns,
            of any other ``parameters`` (``name``, ``required``) and ``summary``, the docstring's first line;
            or ``error``, the end of the import's traceback, or why its signature can't be checked.
            ``rights``, by name: ``ok``, or what AWS said. ``python`` and ``protocol`` are versions.
        """
        return {
            RESPONSE_MARK: RESPONSE_VERSION,
            "functions": {
                _call_of(module, cls, name): self._function(module, cls, name, is_typed=is_typed)
                for module, cls, name, is_typed in functions
            },
            "rights": {name: _try(request) for name, request in self._rights.items()},
            "python": platform.python_version(),
            "protocol": PROTOCOL,
        }

    def _function(self, module_name: str, class_name: str, function: str, *, is_typed: bool) -> "Json":
        try:
            target = self._loader.load(module_name, class_name, function)
            return describe_signature(target.function, target.parameters) if is_typed else _untyped(target)
        except BaseException as error:  # noqa: BLE001 - boundary of an operator's package
            return {"error": redact(_reason(error))}


def _untyped(target: LoadedFunction) -> "Json":
    taken = inspect.signature(target.function).parameters
    required = target.parameters.required
    names = [name for name in taken if name in target.parameters.names]
    return {
        "parameters": [{"name": name, "required": name in required} for name in names],
        "summary": (inspect.getdoc(target.function) or "").partition("\n")[0],
    }


def open_describer(settings: Settings, loader: Loader, release: Release) -> Describer:
    """Return the describer of a release in its deployment, or of the worker that is no release."""
    rights = _rights(settings, f"{release.package}-{urandom(16).hex()}") if release.digest else ()
    return Describer(loader, dict(rights))


def _rights(settings: Settings, unknown: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the rights of a worker's role (WorkerPolicy in template.yaml), but for SNS, which has no dry run.

    ``unknown`` is an id that nothing has.
    """
    region, writer, reader = settings.region, open_table_writer(settings), open_table_reader(settings)
    job, owner = {"job_id": unknown}, {"owner": unknown}
    condition = "#owner = :owner"
    yield "ledger", lambda: writer.update(EXECUTIONS, job, "REMOVE #cause", condition=condition, values=owner)
    if settings.payload_bucket:
        # One empty object for each package, which the bucket's lifecycle removes.
        key = result_key(f"{unknown.partition('-')[0]}-describe", "describe")
        yield "results", lambda: open_payload_store(settings).put(key, "")
    yield "tasks", partial(_dry_run, region, settings.tasks_function)
    if settings.broadcaster:
        yield "broadcaster", partial(_dry_run, region, settings.broadcaster)
    if url := settings.websocket_management_url:
        gone = b64encode(urandom(11)).decode()  # API Gateway's form; it refuses others before it looks
        yield "pushes", lambda: open_connections_api(region, url).post(gone, b"")
        connection = {"endpoint_id": unknown, "connection_id": unknown}
        exists = "attribute_exists(#connection_id)"
        yield "connections", lambda: writer.delete(WSS_CONNECTIONS, connection, condition=exists)
    if redis := settings.cache.redis:
        password = {"password": redis.password}
        yield "redis password", lambda: resolve_references(password, open_lookups(region))
    elif settings.cache.fence_seconds is not None:
        clears = {"setting_id": CACHE_SETTING_ID + unknown, "variable": unknown}
        yield "cache", lambda: reader.get(CONFIG_DATA, clears)


def _try(request: Callable[[], object]) -> str:
    """Return ``ok`` if a request was allowed, else what AWS said."""
    try:
        request()
    except (ConditionFailedError, NotFoundError):  # it was allowed, and there is no such thing
        return "ok"
    except SilvaEngineError as error:
        return error.detail or error.message
    return "ok"


def _dry_run(region: str, function: str) -> None:
    """Ask Lambda whether a function may be invoked: docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.

    Raises:
        ConfigurationError: it may not, or there was no response.
    """
    path = f"/2015-03-31/functions/{percent_encode(function)}/invocations"
    try:
        response = open_client("lambda", region).post(
            path, {"x-amz-invocation-type": "DryRun"}, b"", INVOKE_SECONDS
        )
    except NoResponseError as error:
        raise misconfigured(f"Invoke {function}: {error}") from error
    if response.status >= 300:
        raise misconfigured(": ".join((f"Invoke {function}", *error_of(response))))


def _call_of(module_name: str, class_name: str, function: str) -> str:
    return f"{module_name}:{class_name}.{function}" if class_name else f"{module_name}:{function}"


def _reason(error: BaseException) -> str:
    """Return why a function can't be had or described, else the end of the traceback of its import."""
    cause = (isinstance(error, NoFunctionError) and error.__cause__) or error
    if isinstance(cause, SilvaEngineError):
        return cause.detail or cause.message
    lines = "".join(traceback.format_exception(cause)).splitlines()
    return "\n".join(lines[-TRACEBACK_LINES:])
