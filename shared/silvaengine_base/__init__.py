"""The public names of the specification, each loaded at its first use.

An artefact contains one service only: using another one raises an ImportError that says so in one line.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from silvaengine.annotations import Header
    from silvaengine.context import current_invocation, meter
    from silvaengine.errors import FunctionError
    from silvaengine_base.lambdabase import LambdaBase
    from silvaengine_base.models import (
        ConfigDataModel,
        ConnectionModel,
        EndpointModel,
        FunctionModel,
        HookModel,
        WSSConnectionModel,
    )
    from silvaengine_base.services import Resources, Tasks, Worker
    from silvaengine_utility.cursors import decode_cursor, encode_cursor
    from silvaengine_utility.uploads import UploadedFile

__all__ = [
    "ConfigDataModel",
    "ConnectionModel",
    "EndpointModel",
    "FunctionError",
    "FunctionModel",
    "Header",
    "HookModel",
    "LambdaBase",
    "Resources",
    "Tasks",
    "UploadedFile",
    "WSSConnectionModel",
    "Worker",
    "current_invocation",
    "decode_cursor",
    "encode_cursor",
    "meter",
]

_MODULES = {
    "LambdaBase": "silvaengine_base.lambdabase",
    "Resources": "silvaengine_base.services",
    "Tasks": "silvaengine_base.services",
    "Worker": "silvaengine_base.services",
    "FunctionError": "silvaengine.errors",
    "Header": "silvaengine.annotations",
    "UploadedFile": "silvaengine_utility.uploads",
    "current_invocation": "silvaengine.context",
    "decode_cursor": "silvaengine_utility.cursors",
    "encode_cursor": "silvaengine_utility.cursors",
    "meter": "silvaengine.context",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'silvaengine_base' has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "silvaengine_base.models")), name)
