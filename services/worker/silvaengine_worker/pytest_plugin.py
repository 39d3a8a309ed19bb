"""The fixture ``invoke``: a call of one's own function, in every pytest run where the wheel is installed.

This module loads with every such run, so it imports nothing of ours until the fixture is asked for.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from silvaengine_worker.testing import Invoke


@pytest.fixture
def invoke(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "Invoke":
    """Call a function as the worker does, with no engine and no AWS.

    ``invoke("my_package.orders:Orders.find", settings={"table": "orders"}, params={"id": "7"})`` names the
    module, the class and the function; ``invoke("my_package.orders:find")`` a plain function;
    ``invoke("find")`` what registry.yaml calls so. See ``silvaengine_worker.testing.Invoke``.
    """
    from silvaengine_worker.testing import Invoke, function_folders

    folders = function_folders(request.config.rootpath)
    for folder in reversed(folders):
        monkeypatch.syspath_prepend(folder)
    return Invoke(folders)
