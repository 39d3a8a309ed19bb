"""The `silvaengine` command and the local engine; never deployed."""

from importlib.util import find_spec

if any(find_spec(name) is None for name in ("click", "pydantic", "rich", "yaml")):
    raise SystemExit("the command needs an extra: pip install 'silvaengine-base[cli]'")
