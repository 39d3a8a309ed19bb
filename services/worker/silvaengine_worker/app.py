"""The worker Lambda: it runs functions of the allowed packages."""

import sys
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from silvaengine.observability.alerts import open_alert_publisher
from silvaengine.observability.handler import Handler
from silvaengine.observability.logging import configure_logging
from silvaengine.settings import Settings, fix_environment
from silvaengine_worker.client_channel import open_channels
from silvaengine_worker.loader import Loader, extend_path, read_allowed_packages
from silvaengine_worker.release import Release, read_release
from silvaengine_worker.serving import CallServer, create_handler
from silvaengine_worker.worker import Worker

if TYPE_CHECKING:
    from silvaengine_worker.describe import Describer
    from silvaengine_worker.executions import ExecutionRunner
    from silvaengine_worker.replies import OpenReplies


def _refuse_breakpoint(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("breakpoint(): no debugger can attach here; under `silvaengine dev --debug` one can")


def _open_handler(settings: Settings) -> Handler:
    fix_environment()
    configure_logging(settings)
    if sys.breakpointhook is sys.__breakpointhook__:  # it would wait for a terminal that isn't there
        sys.breakpointhook = _refuse_breakpoint
    extend_path(settings.packages_path)
    artefact = Path(__file__).parent.parent
    loader = Loader(settings.allowed_packages or read_allowed_packages(artefact))
    worker = Worker(
        loader,
        open_channels(settings),
        checks_results=settings.checks_results,
        kept_bytes=settings.kept_bytes,
    )
    release = read_release(artefact)
    server = CallServer(
        worker,
        lambda: _open_executions(settings),
        lambda: _open_replies(settings),
        release,
        partial(_open_describer, settings, loader, release),
    )
    return create_handler(server, open_alert_publisher(settings))


@cache
def _open_executions(settings: Settings) -> "ExecutionRunner":
    from silvaengine.ledger.payload_store import open_payload_store  # lazy: only an execution needs them
    from silvaengine.ledger.store import open_ledger
    from silvaengine_worker.executions import ExecutionRunner

    return ExecutionRunner(open_ledger(settings), open_payload_store(settings))


@cache
def _open_replies(settings: Settings) -> "OpenReplies":
    from silvaengine_worker.replies import open_replies  # lazy: only a call over a WebSocket needs it

    return open_replies(settings)


def _open_describer(settings: Settings, loader: Loader, release: Release) -> "Describer":
    from silvaengine_worker.describe import open_describer  # lazy: only publish and apply need it

    return open_describer(settings, loader, release)


handler = _open_handler(Settings.from_environment())
