"""The `silvaengine` command and the local engine; never deployed."""

from importlib.util import find_spec
from typing import Any

if any(find_spec(name) is None for name in ("click", "pydantic", "rich", "yaml")):
    raise SystemExit("the command needs an extra: pip install 'silvaengine-base[cli]'")

type AwsClient = Any  # boto3 makes the classes of its clients at run time
