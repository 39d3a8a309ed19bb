"""Writes what a package's ``deploy()`` returns or raises; `silvaengine import` runs this file."""

import json
import sys
from importlib import import_module
from pathlib import Path


def main(package: str, result: Path) -> None:
    """Call a package's ``deploy()`` and write JSON: an object with ``returned`` or ``raised``."""
    try:
        text = json.dumps({"returned": import_module(package).deploy()}, default=list)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a package's own code may raise anything
        text = json.dumps({"raised": f"{type(error).__name__}: {error}"})
    result.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
