"""The fixture ``invoke``, which calls a function in tests; pytest loads it wherever the wheel is installed.

So this module imports nothing of the framework until a test uses the fixture.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from silvaengine_worker.testing import Invoke


@pytest.fixture
def invoke(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "Invoke":
    """Call a function as the worker does, without an engine or AWS.

    ``invoke("my_package.orders:Orders.find", settings={"table": "orders"}, params={"id": "7"})`` names the
    module, the class and the function; ``invoke("my_package.orders:find")`` a plain function;
    ``invoke("find")`` a function of package.yaml or registry.yaml. See ``silvaengine_worker.testing.Invoke``.
    """
    from silvaengine_worker.testing import Invoke, function_folders  # lazy: only the fixture needs it

    folders = function_folders(request.config.rootpath, request.path)
    for folder in reversed(folders):
        monkeypatch.syspath_prepend(folder)
    return Invoke(folders)
