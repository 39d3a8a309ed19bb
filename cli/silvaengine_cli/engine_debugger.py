"""What `breakpoint()` does under `silvaengine dev --debug`: a module of every function on the local engine.

The engine's launcher puts it on the functions' path. A debugger attaches by the Debug Adapter Protocol.
"""

import importlib
import os
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

PORT_VARIABLE = "SILVAENGINE_DEBUG_PORT"
WAITING_FILE = "waiting_for_debugger"  # in the engine's temporary folder, while a call waits
LAMBDA_SECONDS = 900.0


def install() -> None:
    """Let `breakpoint()` wait for a debugger, and the gateways for a function as long as Lambda may run."""
    sys.breakpointhook = _stop_in_caller
    with suppress(ImportError):  # not every function has the layer
        # lazy: the command line reads this module, too
        from silvaengine.authorization import events

        events.WAIT_SECONDS = LAMBDA_SECONDS


def _stop_in_caller(*_: object, **__: object) -> None:
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else it warns of each frozen module
    debugpy: Any = importlib.import_module("debugpy")
    _listen(debugpy)
    if not debugpy.is_client_connected():
        waiting = Path(tempfile.gettempdir(), WAITING_FILE)
        waiting.touch()
        debugpy.wait_for_client()
        waiting.unlink(missing_ok=True)
    # debugpy.breakpoint() would stop here, in the frame that calls it.
    pydevd: Any = importlib.import_module("pydevd")
    pydevd.settrace(
        suspend=True,
        trace_only_current_thread=True,
        patch_multiprocessing=False,
        stop_at_frame=sys._getframe(1),
    )


@cache
def _listen(debugpy: Any) -> None:  # noqa: ANN401 - it has no types here
    port = int(os.environ[PORT_VARIABLE])
    try:
        debugpy.listen(("127.0.0.1", port))
    except RuntimeError as error:
        raise RuntimeError(f"breakpoint(): a debugger of another call uses port {port}") from error
    paths: Any = importlib.import_module("pydevd_file_utils")
    paths.setup_client_server_paths(_sources_and_copies())


def _sources_and_copies() -> list[tuple[str, str]]:
    """Return folders of the project, and where the engine has unpacked what is made of them."""
    worker = Path(tempfile.gettempdir()).parents[1] / "services/worker"  # from .silvaengine/state.tmp
    code = Path(os.environ["LAMBDA_TASK_ROOT"])
    pairs = [(worker / "silvaengine_worker", code / "silvaengine_worker"), (worker / "functions", code)]
    return [(str(source), str(copy)) for source, copy in pairs]
